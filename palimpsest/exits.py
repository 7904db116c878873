"""How the command line ends: what went wrong, said to a person on stderr and to a shell by the exit code.

0  the audit ended (``run`` and ``watch``: succeeded, whatever it found), or the question was answered; ``gate``: pass
1  ``gate``: a finding; ``compare``: a difference
2  the audit failed, was cancelled or expired, or the service's answer was of no use, or something went wrong here;
   ``gate``: inconclusive
3  ``gate``: there was nothing to be tried
4  asked wrongly: usage, or a request the service refused
5  nobody answered
6  the audit did not end in the time allowed
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from palimpsest.errors import PalimpsestError, ProblemError, TimedOut, Unreachable

FOUND, FAILED, NOT_APPLICABLE, USAGE, UNREACHABLE, LATE = 1, 2, 3, 4, 5, 6


class Commands(TyperGroup):
    """The root of all commands: everything that goes wrong below leaves here, with its exit code."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments."""
        with leaving():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with leaving():
            return super().invoke(ctx)


@contextmanager
def leaving() -> Iterator[None]:
    """Turn what went wrong into a complaint and an exit code."""
    try:
        yield
    except typer.TyperException as error:
        error.exit_code = USAGE
        raise
    except PalimpsestError as error:
        complain(error)
        raise typer.Exit(exit_code(error)) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except OSError as error:
        note(f"{error.filename}: {error.strerror}")
        raise typer.Exit(FAILED) from None
    except Exception:  # noqa: BLE001 - Python would leave with 1, which says that something was found
        traceback.print_exc()
        raise typer.Exit(FAILED) from None


def exit_code(error: PalimpsestError) -> int:
    """The exit code of an error."""
    if isinstance(error, ProblemError):
        return USAGE if error.problem.status < 500 else FAILED
    return {Unreachable: UNREACHABLE, TimedOut: LATE}.get(type(error), FAILED)


def complain(error: PalimpsestError) -> None:
    """Say what went wrong; a problem with every field it names."""
    if isinstance(error, Unreachable):
        note(f"nobody answers: {error}")
        return
    note(str(error))
    if isinstance(error, ProblemError):
        for wrong in error.problem.errors:
            note(f"  {wrong.field}: {wrong.code}: {wrong.detail}")


def note(text: str) -> None:
    """One line to stderr."""
    typer.echo(text, err=True)
