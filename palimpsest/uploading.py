"""``palimpsest targets`` and ``palimpsest images``: send lists of targets and pictures ahead of audits."""

from pathlib import Path
from typing import Annotated

import typer

from palimpsest import table
from palimpsest.client import DEFAULT_URL
from palimpsest.exits import note
from palimpsest.options import ApiKey, Url, console, service

targets = typer.Typer(no_args_is_help=True, help="Send lists of targets, see which there are.")
images = typer.Typer(no_args_is_help=True, help="Send reference pictures, which targets then name.")

List = Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, exists=True, help="A .csv, .jsonl or .ndjson.")]
Pictures = Annotated[
    list[Path], typer.Argument(metavar="FILE…", dir_okay=False, exists=True, help="PNG, JPEG or WebP, up to 100.")
]


@targets.command("upload")
def upload_targets(
    file: List,
    *,
    title: Annotated[str, typer.Option(help="What it is, in your words.")] = "",
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Send a list of targets, and print the id that goes into a request as "target_set"."""
    with service(url, api_key) as client:
        try:
            kept = client.target_sets.upload(file, title=title)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="FILE") from None
    typer.echo(kept.id)
    note(f"{kept.count} targets, {kept.images} pictures, sha256 {kept.digest}")


@targets.command("list")
def list_targets(
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="How many.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List the target sets that were sent, newest first; those of models: palimpsest models."""
    with service(url, api_key) as client:
        page = client.target_sets.list(limit=limit, cursor=cursor)
    console().print(table.target_sets(page))
    if page.next_cursor:
        note(f"more with --cursor {page.next_cursor}")


@images.command("upload")
def upload_images(files: Pictures, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Send pictures, all or none, and print each one's digest and file, as sha256sum does."""
    with service(url, api_key) as client:
        kept = client.images.upload(*files)
    for file, image in zip(files, kept.data, strict=True):
        typer.echo(f"{image.digest}  {file}")
