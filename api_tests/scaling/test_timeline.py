"""Two workers, five seconds, four units: the arithmetic of working, waiting and being on the way."""

import pytest

from api_tests.scaling.timeline import Span, timeline


def test_every_second_of_every_worker_is_somewhere() -> None:
    """
    a works 0-2 and, on what is queued from 1, 2.5-4: 0.5 s on the way. b waits for what is queued at 1, has it at 1.25
    until 3.25 and then nothing. Until 5 s: a 1 s, b 1.75 s idle after the last, a third worker all 5 s.
    """
    found = timeline(
        [Span("one", "a", 0, 0, 2), Span("two", "a", 1, 2.5, 4), Span("two", "b", 1, 1.25, 3.25)], 3, began=0, ended=5
    )
    assert vars(found.stages["one"]) == {"units": 1, "held": 2, "way": 0, "idle": 0}
    assert vars(found.stages["two"]) == {"units": 2, "held": 3.5, "way": 0.75, "idle": 1}
    assert found.stages["(after the last)"].idle == pytest.approx(1 + 1.75 + 5)
    total = sum(stage.held + stage.way + stage.idle for stage in found.stages.values())
    assert total == pytest.approx(3 * found.wall)
