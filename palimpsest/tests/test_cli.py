"""The command line against a service of a few lines, over real HTTP."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from palimpsest import __version__
from palimpsest.commands import app
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.problems import Code
from palimpsest.contract.signing import SigningKey, SigningKeyList
from palimpsest.contract.status import AuditList
from palimpsest.renderings import dsse
from palimpsest.tests.example import AUDIT, a_problem, a_report, a_request, a_status
from palimpsest.tests.gateway import Gateway, Said, saying
from palimpsest.tests.renderings.keys import KEY, pem

SUBMIT, STATUS = "POST /v1/audits", f"GET /v1/audits/{AUDIT}"
REPORT, CANCEL = f"GET /v1/audits/{AUDIT}/report", f"POST /v1/audits/{AUDIT}/cancel"
CHECKPOINT = f"GET /v1/audits/{AUDIT}/mitigations/nemo.v2/checkpoint"
REQUEST = a_request().model_dump_json(exclude_none=True)
DOCUMENT = a_report().model_dump_json().replace("{", '{"tomorrow":1,', 1).encode()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are written where the test can see them."""
    monkeypatch.chdir(tmp_path)


def invoke(gateway: Gateway, *arguments: str, stdin: str = REQUEST) -> Result:
    """The command line with the gateway's address in its environment."""
    return CliRunner().invoke(app, arguments, input=stdin, env={"PALIMPSEST_URL": gateway.url})


def accepting(gateway: Gateway, *statuses: Said) -> None:
    """Make the gateway take an audit and answer polls with these."""
    gateway.will_say(SUBMIT, saying(a_status("queued", progress=0.0), 202, retry_after="0"))
    gateway.will_say(STATUS, *statuses)
    gateway.will_say(REPORT, Said(200, DOCUMENT))


def test_run_shows_the_whole_audit(gateway: Gateway, tmp_path: Path) -> None:
    """Progress goes to stderr, tables, outcome, limits and cost to stdout, and the report to its file as it came."""
    running = saying(a_status(), etag='W/"1"', retry_after="0")
    accepting(gateway, running, Said(304, headers={"retry-after": "0"}), saying(a_status("succeeded", progress=1.0)))
    request = tmp_path / "request.json"
    request.write_text(REQUEST, encoding="utf-8")

    result = invoke(gateway, "audit", "run", str(request))

    assert result.exit_code == 0
    assert json.loads(gateway.heard[0].body) == json.loads(REQUEST)
    assert [heard.headers.get("if-none-match") for heard in gateway.heard[1:4]] == [None, 'W/"1"', 'W/"1"']
    assert (tmp_path / "report.json").read_bytes() == DOCUMENT
    assert f"audit {AUDIT}" in result.stderr
    assert "running   50%  probe 1/2" in result.stderr
    for told in (
        "still_replicates",
        "concealed",
        "0.50 (1/2)",
        "Finding: unmitigated",
        "Limit: one start",
        "Cost: 3,000",
    ):
        assert told in result.stdout


def test_run_reads_stdin_and_writes_where_it_is_told(gateway: Gateway, tmp_path: Path) -> None:
    """``-`` is stdin; ``--output`` names the file."""
    accepting(gateway, saying(a_status("succeeded")))
    assert invoke(gateway, "audit", "run", "-", "--output", "mine.json").exit_code == 0
    assert (tmp_path / "mine.json").read_bytes() == DOCUMENT


def test_run_without_a_place_for_the_report_submits_nothing(gateway: Gateway) -> None:
    """A missing folder is noticed before the audit, not after."""
    result = invoke(gateway, "audit", "run", "-", "--output", "nowhere/report.json")
    assert result.exit_code == 4
    assert gateway.heard == []


def test_a_failed_audit_leaves_with_2(gateway: Gateway, tmp_path: Path) -> None:
    """Its code and detail are printed, and no report is written."""
    accepting(gateway, saying(a_status("failed", error="WORKER_LOST", detail="three attempts")))
    result = invoke(gateway, "audit", "run", "-")
    assert result.exit_code == 2
    assert "WORKER_LOST: three attempts" in result.stderr
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_an_audit_cut_short_leaves_with_2_and_its_partial_report(gateway: Gateway, tmp_path: Path, state: Any) -> None:
    """What was found by then is written and shown."""
    accepting(gateway, saying(a_status(state)))
    gateway.will_say(REPORT, saying(a_report(state)))
    result = invoke(gateway, "audit", "run", "-")
    assert result.exit_code == 2
    assert f"Partial report of a {state} audit." in result.stdout
    assert (tmp_path / "report.json").exists()


def test_a_refusal_leaves_with_4_and_every_reason(gateway: Gateway) -> None:
    """The problem's code and detail, then each field with its own."""
    gateway.will_say(SUBMIT, saying(a_problem(), 422))
    result = invoke(gateway, "audit", "run", "-")
    assert result.exit_code == 4
    assert result.stderr.splitlines() == [
        "NO_TARGETS: targets: an empty list",
        "  targets: NO_TARGETS: an empty list",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "rum"],
        ["audit", "run"],
        ["audit", "run", "missing.json"],
        ["audit", "run", "-", "--tomorrow"],
        ["audit", "list", "--url", "nonsense"],
        ["audit", "list", "--limit", "0"],
    ],
)
def test_wrong_usage_leaves_with_4(gateway: Gateway, arguments: list[str]) -> None:
    """Never with 2, which says that an audit failed."""
    assert invoke(gateway, *arguments).exit_code == 4
    assert gateway.heard == []


@pytest.mark.parametrize("text", ["", "{", '{"seed": NaN}', '{"seed": -Infinity}', "[]", "null", "\xff"])
def test_a_request_that_is_no_json_object_leaves_with_4(gateway: Gateway, text: str) -> None:
    """NaN included, which Python would read."""
    result = CliRunner(charset="latin-1").invoke(
        app, ["audit", "submit", "-"], input=text, env={"PALIMPSEST_URL": gateway.url}
    )
    assert result.exit_code == 4
    assert gateway.heard == []


def test_a_fault_of_the_service_leaves_with_2(gateway: Gateway) -> None:
    """It is neither the asker's nor the network's."""
    gateway.will_say(SUBMIT, saying(a_problem(500, Code.INTERNAL_ERROR), 500))
    assert invoke(gateway, "audit", "submit", "-").exit_code == 2
    gateway.will_say(SUBMIT, Said(200, b"<html>"))
    assert invoke(gateway, "audit", "submit", "-").exit_code == 2


def test_nobody_there_leaves_with_5(gateway: Gateway) -> None:
    """A proxy that answers for an absent service is nobody too."""
    gateway.will_say(SUBMIT, Said(502, b"<html>", {"retry-after": "0"}))
    result = invoke(gateway, "audit", "submit", "-")
    assert result.exit_code == 5
    assert result.stderr == "nobody answers: a proxy answers 502 in the service's place\n"


@pytest.mark.parametrize("command", [["run", "-"], ["watch", AUDIT]])
def test_too_late_leaves_with_6_and_says_how_to_go_on(gateway: Gateway, command: list[str]) -> None:
    """The audit goes on, and the next command is named."""
    accepting(gateway, saying(a_status(), retry_after="0"))
    result = invoke(gateway, "audit", *command, "--timeout", "0")
    assert result.exit_code == 6
    assert f"palimpsest audit watch {AUDIT}" in result.stderr


def test_submit_prints_the_id_and_nothing_else(gateway: Gateway) -> None:
    """For a shell to keep; equal keys start one audit."""
    accepting(gateway)
    result = invoke(gateway, "audit", "submit", "-", "--idempotency-key", "k" * 16)
    assert (result.exit_code, result.stdout) == (0, f"{AUDIT}\n")
    assert gateway.heard[0].headers["idempotency-key"] == "k" * 16


def test_watch_tells_how_it_ended(gateway: Gateway) -> None:
    """The state and the outcome in a line."""
    gateway.will_say(STATUS, saying(a_status(), retry_after="0"), saying(a_status("succeeded", outcome="finding")))
    result = invoke(gateway, "audit", "watch", AUDIT)
    assert (result.exit_code, result.stdout) == (0, f"audit {AUDIT} succeeded: finding\n")


def test_report_prints_tables_or_the_report_itself(gateway: Gateway, tmp_path: Path) -> None:
    """``--json`` is for machines, ``--output`` keeps a copy, and both are the service's bytes."""
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    assert "Finding: " in invoke(gateway, "audit", "report", AUDIT).stdout
    result = invoke(gateway, "audit", "report", AUDIT, "--json", "--output", "copy.json")
    assert result.stdout_bytes == DOCUMENT + b"\n"
    assert (tmp_path / "copy.json").read_bytes() == DOCUMENT


def test_signing_keys_go_to_stdout_as_they_are(gateway: Gateway, tmp_path: Path) -> None:
    """A file that verify takes; what says whose they are is not part of it."""
    [known] = a_list_of_keys().data
    gateway.will_say("GET /v1/signing-keys", saying(a_list_of_keys()))
    result = invoke(gateway, "signing-keys")
    assert (result.exit_code, result.stdout) == (0, known.pem)
    assert result.stderr == f"{known.keyid} since 2026-01-02\n"
    assert dsse.keyid(dsse.public_key(result.stdout.encode())) == known.keyid


def a_list_of_keys() -> SigningKeyList:
    """What the service would say."""
    since = datetime(2026, 1, 2, tzinfo=UTC)
    return SigningKeyList(data=[SigningKey(keyid=dsse.keyid(KEY.public_key()), pem=pem(KEY).decode(), since=since)])


def test_report_in_another_format_goes_to_its_file_or_to_stdout(gateway: Gateway, tmp_path: Path) -> None:
    """Byte for byte, without a line break of our own."""
    gateway.will_say(f"{REPORT}?format=sarif", Said(200, b'{"version":"2.1.0"}'))
    assert invoke(gateway, "audit", "report", AUDIT, "--format", "sarif").stdout == '{"version":"2.1.0"}'
    result = invoke(gateway, "audit", "report", AUDIT, "--format", "sarif", "-o", "report.sarif")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "report.sarif").read_bytes() == b'{"version":"2.1.0"}'


def test_a_report_that_is_not_ready_leaves_with_4(gateway: Gateway) -> None:
    """Asked too early is asked wrongly."""
    gateway.will_say(REPORT, saying(a_problem(409, Code.REPORT_NOT_READY), 409))
    result = invoke(gateway, "audit", "report", AUDIT)
    assert result.exit_code == 4
    assert "REPORT_NOT_READY" in result.stderr


def test_cancel(gateway: Gateway) -> None:
    """The audit's new state is printed."""
    gateway.will_say(CANCEL, saying(a_status("cancelling"), 202))
    assert invoke(gateway, "audit", "cancel", AUDIT).stdout == f"audit {AUDIT} cancelling\n"


def test_list_pages_and_selects(gateway: Gateway) -> None:
    """Only what was given is asked for, and the next page is named."""
    gateway.will_say("GET /v1/audits", saying(AuditList(data=[a_status()], next_cursor="abc")))
    gateway.will_say("GET /v1/audits?state=running&limit=5", saying(AuditList(data=[], next_cursor=None)))
    result = invoke(gateway, "audit", "list")
    assert AUDIT in result.stdout
    assert "--cursor abc" in result.stderr
    assert invoke(gateway, "audit", "list", "--limit", "5", "--state", "running").exit_code == 0


def test_export_writes_the_checkpoint(gateway: Gateway, tmp_path: Path) -> None:
    """Byte for byte, to the file that is named or to one named after the mitigation, and tells how to go on."""
    gateway.will_say(CHECKPOINT, Said(200, b"delta", {"etag": f'"{hashlib.sha256(b"delta").hexdigest()}"'}))
    for arguments, name in (([], "nemo.v2.safetensors"), (["--output", "mine"], "mine")):
        result = invoke(gateway, "mitigations", "export", AUDIT, "nemo.v2", *arguments)
        assert result.exit_code == 0
        assert (tmp_path / name).read_bytes() == b"delta"
        assert f"checkpoint written to {name}" in result.stderr


def test_a_checkpoint_that_is_refused_or_damaged_is_not_written(gateway: Gateway, tmp_path: Path) -> None:
    """A refusal leaves with 4, bytes that are not those of their tag with 2, a folder that is not there with 4."""
    refused = saying(a_problem(409, Code.MITIGATION_NOT_EXPORTABLE), 409)
    for said, code in ((refused, 4), (Said(200, b"delta", {"etag": '"another"'}), 2)):
        gateway.will_say(CHECKPOINT, said)
        assert invoke(gateway, "mitigations", "export", AUDIT, "nemo.v2").exit_code == code
    assert invoke(gateway, "mitigations", "export", AUDIT, "nemo.v2", "-o", "nowhere/mine").exit_code == 4
    assert list(tmp_path.glob("*")) == []


def test_models_and_methods(gateway: Gateway) -> None:
    """Two tables, of what the deployment offers."""
    gateway.will_say("GET /v1/models", saying(ModelList(data=[])))
    gateway.will_say("GET /v1/methods", saying(MethodList(engine="sha256:00", data=[])))
    assert "Models" in invoke(gateway, "models").stdout
    assert "Methods" in invoke(gateway, "methods").stdout


def test_the_key_goes_to_the_service(gateway: Gateway) -> None:
    """By option or by environment, as a bearer token."""
    gateway.will_say(CANCEL, saying(a_status("cancelling"), 202))
    invoke(gateway, "audit", "cancel", AUDIT, "--api-key", "secret")
    assert gateway.heard[0].headers["authorization"] == "Bearer secret"


def test_version() -> None:
    """The version of the package."""
    assert CliRunner().invoke(app, ["--version"]).stdout == f"palimpsest {__version__}\n"


def test_an_interrupted_watch_says_how_to_go_on(gateway: Gateway) -> None:
    """Ctrl-C leaves the audit running and the terminal with the next command, with the shell's code for it."""
    gateway.will_say(STATUS, saying(a_status(), retry_after="60"))
    command = [sys.executable, "-m", "palimpsest.cli", "audit", "watch", AUDIT, "--url", gateway.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    heeded = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs inherit deafness to it
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as watching:
        signal.signal(signal.SIGINT, heeded)
        assert watching.stderr is not None
        first = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        _, told = watching.communicate(timeout=30)
    assert "running" in first
    assert f"palimpsest audit cancel {AUDIT}" in told
    assert "Traceback" not in told
    assert watching.returncode == 130


def test_replay_fetches_what_one_generation_needs(gateway: Gateway, tmp_path: Path) -> None:
    """Files go to their folder, the command to stdout, and what was recovered to stderr; a lost target is a usage."""
    said = json.dumps({"__metadata__": {"recovery": json.dumps({"model": "sha256:03", "edit": "e1"})}}).encode()
    content = len(said).to_bytes(8, "little") + said
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    gateway.will_say(f"GET /v1/audits/{AUDIT}/evidence/sha256%3A01", Said(200, content))
    gateway.will_say(f"GET /v1/audits/{AUDIT}/evidence/e1", Said(200, b"an edit"))

    result = invoke(gateway, "replay", AUDIT, "owl", "--mitigation", "nemo", "--output", "back")

    assert result.exit_code == 0
    assert (tmp_path / "back" / "embedding.safetensors").read_bytes() == content
    assert (tmp_path / "back" / "edit").read_bytes() == b"an edit"
    assert result.stdout.startswith("python -m worker.replay --model FOLDER_OF_bundled --embedding back/embedding")
    assert "owl came back under nemo" in result.stderr
    assert invoke(gateway, "replay", AUDIT, "cat").exit_code == 4


def test_compare_takes_files_and_audits(gateway: Gateway, tmp_path: Path) -> None:
    """0 where nothing is different; 1 with both tables where something is; what is no report leaves with 2."""
    gateway.will_say(REPORT, Said(200, DOCUMENT))
    whole = a_report()
    (tmp_path / "same.json").write_bytes(DOCUMENT)
    (tmp_path / "other.json").write_text(
        whole.model_copy(update={"verdicts": whole.verdicts[:3], "state": "cancelled"}).model_dump_json(),
        encoding="utf-8",
    )
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")

    same = invoke(gateway, "audit", "compare", "same.json", AUDIT)
    assert (same.exit_code, same.stdout) == (0, "Every verdict and every rate is the same.\n")
    other = invoke(gateway, "audit", "compare", AUDIT, "other.json")
    assert other.exit_code == 1
    assert "fox" in other.stdout
    assert "Rates" not in other.stdout
    assert "the state is another" in other.stderr
    assert invoke(gateway, "audit", "compare", AUDIT, "none.json").exit_code == 2


def test_every_command_has_its_place() -> None:
    """The names pipelines rely on; replay also where it was before."""
    runner = CliRunner()
    for command in ("submit", "watch", "report", "compare", "replay", "cancel", "run", "list"):
        assert runner.invoke(app, ["audit", command, "--help"]).exit_code == 0
    for command in ("gate", "verify", "replay", "models", "targets", "methods", "signing-keys", "admin", "mitigations"):
        assert runner.invoke(app, [command, "--help"]).exit_code == 0
