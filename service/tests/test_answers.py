"""Status documents and the headers of polling, by hand."""

from typing import Any

import pytest

from ledger.audits import AuditRow, StageRow
from ledger.waiting import Waiting
from service import answers


def row(**changes: Any) -> AuditRow:
    """An audit that started 40 s before second 140 of the epoch."""
    known: dict[str, Any] = dict.fromkeys(AuditRow.__dataclass_fields__)
    known |= {"id": "aud_1", "state": "running", "revision": 3, "model_id": "bundled", "labels": {}, "stages": []}
    return AuditRow(**{**known, "created_at": 90.0, "started_at": 100.0, **changes})


HALF = [StageRow("plan", 1, 0, 1, 1.0), StageRow("baseline", 1, 0, 2, 0.5)]


def test_progress_is_the_mean_over_planned_units() -> None:
    """Two stages of 1 and 3 units, 1 and a half of 3 done: (1 + 1.5) / 4."""
    stages = [StageRow("plan", 1, 0, 1, 1.0), StageRow("a", 1, 0, 1, 1.0), StageRow("b", 1, 0, 3, 0.5)]
    assert answers.progress(row(stages=stages)) == 0.625


def test_a_failed_unit_has_ended() -> None:
    """One of two failed half-way: what is left is the other."""
    assert answers.progress(row(stages=[StageRow("a", 0, 1, 2, 0.25)])) == 0.5


def test_progress_is_nothing_before_there_is_a_plan_and_all_at_the_end() -> None:
    """Planning is not work, and a terminal audit has nothing left to do."""
    assert answers.progress(row(stages=[StageRow("plan", 0, 0, 1, 0.9)])) == 0
    assert answers.progress(row(state="cancelled", stages=HALF)) == 1


def test_the_time_to_wait_is_a_quarter_of_what_is_left() -> None:
    """Half done after 40 s leaves 40 s: 10. After 400 s it would be 100: 30 at most. Unstarted: 2."""
    assert answers.retry_after(row(stages=HALF), now=140.0) == 10
    assert answers.retry_after(row(stages=HALF), now=500.0) == 30
    assert answers.retry_after(row(stages=HALF), now=100.0) == 1
    assert answers.retry_after(row(state="queued", started_at=None), now=140.0) == 2


def test_an_ended_audit_need_not_be_asked_again() -> None:
    """No Retry-After."""
    assert "Retry-After" in answers.headers(row(), now=140.0)
    assert "Retry-After" not in answers.headers(row(state="succeeded"), now=140.0)


@pytest.mark.parametrize(
    ("sent", "current"),
    [
        ('W/"aud_1.3"', True),
        ('"aud_1.3"', True),
        ('"x", W/"aud_1.3"', True),
        ("*", True),
        ('W/"aud_1.2"', False),
        ("", False),
        (None, False),
    ],
)
def test_tags_are_compared_weakly(sent: str | None, current: bool) -> None:
    """Lists, strong forms and the star count; another revision does not."""
    assert answers.is_current(sent, row()) is current


def test_what_an_audit_waits_for_is_part_of_its_tag() -> None:
    """It changes without a revision: whoever has another reason or position, or none, has not the current answer."""
    next_but_two = row(waiting=Waiting("QUEUED", position=2))
    assert answers.etag(next_but_two) == 'W/"aud_1.3.QUEUED.2"'
    assert answers.etag(row(waiting=Waiting("NO_WORKER"))) == 'W/"aud_1.3.NO_WORKER"'
    assert answers.is_current('W/"aud_1.3.QUEUED.2"', next_but_two)
    assert not answers.is_current('W/"aud_1.3"', next_but_two)
    assert not answers.is_current('W/"aud_1.3.QUEUED.2"', row(waiting=Waiting("QUEUED", position=1)))


def test_what_an_audit_waits_for_is_told() -> None:
    """The reason and what goes with it; null while somebody works on it."""
    told = answers.status(row(waiting=Waiting("NO_WORKER_FOR_FAMILY", family="flux"))).waiting
    assert told is not None
    assert told.model_dump() == {
        "reason": "NO_WORKER_FOR_FAMILY",
        "family": "flux",
        "engine": None,
        "position": None,
    }
    assert answers.status(row()).waiting is None


def test_times_are_told_in_utc() -> None:
    """Second 90 of the epoch, and null for what has not happened."""
    told = answers.status(row())
    assert told.created_at.isoformat() == "1970-01-01T00:01:30+00:00"
    assert told.finished_at is None
