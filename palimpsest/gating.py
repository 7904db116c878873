"""``palimpsest gate``: audit, judge by a policy, and leave with the answer."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from palimpsest import sentence
from palimpsest.asking import Repeat, Timeout, read, watched
from palimpsest.client import DEFAULT_URL, AuditClient
from palimpsest.contract.policy import GatePolicy
from palimpsest.contract.problems import Code
from palimpsest.errors import PalimpsestError, ProblemError
from palimpsest.exchange import parsed_report
from palimpsest.exits import FAILED, FOUND, NOT_APPLICABLE, complain, note
from palimpsest.judging import Answer, judge
from palimpsest.options import ApiKey, Url, service

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
CODES: dict[Answer, int] = {"pass": 0, "finding": FOUND, "inconclusive": FAILED, "not_applicable": NOT_APPLICABLE}
WORDS: dict[Answer, str] = {
    "pass": "PASS",
    "finding": "FINDING",
    "inconclusive": "INCONCLUSIVE",
    "not_applicable": "NOT APPLICABLE",
}

Place = Annotated[Path | None, typer.Option(dir_okay=False, help="Write the service's rendering here, too.")]


def gate(
    request: Annotated[
        typer.FileBinaryRead | None, typer.Argument(metavar="REQUEST.json", help="An audit request; - for stdin.")
    ] = None,
    *,
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="What may not be found (docs/gate.md).")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Judge this report instead; nothing is asked of a service."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="Where the report goes.")] = Path(
        "report.json"
    ),
    junit: Place = None,
    sarif: Place = None,
    timeout: Timeout = None,
    idempotency_key: Repeat = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Audit and judge by a policy: 0 pass, 1 finding, 2 error or inconclusive, 3 not applicable."""
    if (request is None) == (report is None):
        raise typer.BadParameter("give either a request or --report", param_hint="REQUEST.json")
    if report is not None:
        if junit or sarif:
            raise typer.BadParameter("renderings are the service's; without one there are none", param_hint="--report")
        rules = read_policy(policy, {})
        raise typer.Exit(told(report.read_bytes(), rules))
    assert request is not None
    require_folders(output, junit, sarif)
    asked = read(request)
    rules = read_policy(policy, asked)
    with service(url, api_key) as client:
        audit_id = audited(client, asked, timeout, idempotency_key)
        document = reported(client, audit_id)
        output.write_bytes(document)
        code = told(document, rules)
        whole = rendered(client, audit_id, {"junit": junit, "sarif": sarif})
    raise typer.Exit(code if whole or code else FAILED)


def read_policy(place: Path | None, request: dict[str, Any]) -> GatePolicy:
    """The policy of a file; without one what the request's own policy fails on, or the default."""
    try:
        if place is not None:
            return GatePolicy.model_validate_json(place.read_bytes())
        own = request.get("policy")
        return GatePolicy.model_validate(own if isinstance(own, dict) else {})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise typer.BadParameter(f"{where} {first['msg']}".strip(), param_hint="--policy") from None


def require_folders(*places: Path | None) -> None:
    """What cannot be written is noticed before the audit, not after."""
    for place in places:
        if place is not None and not place.absolute().parent.is_dir():
            raise typer.BadParameter(f"{place.parent} is no folder", param_hint=str(place))


def audited(client: AuditClient, asked: dict[str, Any], timeout: float | None, key: str | None) -> str:
    """The id of an audit that has ended; one that failed or was refused as not applicable leaves here."""
    try:
        audit_id = client.submit(asked, idempotency_key=key).id
    except ProblemError as error:
        if error.problem.code != Code.METHOD_NOT_APPLICABLE:
            raise
        complain(error)
        summarize(WORDS["not_applicable"], [str(error)])
        raise typer.Exit(NOT_APPLICABLE) from None
    note(f"audit {audit_id}")
    ended = watched(client, audit_id, timeout)
    if ended.state != "succeeded":
        note(f"audit {audit_id} {ended.state}")
    return audit_id


def reported(client: AuditClient, audit_id: str) -> bytes:
    """The report; an audit that ended without one is no wrong call of ours."""
    try:
        return client.report_document(audit_id)
    except ProblemError as error:
        complain(error)
        raise typer.Exit(FAILED) from None


def told(document: bytes, policy: GatePolicy) -> int:
    """Judge a report, print it and, in a pipeline of GitHub's, put it where its page shows it; the exit code."""
    report = parsed_report(document)
    judgement = judge(report, policy)
    typer.echo(f"{WORDS[judgement.answer]}  model {report.request.get('model')}, audit {report.audit_id}")
    for ruling in judgement.rulings:
        typer.echo(f"  {ruling.answer:<14}  {ruling.sentence}")
    typer.echo(sentence.told(report))
    lines = [f"{ruling.answer}: {ruling.sentence}" for ruling in judgement.rulings]
    summarize(WORDS[judgement.answer], lines, report.audit_id)
    return CODES[judgement.answer]


def summarize(word: str, lines: list[str], audit_id: str = "") -> None:
    """Add to the step's summary where GitHub's runner has named a file for it."""
    place = os.environ.get(STEP_SUMMARY)
    if place:
        heading = f"### Palimpsest: {word.lower()}" + (f" (`{audit_id}`)" if audit_id else "")
        with Path(place).open("a", encoding="utf-8") as file:
            file.write("\n".join([heading, "", *(f"* {plain(line)}" for line in lines), "", ""]))


def plain(text: str) -> str:
    """A line that Markdown takes for nothing but text."""
    return "".join("\\" + letter if letter in r"\`*_{}[]<>#|!&~" else letter for letter in " ".join(text.split()))


def rendered(client: AuditClient, audit_id: str, places: dict[str, Path | None]) -> bool:
    """Write the renderings that were asked for; whether all could be had."""
    whole = True
    for name, place in places.items():
        if place is None:
            continue
        try:
            place.write_bytes(client.report_document(audit_id, format=name))
        except PalimpsestError as error:
            complain(error)
            note(f"{place} is not written")
            whole = False
    return whole
