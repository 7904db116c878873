"""How long evidence is kept: by kind, and reports longest."""

import pytest

from ledger.retention import Retention


def test_reports_are_kept_for_three_months_and_all_else_for_a_week() -> None:
    """The defaults, by kind."""
    days = Retention().days
    assert days.pop("report") == 90
    assert set(days.values()) == {7} == {Retention().other_days}


def test_each_kind_has_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """PALIMPSEST_RETENTION_IMAGE_DAYS is the time of images and of nothing else."""
    monkeypatch.setenv("PALIMPSEST_RETENTION_IMAGE_DAYS", "0.5")
    assert {kind for kind, days in Retention().days.items() if days == 0.5} == {"image"}


@pytest.mark.parametrize("shorter", [{"report_days": 6}, {"image_days": 91}, {"other_days": 91}])
def test_no_report_goes_before_its_images(shorter: dict[str, float]) -> None:
    """Such settings are refused at the start."""
    with pytest.raises(ValueError, match="at least as long"):
        Retention.model_validate(shorter)
