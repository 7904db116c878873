"""The two commands. Results go to standard output, progress and complaints to standard error.

What needs torch is imported by whoever needs it: an audit over HTTP does without.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import NoReturn, get_type_hints

from palimpsest.client import DEFAULT_URL, AuditClient
from palimpsest.errors import PalimpsestError, ProblemError, Unreachable
from worker.canaries import compare, remote, truth
from worker.canaries.errors import Unplantable
from worker.canaries.recipe import Planting
from worker.canaries.truth import Truth
from worker.engine.errors import EngineError

DONE, FAILED, USAGE, UNREACHABLE = 0, 2, 4, 5
EFFORTS = ("quick", "standard", "thorough")


class Parser(argparse.ArgumentParser):
    """Whose complaint ends as those of ``palimpsest`` do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    asked = parsed(arguments)
    perform: Callable[[argparse.Namespace], None] = asked.perform
    try:
        perform(asked)
    except (Unplantable, EngineError, PalimpsestError, OSError) as error:
        say(str(error))
        return exit_code(error)
    return DONE


def exit_code(error: Exception) -> int:
    """As ``palimpsest`` has them."""
    if isinstance(error, Unreachable):
        return UNREACHABLE
    refused = isinstance(error, ProblemError) and error.problem.status < 500
    return USAGE if refused or isinstance(error, Unplantable | OSError) else FAILED


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(prog="python -m worker.canaries", description="Audit the auditor.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _planting(commands.add_parser("plant", help="make a model that remembers images of yours"))
    _auditing(commands.add_parser("audit", help="audit planted models and compare the verdicts with the truth"))
    return parser.parse_args(arguments)


def _planting(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(perform=plant_asked)
    parser.add_argument("--model", type=Path, required=True, help="registration of the model to plant in")
    parser.add_argument("--canaries", type=Path, required=True, help="JSON lines: id, prompt, image, copies")
    parser.add_argument("--unseen", type=Path, required=True, help="JSON lines: images that are not to be planted")
    parser.add_argument(
        "--regular", type=Path, help="JSON lines: what is trained on beside; else the model's own draws"
    )
    parser.add_argument("--own-draws", type=int, default=1000, help="how many, where --regular is not given")
    parser.add_argument("--id", required=True, help="under which the planted model is registered")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; an unfinished one is gone on with")
    for each in fields(Planting):
        kind = get_type_hints(Planting)[each.name]
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    _shared(parser)


def _auditing(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(perform=audit_asked)
    parser.add_argument("folders", type=Path, nargs="+", help="what plant has written, one folder a model")
    parser.add_argument("--local", action="store_true", help="measure here instead of asking a service")
    parser.add_argument("--url", default=os.environ.get("PALIMPSEST_URL", DEFAULT_URL))
    parser.add_argument("--api-key", default=os.environ.get("PALIMPSEST_API_KEY"))
    parser.add_argument("--effort", choices=EFFORTS, default="standard")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write verdicts and comparison there, as JSON")
    _shared(parser)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))


def plant_asked(asked: argparse.Namespace) -> None:
    """Plant, and say where."""
    from worker.canaries import workbench  # noqa: PLC0415 - torch

    workbench.use(asked.threads)
    planting = Planting(**{each.name: getattr(asked, each.name) for each in fields(Planting)})
    wish = workbench.Wish(**{each.name: getattr(asked, each.name) for each in fields(workbench.Wish)})
    known = workbench.planted(wish, planting)
    tell([f"{asked.out / 'registration.json'}: {len(known.seen)} canaries, model {known.model[:16]}"])


def audit_asked(asked: argparse.Namespace) -> None:
    """Every model, then all of them against their truths."""
    known = [truth.read(path) for path in asked.folders]
    judge = locally if asked.local else over_http
    said = [judge(asked, path, of) for path, of in zip(asked.folders, known, strict=True)]
    found = compare.compare(list(zip(known, said, strict=True)))
    tell(compare.lines(found))
    if asked.output:
        verdicts = {of.id: dict(words) for of, words in zip(known, said, strict=True)}
        asked.output.write_text(json.dumps({"comparison": asdict(found), "verdicts": verdicts}, indent=2) + "\n")


def over_http(asked: argparse.Namespace, _: Path, known: Truth) -> compare.Words:
    """By the service; it must offer the model."""
    say(f"{known.id}: asking {asked.url}")
    with AuditClient(asked.url, api_key=asked.api_key) as client:
        return remote.words(remote.audited(client, known, effort=asked.effort, seed=asked.seed))


def locally(asked: argparse.Namespace, path: Path, known: Truth) -> compare.Words:
    """In this process."""
    from worker.canaries import workbench  # noqa: PLC0415 - torch

    workbench.use(asked.threads)
    say(f"{known.id}: measuring {len(known.copies)} images and their controls")
    return workbench.measured(path, known, effort=asked.effort, seed=asked.seed)


def tell(lines: list[str]) -> None:
    """The result."""
    sys.stdout.write("".join(line + "\n" for line in lines))


def say(sentence: str) -> None:
    """To whoever waits."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
