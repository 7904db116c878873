"""What a tenant may have open at once: counted with the accepting, by however many at the same moment."""

from typing import Any

import pytest
from sqlalchemy import func, select

from ledger import intake, quota, schema
from ledger.errors import QuotaExceeded
from ledger.intake import Asked, Taken
from ledger.quota import Quota
from ledger.tests.driver import TENANT, Driver, report
from ledger.tests.processes import at_once, meet


def take(drive: Driver, *asked: Asked) -> list[Any]:
    """Submit these together; each audit's id, or the quota that has no room."""
    with drive.ledger.writing() as connection:
        answers = intake.take(connection, asked)
    return [one.quota if isinstance(one, QuotaExceeded) else told(one) for one in answers]


def told(answer: Any) -> str:
    """The id of the audit that answers."""
    assert isinstance(answer, Taken)
    return answer.accepted.audit_id


def one(drive: Driver, most: Quota, tenant: str = TENANT, **changes: Any) -> Asked:
    """A submission that is counted."""
    return tenant, drive.submission(quota=most, **changes)


def test_so_many_audits_and_no_more(drive: Driver) -> None:
    """Two of two; the third has no room until one has ended, and its key is not used up by the refusal."""
    most = Quota(audits=2, targets=0)
    first, _ = take(drive, one(drive, most), one(drive, most))
    third = one(drive, most)
    assert take(drive, third) == [quota.AUDITS]
    drive.finish(drive.claim(first, "plan"), planned=[report("plan")])
    assert take(drive, third) == [quota.AUDITS]
    drive.finish(drive.claim(first, "report"))
    [admitted] = take(drive, third)
    assert drive.audit(admitted).state == "queued"


def test_so_many_targets_and_no_more(drive: Driver) -> None:
    """Six and four of ten; of what comes together each is judged for itself, in order."""
    most = Quota(audits=0, targets=10)
    answers = take(drive, one(drive, most, targets=6), one(drive, most, targets=5), one(drive, most, targets=4))
    assert answers[1] == quota.TARGETS
    assert sorted(row.targets for row in drive.rows(schema.audits)) == [4, 6]


def test_the_refusal_says_how_much_there_is(drive: Driver) -> None:
    """Seven of ten are open; four more do not fit now, eleven never will."""
    most = Quota(audits=0, targets=10)
    take(drive, one(drive, most, targets=7))
    found = []
    for targets in (4, 11):
        with drive.ledger.writing() as connection:
            [error] = intake.take(connection, [one(drive, most, targets=targets)])
        assert isinstance(error, QuotaExceeded)
        found.append((error.quota, error.most, error.left, error.passes))
    assert found == [("open-targets", 10, 3, True), ("open-targets", 10, 3, False)]
    with pytest.raises(QuotaExceeded, match="7 of 10 are taken and 4 more"), drive.ledger.writing() as connection:
        intake.submit(connection, *one(drive, most, targets=4))


def test_what_makes_no_new_audit_needs_no_room(drive: Driver) -> None:
    """A repeated submission, and one that was answered before, are answered at a full quota too."""
    most = Quota(audits=1, targets=0)
    ended = drive.planned(report("plan"), request_digest="a" * 64)
    drive.finish(drive.claim(ended, "report"))
    asked = one(drive, most)
    [opened] = take(drive, asked)
    reused = one(drive, most, request_digest="a" * 64, reuse=True)
    assert take(drive, asked, one(drive, most), reused) == [opened, quota.AUDITS, ended]


def test_equal_keys_that_come_together_are_one_audit(drive: Driver) -> None:
    """Which needs room once."""
    asked = one(drive, Quota(audits=1, targets=0))
    first, second = take(drive, asked, asked)
    assert first == second


def test_a_tenant_may_have_a_quota_of_its_own(drive: Driver) -> None:
    """It holds in place of the deployment's, for this tenant alone, until it is forgotten."""
    most = Quota(audits=1, targets=0)

    def opened(tenant: str) -> list[bool]:
        return [take(drive, one(drive, most, tenant)) != [quota.AUDITS] for _ in range(3)]

    with drive.ledger.writing() as connection:
        quota.set_for(connection, "acme", Quota(audits=5, targets=0))
        quota.set_for(connection, "acme", Quota(audits=2, targets=0))
        assert quota.own(connection, "acme") == Quota(audits=2, targets=0)
        assert quota.own(connection, "other") is None
    assert (opened("acme"), opened("other")) == ([True, True, False], [True, False, False])
    with drive.ledger.writing() as connection:
        assert quota.forget(connection, "acme")
        assert not quota.forget(connection, "acme")
    assert opened("acme") == [False] * 3


def test_who_is_not_counted_is_not_refused(drive: Driver) -> None:
    """No quota with the submission, or one of any number."""
    assert len(set(take(drive, *((TENANT, drive.submission()) for _ in range(5))))) == 5
    unbounded = Quota(audits=0, targets=0)
    assert quota.AUDITS not in take(drive, *(one(drive, unbounded, targets=10**6) for _ in range(5)))


ROUNDS, EACH, MOST = 6, 3, Quota(audits=0, targets=10)


def crowd(url: str, name: str) -> list[list[Any]]:
    """One gateway: in every round three submissions of three targets each, for a tenant of that round's own."""
    drive = Driver.open(url)
    answers = []
    for number in range(ROUNDS):
        asked = [
            (f"tenant-{number}", drive.submission(key=f"{name}-{number}-{place}", targets=3, quota=MOST))
            for place in range(EACH)
        ]
        meet()
        answers.append([take(drive, each)[0] for each in asked])
    return answers


def test_two_gateways_at_the_same_moment_do_not_pass_it(drive: Driver, url: str) -> None:
    """Six ask for three targets each and ten may be open: three of them get in, in each of six rounds."""
    left, right = at_once(crowd, url, each=("left", "right"))
    for number in range(ROUNDS):
        together = [*left[number], *right[number]]
        assert (number, sum(answer != quota.TARGETS for answer in together)) == (number, 3)
    with drive.ledger.reading() as connection:
        table = schema.audits.c
        sums = connection.execute(select(func.sum(table.targets)).group_by(table.tenant_id)).scalars().all()
    assert sums == [9] * ROUNDS
