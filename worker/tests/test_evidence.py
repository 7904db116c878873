"""A store that fails for a while, on a real folder."""

import threading
import time
from pathlib import Path

import pytest

from ledger.errors import EvidenceMissing
from worker.engine.errors import Cancelled
from worker.evidence import EvidenceAway, PatientEvidence
from worker.tests.shop import TENANT


def put(store: PatientEvidence) -> str:
    """Keep a few bytes; their digest."""
    return store.put(TENANT, b"bytes", name="x", kind="report", media_type="text/plain").digest


@pytest.fixture
def store(tmp_path: Path) -> PatientEvidence:
    """A store whose place is taken by a file, so that nothing can be written there."""
    (tmp_path / "evidence").write_text("in the way")
    return PatientEvidence((tmp_path / "evidence").as_uri(), seconds=30)


def test_what_cannot_be_written_is_written_once_there_is_room(store: PatientEvidence, tmp_path: Path) -> None:
    """After a second and a half the way is free: the blob is kept, and the watch has heard of every try in between."""
    heard: list[int] = []
    store.watch = heard.append
    threading.Timer(1.5, (tmp_path / "evidence").unlink).start()
    began = time.monotonic()
    assert store.get(TENANT, put(store)) == b"bytes"
    assert 1 < time.monotonic() - began < 10
    assert heard == [0] * len(heard)
    assert len(heard) >= 2


def test_patience_has_an_end(tmp_path: Path) -> None:
    """Without any, the first failure is the last."""
    (tmp_path / "evidence").write_text("in the way")
    with pytest.raises(EvidenceAway, match="Error"):
        put(PatientEvidence((tmp_path / "evidence").as_uri(), seconds=0))


def test_a_unit_that_waits_can_be_stopped(store: PatientEvidence) -> None:
    """What the watch raises ends the waiting."""

    def stop(rows: int) -> None:
        raise Cancelled

    store.watch = stop
    with pytest.raises(Cancelled):
        put(store)


def test_a_blob_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    """That is no failure of the store."""
    began = time.monotonic()
    with pytest.raises(EvidenceMissing):
        PatientEvidence((tmp_path / "evidence").as_uri(), seconds=30).get(TENANT, "0" * 64)
    assert time.monotonic() - began < 1
