"""Where audits stand: how often the ledger is asked, and that no poll is told what is over."""

import asyncio
from collections.abc import Sequence

import pytest

from ledger.errors import NotFound
from ledger.lookout import Lookout
from service import answers, standings
from service.standings import Key, Standings, Told
from service.tests.conftest import Bench
from service.tests.following import TENANT, an_audit, end, run, tell


class Counting(Standings):
    """Notes which documents are made."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.ledger, Lookout(bench.ledger))
        self.made: list[int] = []

    def _read_rows(self, keys: Sequence[Key]) -> list[Told | Exception]:
        self.made.append(len(keys))
        return super()._read_rows(keys)


def test_a_revision_is_told_once(bench: Bench) -> None:
    """Twenty polls at one moment make one document, later polls none, a new revision another."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        known = Counting(bench)
        told = await asyncio.gather(*(known.told(TENANT, audit_id) for _ in range(20)))
        assert len({one.body for one in told}) == len(known.made) == 1
        await known.told(TENANT, audit_id)
        assert len(known.made) == 1
        tell(bench.ledger, audit_id, "a")
        assert (await known.told(TENANT, audit_id)).row.revision == 2
        assert len(known.made) == 2

    run(act)


def test_a_poll_sees_what_was_committed_before_it(bench: Bench) -> None:
    """A hundred times: whatever is committed, the poll that begins after it tells."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        known = Counting(bench)
        for revision in range(2, 102):
            tell(bench.ledger, audit_id, "a")
            told = await asyncio.gather(*(known.told(TENANT, audit_id) for _ in range(3)))
            assert {one.row.revision for one in told} == {revision}

    run(act)


def test_what_an_audit_waits_for_is_looked_at_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes without the revision: an old document is not told again, to whoever knows it least of all."""
    audit_id = an_audit(bench.ledger)
    monkeypatch.setattr(standings, "FRESH_SECONDS", 0.0)

    async def act() -> None:
        known = Counting(bench)
        first = await known.told(TENANT, audit_id)
        assert first.row.waiting is not None
        await known.told(TENANT, audit_id, answers.etag(first.row))
        assert len(known.made) == 2

    run(act)


def test_an_ended_audit_is_told_for_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its document is the last."""
    audit_id = an_audit(bench.ledger)
    end(bench.ledger, audit_id)
    monkeypatch.setattr(standings, "FRESH_SECONDS", 0.0)

    async def act() -> None:
        known = Counting(bench)
        for _ in range(3):
            await known.told(TENANT, audit_id)
        assert len(known.made) == 1

    run(act)


def test_only_so_many_documents_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two, the third puts out the first."""
    audits = [an_audit(bench.ledger, f"key-{n}") for n in range(3)]
    monkeypatch.setattr(standings, "MOST_KEPT", 2)

    async def act() -> None:
        known = Counting(bench)
        for audit_id in (*audits, audits[2], audits[0]):
            await known.told(TENANT, audit_id)
        assert len(known.made) == 4

    run(act)


def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    """No audit, another tenant's, and what is no id, beside one that is there and is told."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        known = Counting(bench)
        asked = [("other", audit_id), (TENANT, "aud_01M8607V55EVBN8TBSARPMQB85"), (TENANT, "\0"), (TENANT, audit_id)]
        told = await asyncio.gather(*(known.told(*one) for one in asked), return_exceptions=True)
        assert [isinstance(one, NotFound) for one in told] == [True, True, True, False]

    run(act)
