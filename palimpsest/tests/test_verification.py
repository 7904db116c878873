"""Verifying offline: the signature, the report, the model, and the command that does it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from palimpsest.commands import app
from palimpsest.errors import NotVerified
from palimpsest.renderings import dsse, in_toto_test_result, memorization_audit
from palimpsest.tests.example import a_report
from palimpsest.tests.renderings.keys import KEY, OTHER, pem
from palimpsest.tests.renderings.originals import original
from palimpsest.verification import attested, require_model, require_report

ROOT = Path(__file__).parents[2]
FILES = {"model_index.json": b"{}", "unet/weights.safetensors": bytes(1000)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder."""
    for path, content in FILES.items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_bytes(content)
    return tmp_path / "model"


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    """A report of that model, what was signed of it, and two public keys."""
    [identity] = a_report().models
    files = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
    of = original(a_report().model_copy(update={"models": [identity.model_copy(update={"files": files})]}))
    (tmp_path / "report.json").write_bytes(of.content)
    (tmp_path / "report.dsse.json").write_bytes(dsse.signed(memorization_audit.render(of), KEY))
    (tmp_path / "report.test-result.dsse.json").write_bytes(dsse.signed(in_toto_test_result.render(of), KEY))
    (tmp_path / "key.pub").write_bytes(pem(KEY))
    (tmp_path / "other.pub").write_bytes(pem(OTHER))
    return tmp_path


def verify(folder: Path, *arguments: str, envelope: str = "report.dsse.json", key: str = "key.pub") -> Result:
    """The command line."""
    return CliRunner().invoke(app, ["verify", str(folder / envelope), "--key", str(folder / key), *arguments])


def test_both_statements_are_verified_with_report_and_model(folder: Path, model: Path) -> None:
    """Exit 0, and a sentence of what was said."""
    also = ("--report", str(folder / "report.json"), "--model", str(model))
    told = verify(folder, *also)
    assert (told.exit_code, told.output.splitlines()[-1]) == (
        0,
        "audit aud_01 of bundled, which succeeded: finding",
    )
    assert f"It is about the 2 files in {model}, unchanged." in told.output
    told = verify(folder, *also, envelope="report.test-result.dsse.json")
    assert (told.exit_code, told.output.splitlines()[-1]) == (0, "test result FAILED: 0 passed, 1 warned, 3 failed")


def test_another_key_another_report_another_model(folder: Path, model: Path) -> None:
    """Exit 2, and a sentence on stderr."""
    told = verify(folder, key="other.pub")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "none of the signatures is of a key that was given" in told.stderr
    (folder / "report.json").write_bytes((folder / "report.json").read_bytes() + b" ")
    told = verify(folder, "--report", str(folder / "report.json"))
    assert (told.exit_code, told.stderr) == (2, "the statement was made of another report\n")
    (model / "unet" / "weights.safetensors").write_bytes(bytes(999) + b"\x01")
    told = verify(folder, "--model", str(model))
    assert (told.exit_code, told.stderr) == (2, "unet/weights.safetensors is not the file that was audited\n")
    (model / "unet" / "weights.safetensors").unlink()
    assert verify(folder, "--model", str(model)).exit_code == 2


def test_several_keys_may_be_trusted(folder: Path) -> None:
    """As during a rotation: one of them has signed."""
    assert verify(folder, "--key", str(folder / "other.pub")).exit_code == 0


def test_a_key_that_is_none_is_asked_wrongly(folder: Path) -> None:
    """Exit 4, as for a file that is not there and for no key at all."""
    assert verify(folder, key="report.json").exit_code == 4
    assert verify(folder, key="missing.pub").exit_code == 4
    assert CliRunner().invoke(app, ["verify", str(folder / "report.dsse.json")]).exit_code == 4


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1"}',
        json.dumps({"_type": "x", "predicateType": memorization_audit.PREDICATE_TYPE}).encode(),
        json.dumps(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "predicateType": memorization_audit.PREDICATE_TYPE,
                "subject": [],
                "predicate": {},
            }
        ).encode(),
    ],
)
def test_a_good_signature_of_something_else_is_not_enough(payload: bytes) -> None:
    """Signed by the very key, but no statement of an audit."""
    with pytest.raises(NotVerified, match="the signature holds, but"):
        attested(dsse.signed(payload, KEY), [KEY.public_key()])


def test_a_path_that_leaves_the_folder_is_no_file_of_it(model: Path) -> None:
    """A signer could name /etc/passwd: it is not read."""
    (model.parent / "outside").write_bytes(b"outside")
    for path in ("../outside", str(model.parent / "outside")):
        subject = [{"name": path, "digest": {"sha256": hashlib.sha256(b"outside").hexdigest()}}]
        statement = json.loads(memorization_audit.render(original())) | {"subject": subject}
        found = attested(dsse.signed(json.dumps(statement).encode(), KEY), [KEY.public_key()])
        with pytest.raises(NotVerified, match="is not the file that was audited"):
            require_model(found, model)


def test_a_statement_without_files_cannot_speak_of_a_folder(model: Path) -> None:
    """A model that is one subject as a whole has no sha256 of a file."""
    [identity] = a_report().models
    unnamed = original(a_report().model_copy(update={"models": [identity.model_copy(update={"files": {}})]}))
    found = attested(dsse.signed(memorization_audit.render(unnamed), KEY), [KEY.public_key()])
    require_report(found, unnamed.content)
    with pytest.raises(NotVerified, match="names no files"):
        require_model(found, model)


def test_it_needs_no_network(folder: Path) -> None:
    """In an interpreter whose sockets are barred."""
    program = (
        "import socket, sys\n"
        "def barred(*_): raise OSError('barred')\n"
        "socket.socket.connect = barred\n"
        "from palimpsest.cli import main; main()"
    )
    files = [str(folder / "report.dsse.json"), "--key", str(folder / "key.pub")]
    command = [sys.executable, "-c", program, "verify", *files]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("audit aud_01 of bundled, which succeeded: finding\n")
