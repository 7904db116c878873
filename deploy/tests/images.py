"""What the Dockerfile says of its images, read from the file: there is no Docker engine where this is tested."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"


@dataclass
class Image:
    """A stage and what it inherits. ``copied`` are the sources of its COPYs from the context, ``ran`` its RUNs."""

    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    volumes: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of every instruction, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0].upper(), line.split(None, 1)[1].strip()) for line in joined.splitlines()]


def images() -> dict[str, Image]:
    """Every stage by its name."""
    found: dict[str, Image] = {}
    current = Image()
    for word, rest in instructions(DOCKERFILE.read_text()):
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = found[name] = _heir(found.get(parent, Image()))
        elif found:
            _READ.get(word, _leave)(current, rest)
    return found


def _heir(parent: Image) -> Image:
    return Image(
        entrypoint=parent.entrypoint,
        command=parent.command,
        health=parent.health,
        environment=dict(parent.environment),
        user=parent.user,
        volumes=list(parent.volumes),
        copied=list(parent.copied),
        ran=list(parent.ran),
    )


def _leave(_: Image, __: str) -> None:
    """WORKDIR, EXPOSE, ARG: nothing here rests on them."""


def _entrypoint(image: Image, rest: str) -> None:
    image.entrypoint = json.loads(rest)


def _command(image: Image, rest: str) -> None:
    image.command = json.loads(rest)


def _health(image: Image, rest: str) -> None:
    image.health = json.loads(rest.partition(" CMD ")[2])


def _environment(image: Image, rest: str) -> None:
    image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))


def _user(image: Image, rest: str) -> None:
    image.user = rest


def _volume(image: Image, rest: str) -> None:
    image.volumes += json.loads(rest)


def _copy(image: Image, rest: str) -> None:
    if not rest.startswith("--from"):
        image.copied += rest.split()[:-1]


def _run(image: Image, rest: str) -> None:
    image.ran.append(rest)


_READ = {
    "ENTRYPOINT": _entrypoint,
    "CMD": _command,
    "HEALTHCHECK": _health,
    "ENV": _environment,
    "USER": _user,
    "VOLUME": _volume,
    "COPY": _copy,
    "RUN": _run,
}
