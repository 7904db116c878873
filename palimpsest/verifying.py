"""``palimpsest verify``: the one command that asks nobody."""

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from palimpsest.renderings.dsse import public_key
from palimpsest.verification import attested, require_model, require_report


def verify(
    envelope: Annotated[Path, typer.Argument(metavar="REPORT.dsse.json", exists=True, dir_okay=False)],
    *,
    key: Annotated[
        list[Path], typer.Option("--key", exists=True, dir_okay=False, help="A public key you trust (PEM).")
    ],
    report: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The report it has to be of, too.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The model's folder it has to be of, too.")
    ] = None,
) -> None:
    """Verify a signed report, without a network; 0 if it is what it says."""
    found = attested(envelope.read_bytes(), [trusted(path) for path in key])
    typer.echo("The signature is of a key you gave.")
    if report:
        require_report(found, report.read_bytes())
        typer.echo(f"It was made of {report}.")
    if model:
        require_model(found, model)
        typer.echo(f"It is about the {len(found.files)} files in {model}, unchanged.")
    typer.echo(found.sentence)


def trusted(path: Path) -> Ed25519PublicKey:
    """A public key from a file on the command line."""
    try:
        return public_key(path.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--key") from None
