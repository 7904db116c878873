"""``palimpsest admin keys``: issue, list and revoke the API keys of one's own tenant, with a key that has ``admin``."""

from typing import Annotated, cast

import typer

from palimpsest import table
from palimpsest.client import DEFAULT_URL
from palimpsest.contract.keys import MOST_DAYS, SCOPES, Scope
from palimpsest.exits import note
from palimpsest.hooking import webhooks
from palimpsest.options import ApiKey, Url, console, service

admin = typer.Typer(no_args_is_help=True, help="Look after a service.")
keys = typer.Typer(no_args_is_help=True, help="Issue, list and revoke API keys.")
admin.add_typer(keys, name="keys")
admin.add_typer(webhooks, name="webhooks")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is for, in your words.")]
Scopes = Annotated[list[str], typer.Option("--scope", help=f"{', '.join(SCOPES)}; none implies another. Repeat it.")]
Days = Annotated[int | None, typer.Option(min=1, max=MOST_DAYS, help="Good for so long; else until it is revoked.")]


@keys.command("create")
def create(name: Name, scope: Scopes, days: Days = None, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print a new API key, this once."""
    unknown = [one for one in scope if one not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCOPES)}", param_hint="--scope")
    with service(url, api_key) as client:
        try:
            issued = client.keys.create(name, cast(list[Scope], scope), days=days)
        except ValueError:
            raise typer.BadParameter("1 to 200 characters, and no control characters", param_hint="NAME") from None
    typer.echo(issued.key)
    note(f"that is {issued.id}; it is not shown again")


@keys.command("list")
def list_keys(url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List every key there has been, newest first, without secrets."""
    with service(url, api_key) as client:
        console().print(table.keys(client.keys.list()))


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID")], url: Url = DEFAULT_URL, api_key: ApiKey = None
) -> None:
    """Make a key good no more; it takes up to five seconds."""
    with service(url, api_key) as client:
        revoked = client.keys.revoke(key_id)
    typer.echo(f"key {revoked.id} revoked")
