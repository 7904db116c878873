"""Places: embedded unless told otherwise, by three URLs."""

from pathlib import Path
from urllib.parse import urlparse

import pytest

from ledger.evidence import EvidenceStore
from ledger.places import Places


@pytest.fixture(autouse=True)
def _a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "LEDGER_URL", "EVIDENCE_URL", "BROKER_URL"):
        monkeypatch.delenv(f"PALIMPSEST_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_settings_everything_is_under_one_folder_here(tmp_path: Path) -> None:
    """SQLite, a folder of blobs and a folder of messages in ./.palimpsest, by absolute paths."""
    places = Places()
    home = tmp_path / ".palimpsest"
    assert places.ledger == f"sqlite:///{home}/ledger.sqlite"
    assert EvidenceStore(places.evidence).root == home / "evidence"
    assert (places.broker, places.broker_folder) == ("filesystem://", home / "broker")
    assert places.embedded


def test_home_moves_all_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PALIMPSEST_HOME alone is enough, also with a name that a URL must quote."""
    home = tmp_path / "my audits #1"
    monkeypatch.setenv("PALIMPSEST_HOME", str(home))
    places = Places()
    assert places.ledger == f"sqlite:///{home}/ledger.sqlite"
    assert urlparse(places.evidence).fragment == ""
    assert EvidenceStore(places.evidence).root == home / "evidence"
    assert places.broker_folder == home / "broker"


def test_a_deployment_is_three_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is taken as it is, and an empty one is none."""
    monkeypatch.setenv("PALIMPSEST_LEDGER_URL", "postgresql+psycopg://db/palimpsest")
    monkeypatch.setenv("PALIMPSEST_EVIDENCE_URL", "file:///mnt/evidence")
    monkeypatch.setenv("PALIMPSEST_BROKER_URL", "redis://broker/0")
    places = Places()
    assert (places.ledger, places.evidence, places.broker) == (
        "postgresql+psycopg://db/palimpsest", "file:///mnt/evidence", "redis://broker/0",
    )  # fmt: skip
    assert not places.embedded
    monkeypatch.setenv("PALIMPSEST_LEDGER_URL", "")
    assert Places().embedded


def test_places_do_not_change_under_way() -> None:
    """They are read once at start."""
    with pytest.raises(ValueError, match="frozen"):
        Places().home = Path("/elsewhere")  # type: ignore[misc]
