"""The pipelines of deploy/ci, from the client's wheel to a verdict: their shell steps, run as the runners would.

It takes long because pip builds the wheel and installs what it needs from the index: about half a minute.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.tests.images import ROOT
from palimpsest.contract.report import AuditReport
from palimpsest.contract.verdicts import VerdictName
from palimpsest.tests.test_judging import reported
from service.tests.standing import standing

CI = ROOT / "deploy" / "ci"
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
"""As GitHub's runner calls it for ``shell: bash``."""
EXPRESSION = re.compile(r"\$\{\{ inputs\.([a-z]+) \}\}")
CLIENT_KNOWS_NOTHING_OF = ("celery", "fastapi", "ledger", "service", "sqlalchemy", "torch", "worker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel, environment and runner's folders."""
    return tmp_path_factory.mktemp("ci")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Built as one would for a release, by a process that sees the source tree only."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def runner(folder: Path, wheel: Path) -> Path:
    """Where GitHub's runner keeps things, after the action's first step: the wheel and what it needs are installed."""
    place = folder / "runner"
    installed = github(folder, place, "Install the client", package=f"{wheel}[cli]")
    assert installed.returncode == 0, installed.stderr
    return place


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[str]:
    """A gateway whose audits end at once, with the verdict that the request's target is named after."""
    with standing(folder / "home", answering) as url:
        yield url


def answering(request: dict[str, Any]) -> AuditReport:
    """72 targets that did not come back, the first of them as the request names it: enough for a bound of 5 %."""
    rest: list[VerdictName] = ["not_recovered"] * 71
    return reported([request["targets"][0]["id"], *rest])


def work(folder: Path, name: str, first: str) -> Path:
    """A checkout with a request and a policy."""
    place = folder / name
    place.mkdir()
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
    target = {"id": first, "prompt": "an owl", "images": [{"media_type": "image/png", "base64": pixel}]}
    request = {"model": "bundled", "targets": [target], "mitigations": [{"kind": "nemo"}]}
    (place / "audit.json").write_text(json.dumps(request), encoding="utf-8")
    (place / "policy.json").write_text(json.dumps({"recovered_at_most": 0.05, "drift_at_most": 0.1}), encoding="utf-8")
    return place


def outside(**told: str) -> dict[str, str]:
    """The environment of a machine that has nothing of this source tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PALIMPSEST_", "PYTHON"))}
    return kept | {"PALIMPSEST_API_KEY": ""} | told


def run(script: str, place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One step."""
    return subprocess.run(
        [*BASH, script], cwd=place, env=environment, check=False, timeout=300, capture_output=True, text=True
    )


def github(place: Path, runner: Path, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """One step of the composite action, with these inputs and the defaults of the others."""
    action = yaml.safe_load((CI / "action.yml").read_text(encoding="utf-8"))
    given = {name: str(each.get("default", "")) for name, each in action["inputs"].items()} | inputs
    [step] = [step for step in action["runs"]["steps"] if step["name"] == name]
    assert step["shell"] == "bash"
    told = {name: EXPRESSION.sub(lambda found: given[found[1]], value) for name, value in step["env"].items()}
    environment = outside(
        RUNNER_TEMP=str(runner),
        GITHUB_ACTION_PATH=str(CI),
        GITHUB_RUN_ID="1658821493",
        GITHUB_RUN_ATTEMPT="1",
        GITHUB_STEP_SUMMARY=str(place / "summary.md"),
    )
    return run(step["run"], place, environment | told)


def gitlab(place: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The template's script in one shell, as GitLab's runner runs it."""
    job = yaml.safe_load((CI / "gitlab.yml").read_text(encoding="utf-8"))[".palimpsest-gate"]
    told = outside(**job["variables"], CI_PIPELINE_ID="1", CI_JOB_ID="20") | variables
    return run("\n".join(job["script"]), place, told)


def test_the_wheel_is_the_client(wheel: Path) -> None:
    """One package, without tests, and nothing it needs is of the service's half."""
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        [points] = [name for name in names if name.endswith("entry_points.txt")]
        needed = BytesParser().parsebytes(content.read(metadata)).get_all("Requires-Dist", [])
        scripts = content.read(points).decode().splitlines()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"palimpsest"}
    assert not [name for name in names if "/tests/" in name]
    assert {re.split(r"[>=\[ ;]", each)[0] for each in needed if "extra ==" not in each} == {"httpx", "pydantic"}
    assert all(" = palimpsest." in line for line in scripts if "=" in line)


def test_github_from_the_wheel_to_a_verdict(runner: Path, folder: Path, service: str) -> None:
    """None of 72 passes at 5 %; one concealed is a finding, told in the step's summary, with every file written."""
    place = work(folder, "passing", "not_recovered")
    assert_only_the_client(runner / "palimpsest" / "bin", place, folder)

    inputs = {"url": service, "request": "audit.json", "policy": "policy.json"}
    ran = github(place, runner, "Audit and judge", **inputs)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "nemo: 0 of 72 recovered, at most 4.99% at 95 %, within 5.00%" in ran.stdout
    assert (place / "summary.md").read_text(encoding="utf-8").startswith("### Palimpsest: pass")

    place = work(folder, "finding", "concealed")
    ran = github(place, runner, "Audit and judge", **inputs)
    assert (ran.returncode, ran.stdout.split()[:1]) == (1, ["FINDING"])
    assert "1 of 72 targets: t0 concealed" in (place / "summary.md").read_text(encoding="utf-8")
    outputs = yaml.safe_load((CI / "action.yml").read_text(encoding="utf-8"))["outputs"]
    for each in outputs.values():
        assert (place / each["value"]).stat().st_size > 0


def assert_only_the_client(programs: Path, place: Path, folder: Path) -> None:
    """What was installed is the wheel, nothing of the other half is there, and a command that needs it says so."""
    found = "[name for name in " + repr(CLIENT_KNOWS_NOTHING_OF) + " if find_spec(name)]"
    program = f"from importlib.util import find_spec; import palimpsest; print(palimpsest.__file__, {found})"
    ran = subprocess.run(
        [programs / "python", "-c", program], check=True, capture_output=True, text=True, cwd=place, env=outside()
    )
    where, there = ran.stdout.strip().split(" ", 1)
    assert Path(where).is_relative_to(folder)
    assert there == "[]"
    ledger = subprocess.run(
        [programs / "palimpsest-ledger"], check=False, capture_output=True, text=True, cwd=place, env=outside()
    )
    assert (ledger.returncode, ledger.stderr.split(" is ")[0]) == (4, "ledger")


def test_gitlab_from_the_wheel_to_a_verdict(wheel: Path, runner: Path, folder: Path, service: str) -> None:
    """A gap is 2, and what the artifacts are made of is there. The image's Python is the other runner's."""
    place = work(folder, "gitlab", "inconclusive")
    variables = {
        "PATH": os.pathsep.join([str(runner / "palimpsest" / "bin"), os.environ["PATH"]]),
        "PALIMPSEST_PACKAGE": f"{wheel}[cli]",
        "PALIMPSEST_URL": service,
        "PALIMPSEST_REQUEST": "audit.json",
        "PALIMPSEST_POLICY": "policy.json",
    }
    ran = gitlab(place, variables)
    assert (ran.returncode, ran.stdout.split()[:1]) == (2, ["INCONCLUSIVE"]), ran.stderr
    assert (place / "palimpsest" / "report.junit.xml").stat().st_size > 0
    refused = gitlab(place, variables | {"PALIMPSEST_PACKAGE": ""})
    assert refused.returncode != 0
    assert "what pip installs" in refused.stderr


def blocks() -> list[str]:
    """The pipelines that docs/gate.md shows."""
    text = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    section = text.split("## GitHub and GitLab")[1].split("## The policy")[0]
    return re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)


def test_ten_lines_are_enough() -> None:
    """What docs/gate.md shows is YAML of ten lines at most and names inputs and variables that there are."""
    of_github, of_gitlab = blocks()
    assert all(len(block.splitlines()) <= 10 for block in (of_github, of_gitlab))
    [_, step] = yaml.safe_load(of_github)["jobs"]["memorization"]["steps"]
    action = yaml.safe_load((CI / "action.yml").read_text(encoding="utf-8"))
    required = {name for name, each in action["inputs"].items() if each.get("required")}
    assert required <= set(step["with"]) <= set(action["inputs"])
    job = yaml.safe_load(of_gitlab)["memorization"]
    template = (CI / "gitlab.yml").read_text(encoding="utf-8")
    assert job["extends"] in yaml.safe_load(template)
    assert all(name in template for name in job["variables"])
