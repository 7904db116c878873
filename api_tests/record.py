"""What the ledger holds, read beside the running service by plain SQL."""

from dataclasses import dataclass, fields
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

ENDED = ("done", "failed", "cancelled")
TERMINAL = ("succeeded", "failed", "cancelled", "expired")


@dataclass(frozen=True)
class Unit:
    """One row of ``units``."""

    id: str
    audit_id: str
    stage: str
    ordinal: int
    state: str
    attempt: int
    fence: int
    owner: str | None
    error: str | None

    @property
    def pid(self) -> int | None:
        """The process that holds or held it: an owner is ``host:pid``, with whatever may follow."""
        return int(self.owner.split(":")[1]) if self.owner else None


class Record:
    """One deployment's database. Raises psycopg.OperationalError while it is not there."""

    def __init__(self, url: str) -> None:
        self._address = url.replace("postgresql+psycopg://", "postgresql://") + "?connect_timeout=3"

    def rows(self, statement: LiteralString, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, in a connection of its own."""
        with psycopg.connect(self._address, row_factory=dict_row) as connection:
            return connection.execute(statement, values).fetchall()

    def units(self, audits: list[str]) -> dict[str, Unit]:
        """The units of these audits, by id."""
        found = self.rows("SELECT * FROM units WHERE audit_id = ANY(%s) ORDER BY stage, ordinal", audits)
        return {row["id"]: Unit(**{column.name: row[column.name] for column in fields(Unit)}) for row in found}

    def audits(self, audits: list[str]) -> dict[str, str]:
        """The states of these audits; one that is not there is missing."""
        return {row["id"]: row["state"] for row in self.rows("SELECT id, state FROM audits WHERE id = ANY(%s)", audits)}

    def unpublished(self, audit: str) -> list[dict[str, Any]]:
        """The messages about an audit that wait in the outbox."""
        return self.rows("SELECT * FROM outbox WHERE audit_id = %s", audit)

    def idle(self) -> bool:
        """Whether nothing waits for anybody: no message, and no unit of a living audit."""
        [row] = self.rows(
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM units WHERE state IN ('queued', 'leased'))"
            " AS waiting"
        )
        return bool(row["waiting"] == 0)

    def ends(self, audits: list[str]) -> list[dict[str, Any]]:
        """How often each unit's end was recorded, and under which attempts."""
        return self.rows(
            "SELECT audit_id, data->>'stage' AS stage, (data->>'ordinal')::int AS ordinal, count(*) AS times,"
            " max((data->>'attempt')::int) AS attempt FROM events"
            " WHERE audit_id = ANY(%s) AND type IN ('unit.done', 'unit.failed', 'unit.cancelled')"
            " GROUP BY audit_id, data->>'stage', data->>'ordinal'",
            audits,
        )

    def contradictions(self, audits: list[str]) -> list[str]:
        """What in the record of these ended audits cannot be true at once, in sentences."""
        return [
            *(
                f"{row['id']}: {row['seq']} events by its own count, {row['times']} in the table, {row['ends']} ends"
                for row in self.rows(
                    "SELECT a.id, a.event_seq AS seq, count(*) AS times, count(DISTINCT e.seq) AS different,"
                    " count(*) FILTER (WHERE e.type IN ('audit.succeeded', 'audit.failed', 'audit.cancelled',"
                    " 'audit.expired')) AS ends FROM audits a JOIN events e ON e.audit_id = a.id"
                    " WHERE a.id = ANY(%s) GROUP BY a.id, a.event_seq",
                    audits,
                )
                if not (row["seq"] == row["times"] == row["different"] and row["ends"] == 1)
            ),
            *(
                f"{row['audit_id']}: stage {row['name']} has {row['remaining']} of {row['total']} units to come, "
                f"{row['blockers']} stages before it, {row['ended']} units ended"
                for row in self.rows(
                    "SELECT s.*, (SELECT count(*) FROM units u WHERE u.audit_id = s.audit_id AND u.stage = s.name"
                    " AND u.state IN ('done', 'failed', 'cancelled')) AS ended FROM stages s"
                    " WHERE s.audit_id = ANY(%s)",
                    audits,
                )
                if row["remaining"] or row["blockers"] or row["ended"] != row["total"]
            ),
        ]
