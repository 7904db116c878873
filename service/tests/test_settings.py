"""Every knob has one home."""

from pathlib import Path

import pytest

from service.settings import Settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """PALIMPSEST_ variables are the settings, those of Places included."""
    monkeypatch.setenv("PALIMPSEST_PORT", "9000")
    monkeypatch.setenv("PALIMPSEST_HOME", "/srv/palimpsest")
    settings = Settings()
    assert (settings.port, settings.home, settings.body_limit) == (9000, Path("/srv/palimpsest"), 32 * 2**20)


def test_nobody_else_in_the_service_reads_the_environment() -> None:
    """The launcher hands it on to its children and reads nothing from it but the module path."""
    folder = Path(__file__).parents[1]
    modules = [file for file in folder.rglob("*.py") if "tests" not in file.parts]
    assert [file.name for file in modules if "os.environ" in file.read_text()] == ["up.py"]
    assert not any("getenv" in file.read_text() for file in modules)
