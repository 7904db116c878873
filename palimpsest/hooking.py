"""``palimpsest admin webhooks``: where the service tells of the ends of audits, with a key that has ``admin``."""

from typing import Annotated, cast

import typer

from palimpsest import table
from palimpsest.client import DEFAULT_URL
from palimpsest.contract.webhooks import EVENT_TYPES, EventType
from palimpsest.exits import note
from palimpsest.options import ApiKey, Url, console, service

webhooks = typer.Typer(no_args_is_help=True, help="Be told when audits end, by signed calls.")

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK_ID")]
Events = Annotated[list[str] | None, typer.Option("--event", help=f"{', '.join(EVENT_TYPES)}; all unless named.")]


@webhooks.command("create")
def create(
    where: Annotated[str, typer.Argument(metavar="HTTPS_URL")],
    event: Events = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Print the secret of a new webhook, this once."""
    unknown = [one for one in event or [] if one not in EVENT_TYPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(EVENT_TYPES)}", param_hint="--event")
    with service(url, api_key) as client:
        try:
            made = client.webhooks.create(where, cast(list[EventType], event) or EVENT_TYPES)
        except ValueError:
            raise typer.BadParameter("an address of up to 2000 characters of ASCII", param_hint="HTTPS_URL") from None
    typer.echo(made.secret)
    note(f"that is the secret of {made.id}; it is not shown again")


@webhooks.command("list")
def list_webhooks(url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List the webhooks there are, newest first, without secrets."""
    with service(url, api_key) as client:
        console().print(table.webhooks(client.webhooks.list()))


@webhooks.command("rotate")
def rotate(webhook_id: WebhookId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print another secret, this once; for a day the one before it signs, too."""
    with service(url, api_key) as client:
        typer.echo(client.webhooks.rotate(webhook_id).secret)


@webhooks.command("remove")
def remove(webhook_id: WebhookId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Tell it nothing any more, and forget what it was told."""
    with service(url, api_key) as client:
        removed = client.webhooks.remove(webhook_id)
    typer.echo(f"webhook {removed.id} removed")


@webhooks.command("deliveries")
def deliveries(webhook_id: WebhookId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List the newest of what it was told or is to be told."""
    with service(url, api_key) as client:
        console().print(table.deliveries(client.webhooks.deliveries(webhook_id)))


@webhooks.command("replay")
def replay(
    webhook_id: WebhookId,
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY_ID")],
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Have it told again, under the same id."""
    with service(url, api_key) as client:
        again = client.webhooks.replay(webhook_id, delivery_id)
    typer.echo(f"delivery {again.id} will be told again")
