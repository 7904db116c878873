"""What every command takes, where the service is and who asks, and where every command prints."""

from typing import Annotated

import typer
from rich.console import Console

from palimpsest.client import AuditClient

PIPE_WIDTH = 120  # where there is no terminal to ask

Url = Annotated[str, typer.Option("--url", envvar="PALIMPSEST_URL", help="Where the service is.")]
ApiKey = Annotated[str | None, typer.Option("--api-key", envvar="PALIMPSEST_API_KEY", help="Who asks, if it matters.")]


def service(url: str, api_key: str | None) -> AuditClient:
    """A client for the address on the command line."""
    try:
        return AuditClient(url, api_key=api_key)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None


def console(*, stderr: bool = False) -> Console:
    """Where results or progress are printed; pipes get a width that fits the tables."""
    plain = Console(stderr=stderr, highlight=False)
    return plain if plain.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)
