"""What the ledger promises at any moment, whoever did whatever before; shared by the machine and by the races."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ledger import schema, units
from ledger.schema import TERMINAL_AUDITS, TERMINAL_UNITS
from ledger.tests.driver import Driver

TABLES = (schema.audits, schema.stages, schema.stage_edges, schema.units, schema.events)


class Promises:
    """Looks at one ledger again and again, and remembers what may not change from one look to the next."""

    def __init__(self, drive: Driver) -> None:
        self._drive = drive
        self._fences: dict[str, int] = {}
        self._left: dict[str, tuple[object, ...]] = {}
        self._ended: dict[str, tuple[object, ...]] = {}
        self._blockers: dict[tuple[str, str], int] = {}

    def hold(self) -> None:
        """Every promise holds at this moment."""
        tables = self._drive.everything(*TABLES)
        self._units_move_forward_only(tables["units"])
        self._an_ended_audit_is_never_touched_again(tables)
        self._counts_add_up(tables)
        self._a_stage_is_released_once_when_all_before_it_are_closed(tables)
        self._what_is_recorded_is_recorded_once(tables)

    def _units_move_forward_only(self, rows: Sequence[Any]) -> None:
        """Fences never fall, attempts stay within the cap, an ended unit stays as it ended."""
        for unit in rows:
            assert unit.fence >= self._fences.get(unit.id, 0)
            assert unit.attempt <= min(unit.fence, units.MOST_ATTEMPTS)
            assert tuple(unit) == self._left.get(unit.id, tuple(unit))
            self._fences[unit.id] = unit.fence
            if unit.state in TERMINAL_UNITS:
                self._left[unit.id] = tuple(unit)

    def _an_ended_audit_is_never_touched_again(self, tables: dict[str, Sequence[Any]]) -> None:
        """Its row stays as it was, nothing of it is open, and exactly one of its events, the last, is its end."""
        histories: dict[str, list[str]] = {}
        for event in tables["events"]:
            histories.setdefault(event.audit_id, []).append(event.type)
        still_open = {unit.audit_id for unit in tables["units"] if unit.state not in TERMINAL_UNITS}
        for row in tables["audits"]:
            ends = [name for name in histories[row.id] if name.removeprefix("audit.") in TERMINAL_AUDITS]
            if row.state in TERMINAL_AUDITS:
                assert tuple(row) == self._ended.setdefault(row.id, tuple(row))
                assert ends == [f"audit.{row.state}"] == histories[row.id][-1:]
                assert row.id not in still_open
            else:
                assert (row.id in self._ended, ends) == (False, [])

    def _counts_add_up(self, tables: dict[str, Sequence[Any]]) -> None:
        """total = done + failed + cancelled + open; the open ones are what remains; a poll is told the same."""
        states: dict[tuple[str, str], Counter[str]] = {}
        for unit in tables["units"]:
            states.setdefault((unit.audit_id, unit.stage), Counter())[unit.state] += 1
        told = {(audit.id, row.name): row for audit in self._drive.audits() for row in audit.stages}
        for row in tables["stages"]:
            of_stage = states.get((row.audit_id, row.name), Counter())
            assert row.total == of_stage.total()
            assert row.remaining == row.total - sum(of_stage[state] for state in TERMINAL_UNITS)
            seen = told[row.audit_id, row.name]
            assert (seen.done, seen.failed, seen.total) == (of_stage["done"], of_stage["failed"], row.total)
            assert 0 <= seen.fraction <= 1

    def _a_stage_is_released_once_when_all_before_it_are_closed(self, tables: dict[str, Sequence[Any]]) -> None:
        """Blockers are the open stages before it and never rise; units wait exactly while there are any."""
        rows = {(row.audit_id, row.name): row for row in tables["stages"]}
        still_open = {place for place, row in rows.items() if row.blockers or row.remaining}
        edges = tables["stage_edges"]
        before = Counter((edge.audit_id, edge.after) for edge in edges if (edge.audit_id, edge.before) in still_open)
        for place, row in rows.items():
            assert row.blockers == before[place] <= self._blockers.get(place, row.blockers)
            self._blockers[place] = row.blockers
        for unit in tables["units"]:
            blocked = rows[unit.audit_id, unit.stage].blockers > 0
            assert unit.state in (("waiting", "cancelled") if blocked else ("queued", "leased", *TERMINAL_UNITS))

    def _what_is_recorded_is_recorded_once(self, tables: dict[str, Sequence[Any]]) -> None:
        """Events are numbered without gaps; a unit is done at most once, and each of its leases has one beginning."""
        numbers: dict[str, list[int]] = {}
        told: Counter[tuple[str, str, int, str]] = Counter()
        for event in tables["events"]:
            numbers.setdefault(event.audit_id, []).append(event.seq)
            if event.type in ("unit.started", "unit.done", "unit.failed"):
                told[event.audit_id, event.data["stage"], event.data["ordinal"], event.type] += 1
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in numbers.values())
        for unit in tables["units"]:
            place = (unit.audit_id, unit.stage, unit.ordinal)
            assert told[*place, "unit.started"] == unit.fence
            assert told[*place, "unit.done"] == (unit.state == "done")
            assert told[*place, "unit.failed"] == (unit.state == "failed")
