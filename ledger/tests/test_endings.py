"""Ends that are told: owed with the end itself, and to each webhook once, however many look."""

import json
from typing import Any

import pytest

from ledger import deliveries, endings, outgoing, webhooks
from ledger.tests.driver import TENANT, Driver, report
from ledger.tests.processes import at_once, meet

EVERY = ("audit.succeeded", "audit.failed", "audit.cancelled", "audit.expired")


def hooked(drive: Driver, *events: str, tenant: str = TENANT) -> str:
    """A webhook's id."""
    with drive.ledger.writing() as connection:
        kinds = events or EVERY
        return webhooks.create(connection, tenant, url="https://a.example/", events=kinds, secret="whsec_").id


def fan_out(drive: Driver) -> int:
    """What a sweeper does."""
    return drive.ledger.write(endings.fan_out)


def end(drive: Driver, how: str = "succeeded", tenant: str = TENANT) -> str:
    """An audit that has ended so."""
    audit_id = drive.planned(report("plan"), tenant=tenant)
    if how == "cancelled":
        drive.cancel(audit_id, tenant)
    elif how == "expired":
        with drive.ledger.writing() as connection:
            connection.exec_driver_sql("UPDATE audits SET deadline_at = 0 WHERE state = 'running'")
        assert drive.expire_overdue() == 1
    ticket = drive.claim(audit_id, "report", tenant=tenant)
    if how == "failed":
        drive.fail(ticket, again=False)
    else:
        drive.finish(ticket)
    assert drive.audit(audit_id, tenant).state == how
    return audit_id


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "expired"])
def test_every_end_is_owed_with_itself(drive: Driver, how: str) -> None:
    """Whichever it is, in its own transaction and once; the payload says which."""
    hook = hooked(drive)
    audit_id = end(drive, how)
    assert [row.audit_id for row in drive.rows(outgoing.endings)] == [audit_id]
    assert (fan_out(drive), fan_out(drive)) == (1, 0)
    [owed] = drive.rows(outgoing.deliveries)
    told = json.loads(owed.payload)
    assert (owed.webhook_id, owed.type, owed.state) == (hook, f"audit.{how}", "waiting")
    assert (told["data"]["audit_id"], told["data"]["state"], "report" in told["data"]["links"]) == (
        audit_id,
        how,
        how != "failed",
    )
    assert drive.rows(outgoing.endings) == []


def test_an_audit_that_goes_on_owes_nothing(drive: Driver) -> None:
    """Nor does one whose end was rolled back."""
    hooked(drive)
    drive.finish(drive.claim(drive.submit(), "plan"), planned=[report("plan")])
    with drive.crashing() as connection:
        endings.note(connection, TENANT, "aud_1")
    assert fan_out(drive) == 0


def test_it_is_owed_to_those_who_asked_for_it(drive: Driver) -> None:
    """Two of five: one asks for another end, one is disabled, one came later; another tenant has its own."""
    first, second = hooked(drive), hooked(drive, "audit.succeeded")
    hooked(drive, "audit.failed")
    disabled = hooked(drive)
    with drive.ledger.writing() as connection:
        webhooks.failed(connection, TENANT, disabled)
        assert webhooks.disable(connection, TENANT, disabled)
    other = hooked(drive, tenant="other")
    end(drive)
    assert fan_out(drive) == 2
    hooked(drive)
    assert fan_out(drive) == 0
    assert [row.webhook_id for row in drive.rows(outgoing.deliveries)] == [first, second]
    end(drive, tenant="other")
    assert fan_out(drive) == 1
    with drive.ledger.reading() as connection:
        assert [row.webhook_id for row in deliveries.page(connection, "other", other, limit=5)] == [other]


def sweep(url: str, _: str) -> int:
    """One sweeper, which begins with the other."""
    drive = Driver.open(url)
    meet()
    return sum(fan_out(drive) for _ in range(5))


def test_two_sweepers_owe_it_once(drive: Driver, url: str) -> None:
    """Eight ends, one webhook: eight deliveries, whoever of the two takes which."""
    hooked(drive)
    ended = [end(drive) for _ in range(8)]
    counts: list[Any] = at_once(sweep, url, each=("left", "right"))
    fan_out(drive)
    assert sorted(row.audit_id for row in drive.rows(outgoing.deliveries)) == sorted(ended)
    assert sum(counts) <= 8
