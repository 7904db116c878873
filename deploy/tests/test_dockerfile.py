"""The Dockerfile: linted, and what it promises about its images."""

import fnmatch
import importlib.util
from pathlib import Path

import pytest

from deploy.tests.images import DOCKERFILE, ROOT, Image, images, instructions
from deploy.tests.tools import run
from service.settings import Settings
from service.up import gateway, worker

OURS = ["gateway", "worker"]


@pytest.fixture(params=OURS)
def image(request: pytest.FixtureRequest) -> Image:
    """Each of the two images."""
    return images()[request.param]


def test_hadolint_has_no_complaints() -> None:
    """Not even informational ones, but for the one the file argues with."""
    told = run("hadolint", DOCKERFILE)
    assert (told.returncode, told.stdout) == (0, "")


def test_hadolint_would_complain(tmp_path: Path) -> None:
    """A shell-form command and an untagged base are found."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nCMD python -m service.sweeper\n")
    told = run("hadolint", bad)
    assert told.returncode != 0
    assert {"DL3006", "DL3025"} <= set(told.stdout.split())


def test_nobody_is_root_and_everything_is_started_directly(image: Image) -> None:
    """A numbered user, so that Kubernetes can tell; tini before a command in exec form, so that signals arrive."""
    assert image.user == "10001:10001"
    assert image.entrypoint == ["tini", "--"]
    assert image.command[0] == "python"
    assert image.health[:2] == ["python", "-m"]
    assert image.volumes == [image.environment["PALIMPSEST_HOME"]]


def test_commands_are_those_of_make_up() -> None:
    """What is tested as ``service.up`` is what is deployed; where to listen comes from the environment."""
    started = gateway(Settings())
    there = started.index("--host")
    without_place = started[1:there] + started[there + 4 :]
    assert images()["gateway"].command == ["python", *without_place]
    assert images()["worker"].command == ["python", *worker(1)[1:]]


def test_health_checks_are_modules_of_the_image(image: Image) -> None:
    """And the commands, too."""
    for module in (image.health[2], image.command[2]):
        assert importlib.util.find_spec(module) is not None


def test_the_gateways_image_has_nothing_of_the_workers() -> None:
    """Neither its sources nor its dependencies; and the other way round."""
    found = images()
    assert set(found["gateway"].copied) == {"palimpsest", "ledger", "service"}
    assert set(found["worker"].copied) == {"palimpsest", "ledger", "worker"}
    installed = {name: " ".join(found[f"{name}-dependencies"].ran) for name in OURS}
    assert "'.[service,otel]'" in installed["gateway"]
    assert "'.[worker,otel]'" in installed["worker"]


def test_every_version_is_the_one_that_was_tested() -> None:
    """No pip without the constraints."""
    installs = [rest for word, rest in instructions(DOCKERFILE.read_text()) if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in rest for rest in installs)


def test_what_is_copied_is_there_and_not_ignored(image: Image) -> None:
    """The .dockerignore names what is let through; tests stay outside."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#"]
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    everything = [source for stage in images().values() for source in stage.copied]
    assert set(everything) <= {*let_through, "palimpsest/__init__.py"}
    for source in image.copied:
        assert (ROOT / source).exists()
    assert any(fnmatch.fnmatch("service/tests", line) for line in ignored)


def test_there_are_no_secrets_in_it(image: Image) -> None:
    """No variable of an image is one."""
    for name in image.environment:
        assert not any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "URL", "ACCESS_KEY"))
