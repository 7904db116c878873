"""The commands of README.md and docs/ do what is said: each is run against a gateway, or is listed with why it is not.

Worker and sweeper are played, so that an audit ends at once.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from api_tests.stack import ROOT
from palimpsest.contract.report import AuditReport, ModelIdentity
from palimpsest.tests.test_judging import reported
from service.tests.standing import standing

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = {"cp", "curl", "docker", "kubectl", "make", "openssl", "palimpsest", "palimpsest-ledger", "pip", "python"}
BLOCK = re.compile(r"^```(\w*)\n((?:(?!```)[^\n]*\n)*)```$|((?:^    [^\n]*\n)+)", re.MULTILINE)

SUBMIT = "curl -i localhost:8000/v1/audits"
ROOM = "it installs everything and takes minutes; "
CANARIES = "it trains a model: api_tests/test_canaries.py"
DOCKER = "there is no Docker daemon; deploy/tests/test_commands.py runs what it would run"

NOT_RUN = {
    "make audit": ROOM + "api_tests/test_first_audit.py runs its command",
    "make test": "it is what runs this",
    "cp deploy/env.example .env": DOCKER,
    "docker compose up --build --detach sweeper": DOCKER,
    "docker compose exec sweeper python -m service.init": DOCKER,
    "docker compose up --wait": DOCKER,
    "python -m worker.canaries plant": CANARIES,
    "python -m worker.canaries audit my-canaries": CANARIES,
    "python -m worker.canaries audit my-canaries --local": CANARIES,
    "palimpsest mitigations export": "it needs a real mitigation: api_tests/test_a_model_is_taken_away.py",
    "python -m worker.export": "it needs a real mitigation: api_tests/test_a_model_is_taken_away.py",
    "palimpsest replay AUDIT TARGET": "a synopsis; palimpsest/tests/test_cli.py",
    "python -m worker.fetch": "it downloads: worker/tests/test_fetched.py",
    "python -m worker.replay": "a synopsis; worker/tests/test_replay.py",
    "python -m api_tests.screenshots": "it looks at pages in a browser: service/tests/test_pages_in_chromium.py",
    "python -m service.quota": "not run here yet: service/tests/test_quota.py",
    "palimpsest admin webhooks": "ci.example is nobody's address: palimpsest/tests/test_webhooks.py",
    "palimpsest-ledger verify local:": "a head that was noted long ago: ledger/tests/test_accesses.py",
    "palimpsest-ledger restore": "it needs an empty database: ledger/tests/test_backup.py",
}
"""By how a command begins; the longest beginning counts."""

IN_ORDER = [
    SUBMIT,
    "curl localhost:8000/v1/audits/aud_…",
    "curl localhost:8000/v1/audits/aud_…/report",
    "palimpsest gate audit.json",
    "palimpsest audit compare BEFORE AFTER",
    'curl "$PALIMPSEST_URL/v1/audits/$AUDIT/report?format=sarif"',
    "palimpsest audit report $AUDIT --format dsse",
    "palimpsest audit report $AUDIT --format html --images",
    "palimpsest audit report $AUDIT --format html -o",
    "palimpsest page report.json",
    "palimpsest verify report.dsse.json",
    "palimpsest images upload",
    "curl -F file=@cat.jpg",
    "palimpsest targets upload",
    "palimpsest targets list",
    "curl -H 'Content-Type: text/csv'",
    "openssl genpkey",
    "openssl pkey",
    "palimpsest-ledger verify",
    "palimpsest-ledger upgrade",
    "palimpsest-ledger backup",
    "python -m service.init",
    "python -m service.init --tenant acme",
    "python -m service.init --again",
    "palimpsest admin keys create pipeline",
    "palimpsest admin keys list",
    "palimpsest admin keys revoke",
]
"""By how they begin, in the order in which a reader would meet them; the last ones make keys necessary."""


def commands() -> list[str]:
    """Every command of every block, its comments gone, once."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for language, fenced, indented in BLOCK.findall(document.read_text(encoding="utf-8")):
            for command in logical_lines(fenced or indented) if language in ("", "sh") else ():
                found[command] = None
    return list(found)


def logical_lines(block: str) -> Iterator[str]:
    """A block's commands: what a backslash or an open quote continues is one."""
    pending = ""
    for line in block.splitlines():
        pending += line.strip() if not pending else "\n" + line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quote is open, or the block is no shell
            continue
        if not pending.endswith("\\"):
            if words and words[0] in PROGRAMS:
                yield without_comment(pending)
            pending = ""


def without_comment(command: str) -> str:
    """The command alone: a comment begins behind two spaces or more, or after a tab, with a number sign or in words."""
    *lines, last = command.split("\n")
    return "\n".join([*lines, re.split(r"\s{2,}\S*(?:#|anywhere|where)", last)[0].rstrip()])


def beginning(command: str, known: list[str]) -> str | None:
    """The longest of the known beginnings."""
    return max((each for each in known if command.startswith(each)), key=len, default=None)


def test_every_command_is_run_or_says_why_not() -> None:
    """And nothing is listed that no document says."""
    listed = [*IN_ORDER, *NOT_RUN]
    found = {command: beginning(command, listed) for command in commands()}
    assert [command for command, begins in found.items() if begins is None] == []
    assert set(listed) - set(found.values()) == set()


@dataclass
class Reader:
    """Somebody who types what the documents say, in a folder, against a gateway."""

    folder: Path
    url: str
    told: dict[str, str] = field(default_factory=dict)

    def types(self, command: str, **instead: str) -> subprocess.CompletedProcess[str]:
        """One command, with what stands for something replaced."""
        for word, meant in instead.items():
            command = command.replace(word, meant)
        command = command.replace("localhost:8000", self.url.removeprefix("http://"))
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "PALIMPSEST_URL": self.url,
            "PALIMPSEST_HOME": str(self.folder / "home"),
            **self.told,
        }
        shell = ["bash", "-eo", "pipefail", "-c", command]
        return subprocess.run(
            shell, cwd=self.folder, env=environment, check=False, capture_output=True, text=True, timeout=120
        )


def answering(request: dict[str, Any]) -> AuditReport:
    """Nothing came back, of a model whose one file the reader has."""
    report = reported(["not_recovered"] * 72)
    named = hashlib.sha256(b"{}").hexdigest()
    model = ModelIdentity(
        id="bundled", role="audited", family="f", digest="sha256:03", files={"model_index.json": named}
    )
    return report.model_copy(update={"models": [model]})


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """With the files that the documents take for granted."""
    sets = [{"id": f"bundled:first-{name}", "title": "", "size": 8} for name in ("targets", "controls")]
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model" / "model_index.json").write_bytes(b"{}")
    asked = json.loads((ROOT / "docs" / "first-audit.json").read_text(encoding="utf-8")) | {"seed": 7}
    (tmp_path / "audit.json").write_text(json.dumps(asked), encoding="utf-8")
    (tmp_path / "policy.json").write_text('{"recovered_at_most": 0.05}', encoding="utf-8")
    for name, colour in (("cat.jpg", "orange"), ("logo.png", "navy")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
    (tmp_path / "suspects.csv").write_text("caption;index\na cat on a mat;1\na logo;2\n", encoding="utf-8")
    with standing(tmp_path / "home", answering, target_sets=sets) as url:
        yield Reader(tmp_path, url)


def test_the_commands_do_what_is_said(reader: Reader) -> None:
    """One after the other; every one leaves with 0."""
    written = {begins: command for command in reversed(commands()) if (begins := beginning(command, IN_ORDER))}
    instead = {"$(uuidgen)": str(uuid4()), "/backups": str(reader.folder / "backups")}  # uuidgen is not everywhere
    for begins in IN_ORDER:
        if begins.startswith("palimpsest verify"):  # the reader was given the key by its owner
            public = reader.types("palimpsest signing-keys").stdout
            (reader.folder / "signing-key.pub").write_text(public, encoding="utf-8")
        ran = reader.types(written[begins], **instead)
        assert ran.returncode == 0, f"{written[begins]}\n{ran.stdout}{ran.stderr}"
        learn(reader, begins, ran.stdout, instead)
    for name in (
        "report.json",
        "report.junit.xml",
        "report.sarif",
        "report.dsse.json",
        "report.html",
        "signing-key.pem",
        "backups",
    ):
        assert (reader.folder / name).exists()


def learn(reader: Reader, begins: str, told: str, instead: dict[str, str]) -> None:
    """What a reader takes from one answer into the next command."""
    if begins == SUBMIT:
        assert told.startswith("HTTP/1.1 202")
        [audit] = set(re.findall(r"aud_[0-9A-Z]+", told))
        reader.types(f"palimpsest audit watch {audit}")
        instead |= {"aud_…": audit, "BEFORE": audit, "AFTER": "report.json"}
        reader.told["AUDIT"] = audit
    if begins.startswith("palimpsest gate"):  # whose report.json it is that is verified below
        assert told.startswith("PASS")
        [reader.told["AUDIT"]] = re.findall(r"aud_[0-9A-Z]+", told)
    if begins == "python -m service.init":
        reader.told["PALIMPSEST_API_KEY"] = told.strip()
    if begins == "palimpsest admin keys list":
        [listed, *_] = re.findall(r"key_[0-9A-Z]{26}", told)
        instead |= {"key_01M8607V55EVBN8TBSARPMQB85": listed}
