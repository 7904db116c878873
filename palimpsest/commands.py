"""``palimpsest``: submit an audit, watch it, read its report.

Results go to stdout, progress and complaints to stderr; ``exits`` has the exit codes.
"""

from pathlib import Path
from typing import Annotated

import typer

from palimpsest import __version__, sentence, table
from palimpsest.administering import admin
from palimpsest.asking import Repeat, Timeout, read, watched
from palimpsest.client import DEFAULT_URL, AuditClient
from palimpsest.comparing import difference
from palimpsest.contract.report import AuditReport
from palimpsest.contract.status import AuditStatus, State
from palimpsest.exchange import parsed_report
from palimpsest.exits import FAILED, FOUND, Commands, note
from palimpsest.gating import gate
from palimpsest.handing_on import handed_on
from palimpsest.one_page import from_file, from_service
from palimpsest.options import ApiKey, Url, console, service
from palimpsest.recovery import fetch
from palimpsest.renderings.formats import RENDERED
from palimpsest.uploading import images, targets
from palimpsest.verifying import verify

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)
audit = typer.Typer(no_args_is_help=True, help="Submit audits, watch them, read their reports.")
app.add_typer(audit, name="audit")
app.command("gate")(gate)
app.command("verify")(verify)
mitigations = typer.Typer(no_args_is_help=True, help="Take away what an audit's mitigations made.")
app.add_typer(mitigations, name="mitigations")
app.add_typer(admin, name="admin")
app.add_typer(targets, name="targets")
app.add_typer(images, name="images")


def version_asked(*, asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        typer.echo(f"palimpsest {__version__}")
        raise typer.Exit


Request = Annotated[typer.FileBinaryRead, typer.Argument(metavar="REQUEST.json", help="An audit request; - for stdin.")]
AuditId = Annotated[str, typer.Argument(metavar="AUDIT_ID")]
HTML = "html"
Output = Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="Where the report goes.")]


@app.callback()
def root(
    *,
    _: Annotated[bool, typer.Option("--version", callback=version_asked, is_eager=True, help="Print it.")] = False,
) -> None:
    """Is a memorized training image removed from a text-to-image model, or only hidden?"""


@audit.command("run")
def run(
    request: Request,
    *,
    output: Output = Path("report.json"),
    timeout: Timeout = None,
    idempotency_key: Repeat = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Submit an audit, wait for it, print what it found and write the report."""
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    with service(url, api_key) as client:
        accepted = client.submit(read(request), idempotency_key=idempotency_key)
        note(f"audit {accepted.id}")
        ended = watched(client, accepted.id, timeout)
        document = client.report_document(accepted.id)
    output.write_bytes(document)
    print_report(document)
    note(f"report written to {output}")
    leave_unless_succeeded(ended)


@audit.command("submit")
def submit(request: Request, idempotency_key: Repeat = None, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Submit an audit and print its id."""
    with service(url, api_key) as client:
        typer.echo(client.submit(read(request), idempotency_key=idempotency_key).id)


@audit.command("watch")
def watch(audit_id: AuditId, timeout: Timeout = None, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Show an audit's progress until it ends."""
    with service(url, api_key) as client:
        ended = watched(client, audit_id, timeout)
    typer.echo(f"audit {ended.id} {ended.state}" + (f": {ended.outcome}" if ended.outcome else ""))
    leave_unless_succeeded(ended)


@audit.command("report")
def report(
    audit_id: AuditId,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write it here too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report itself.")] = False,
    format: Annotated[
        str | None, typer.Option(help="Print it in another format: " + ", ".join(each.name for each in RENDERED) + ".")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images", help="Put the pictures into the HTML page; takes the scope evidence:read.")
    ] = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Print the report of an audit that has ended. As html it is one file that needs nothing beside it."""
    if images and format != HTML:
        raise typer.BadParameter("goes with --format html only", param_hint="--images")
    with service(url, api_key) as client:
        document = client.report_document(audit_id, format=None if format == HTML else format)
        if format == HTML:
            document = from_service(client, audit_id, document, images=images)
    if output:
        output.write_bytes(document)
    if as_json or (format and not output):
        typer.echo(document, nl=not format)
    elif not format:
        print_report(document)


@app.command("page")
def page(
    document: Annotated[Path, typer.Argument(metavar="REPORT.json", exists=True, dir_okay=False)],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False)] = Path("report.html"),
) -> None:
    """Make a page for people of a report, without a network and without pictures."""
    output.write_bytes(from_file(document.read_bytes()))
    note(f"page written to {output}")


@audit.command("cancel")
def cancel(audit_id: AuditId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Ask an audit to stop."""
    with service(url, api_key) as client:
        typer.echo(f"audit {audit_id} {client.cancel(audit_id).state}")


@audit.command("list")
def list_audits(
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="How many.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List audits, newest first."""
    with service(url, api_key) as client:
        page = client.audits(limit=limit, cursor=cursor, state=state, model=model)
    console().print(table.audits(page))
    if page.next_cursor:
        note(f"more with --cursor {page.next_cursor}")


@audit.command("compare")
def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A report's file, or the id of an audit.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another.")],
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Print what verdicts and rates have become, with intervals; 0 if nothing else, 1 if something."""
    with service(url, api_key) as client:
        found = difference(report_of(client, before), report_of(client, after))
    for caveat in found.caveats:
        note(caveat)
    if found.empty:
        typer.echo("Every verdict and every rate is the same.")
        return
    out = console()
    for changes in (table.verdict_changes(found.verdicts), table.rate_changes(found.rates)):
        if changes.row_count:
            out.print(changes, end="\n\n")
    raise typer.Exit(FOUND)


@audit.command("replay")
@app.command("replay")
def replay(
    audit_id: AuditId,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The target's id in the report.")],
    *,
    mitigation: Annotated[str | None, typer.Option(help="Its id; by default one under which it is concealed.")] = None,
    probe: Annotated[str | None, typer.Option(help="Its id; by default the one that brought it back.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="A folder.")] = Path("replay"),
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Fetch what replays a recovery by one generation, and print the command that does, where the model is."""
    with service(url, api_key) as client:
        try:
            fetched = fetch(client, audit_id, target, mitigation, probe)
        except LookupError as error:
            raise typer.BadParameter(str(error.args[0]), param_hint="TARGET") from None
    output.mkdir(parents=True, exist_ok=True)
    for name, content in fetched.files.items():
        (output / name).write_bytes(content)
    note(fetched.sentence)
    typer.echo(fetched.command(output))


@mitigations.command("export")
def export(
    audit_id: AuditId,
    mitigation: Annotated[str, typer.Argument(metavar="MITIGATION", help="Its id in the audit's request.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="By default MITIGATION.safetensors.")
    ] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Write what a joint mitigation adds to the weights of the audited model."""
    place = output or Path(f"{Path(mitigation).name}.safetensors")
    if not place.absolute().parent.is_dir():
        raise typer.BadParameter(f"{place.parent} is no folder", param_hint="--output")
    with service(url, api_key) as client:
        place.write_bytes(client.checkpoint(audit_id, mitigation))
    note(f"checkpoint written to {place}; whole model: python -m worker.export --delta {place} --model … --output …")


@app.command("models")
def models(url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List the models that can be audited."""
    with service(url, api_key) as client:
        console().print(table.models(client.models()))


@app.command("methods")
def methods(url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List the methods an audit can use."""
    with service(url, api_key) as client:
        console().print(table.methods(client.methods()))


@app.command(
    "canaries",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def canaries(context: typer.Context) -> None:
    """Plant images in a model, audit the auditor with it (needs the worker; canaries --help)."""
    raise typer.Exit(handed_on(context.args))


@app.command("signing-keys")
def signing_keys(url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print the public keys that have signed reports, the newest first."""
    with service(url, api_key) as client:
        for known in client.signing_keys().data:
            note(f"{known.keyid} since {known.since:%Y-%m-%d}")
            typer.echo(known.pem, nl=False)


def report_of(client: AuditClient, named: str) -> AuditReport:
    """A report from a file of that name, or from the service."""
    place = Path(named)
    return parsed_report(place.read_bytes() if place.is_file() else client.report_document(named))


def leave_unless_succeeded(ended: AuditStatus) -> None:
    """A cancelled or expired audit is not what was asked for, though it has a partial report."""
    if ended.state != "succeeded":
        note(f"audit {ended.id} {ended.state}")
        raise typer.Exit(FAILED)


def print_report(document: bytes) -> None:
    """The tables, the outcome, the limits and the cost."""
    found = parsed_report(document)
    out = console()
    out.print(table.verdicts(found), table.comparison(found), sep="\n\n", end="\n\n")
    out.print(sentence.outcome(found), markup=False, style="bold")
    for line in sentence.undecided(found) + [f"Limit: {limitation}" for limitation in found.limitations]:
        out.print(line, markup=False, style="dim")
    out.print(sentence.cost(found), markup=False)
