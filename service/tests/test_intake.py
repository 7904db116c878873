"""Submissions at the same moment: one transaction, and nobody is refused for another's sake."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ledger import holdings, intake
from ledger.errors import EvidenceMissing, KeyReused, QuotaExceeded
from ledger.intake import Asked, Taken
from ledger.lookout import Lookout
from ledger.quota import Quota
from palimpsest.contract.request import AuditRequest
from service import offer
from service.errors import EvidenceRefused
from service.gateway import Gateway
from service.intake import Intake
from service.tests.conftest import Bench
from service.tests.following import run

Make = Callable[..., dict[str, Any]]


class Counting(Intake):
    """Notes how many submissions each transaction was begun for."""

    def __init__(self, bench: Bench) -> None:
        gateway: Gateway = bench.client.app.state.gateway  # type: ignore[attr-defined]
        super().__init__(gateway, Lookout(bench.ledger), pixels=2**20, quota=Quota(audits=0, targets=0))
        self.batches: list[int] = []

    def _record(self, asked: Sequence[Asked]) -> list[Taken | Exception]:
        self.batches.append(len(asked))
        return super()._record(asked)


def request(asked: Make, **changes: Any) -> AuditRequest:
    """A request without pictures."""
    return AuditRequest.model_validate(asked(targets=None, target_set="bundled:targets", **changes))


def test_submissions_at_one_moment_are_one_transaction(bench: Bench, asked: Make) -> None:
    """Twenty with keys of their own are twenty audits; the last says nothing of the others."""

    async def act() -> None:
        desk = Counting(bench)
        wanted = [desk.submit("local", request(asked, seed=seed), f"key-{seed:016d}") for seed in range(20)]
        taken = await asyncio.gather(*wanted)
        assert [one.row.request["seed"] for one in taken] == list(range(20))
        assert len({one.row.id for one in taken}) == bench.count() == 20
        assert len(desk.batches) <= 3

    run(act)


def test_one_key_sent_by_many_at_once_is_one_audit(bench: Bench, asked: Make) -> None:
    """Of eight, one is new and seven are replays; the key for another request is refused, and harms none of them."""

    async def act() -> None:
        desk = Counting(bench)
        same = [desk.submit("local", request(asked), "key-0000-0000-0001") for _ in range(8)]
        told = await asyncio.gather(
            *same, desk.submit("local", request(asked, seed=1), "key-0000-0000-0001"), return_exceptions=True
        )
        assert isinstance(told[-1], KeyReused)
        taken = [one for one in told if isinstance(one, Taken)]
        assert len({one.row.id for one in taken}) == bench.count() == 1
        assert sorted(one.accepted.replayed for one in taken) == [False] + [True] * 7

    run(act)


def test_one_that_cannot_be_recorded_fails_alone(bench: Bench, asked: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of five fails for the sake of one; the other four are recorded each by itself."""
    take = intake.take

    def choosy(connection: Any, wanted: Sequence[Asked]) -> list[Taken | KeyReused | QuotaExceeded]:
        taken = take(connection, wanted)
        if any(submission.request["seed"] == 3 for _, submission in wanted):
            raise KeyReused("not this one")
        return taken

    monkeypatch.setattr(intake, "take", choosy)

    async def act() -> None:
        desk = Counting(bench)
        wanted = [desk.submit("local", request(asked, seed=seed), f"key-{seed:016d}") for seed in range(5)]
        told = await asyncio.gather(*wanted, return_exceptions=True)
        assert [isinstance(one, Exception) for one in told] == [False, False, False, True, False]
        assert bench.count() == bench.count("outbox") == 4

    run(act)


def test_images_that_were_just_removed_are_kept_again(
    bench: Bench, asked: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once and twice; three times in a row is a refusal, and no audit."""
    missing = iter([True, True, False, True, True, True])
    spare = holdings.spare

    def gone(*arguments: Any) -> None:
        if next(missing):
            raise EvidenceMissing("it has to be put again")
        spare(*arguments)

    monkeypatch.setattr(holdings, "spare", gone)

    async def act() -> None:
        desk = Counting(bench)
        await desk.submit("local", AuditRequest.model_validate(asked()), "key-0000-0000-0001")
        with pytest.raises(EvidenceRefused):
            await desk.submit("local", AuditRequest.model_validate(asked(seed=1)), "key-0000-0000-0002")
        assert bench.count() == 1

    run(act)


def test_the_catalogue_is_read_when_there_is_another(
    bench: Bench, asked: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for three submissions, and once more after each publication, of a model or of methods alone."""
    reads: list[str] = []
    read = offer.read

    def counted(ledger: Any, tenant: str) -> offer.Offer:
        reads.append(tenant)
        return read(ledger, tenant)

    monkeypatch.setattr(offer, "read", counted)

    async def act() -> None:
        desk = Counting(bench)
        for seed in range(3):
            await desk.check("local", request(asked, seed=seed))
        assert reads == ["local"]
        bench.publish(digest="f" * 64)
        assert (await desk.check("local", request(asked))).model_digest == "f" * 64
        bench.publish(engine="engine-2")
        assert (await desk.check("local", request(asked))).engine == "engine-2"
        assert reads == ["local"] * 3

    run(act)
