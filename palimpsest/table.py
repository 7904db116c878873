"""A report as a reader sees it: the verdicts, the comparison of mitigations, one sentence, and what it cost.

Every function takes plain data of the contract and returns something rich can print. Text of the service is never
read as markup. A dash stands for what was not measured.
"""

from collections.abc import Sequence
from typing import cast

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from palimpsest.comparing import RateChange, VerdictChange
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.keys import Key, KeyList
from palimpsest.contract.report import AuditReport, ControlEvidence, MitigationSummary, Rate, Replication, Verdict
from palimpsest.contract.status import AuditList
from palimpsest.contract.uploads import UploadedSetList
from palimpsest.contract.verdicts import VerdictName
from palimpsest.contract.webhooks import DeliveryList, Webhook, WebhookList

MOST_ROWS = 60  # beyond this the gravest verdicts are shown and the file has the rest
DASH = Text("–", style="dim")
STYLES: dict[VerdictName, str] = {
    "still_replicates": "bold red",
    "concealed": "bold magenta",
    "inconclusive": "yellow",
    "not_detected": "dim",
    "not_recovered": "green",
    "not_memorized": "green",
}
GRAVITY: list[VerdictName] = list(STYLES)


def verdicts(report: AuditReport) -> Table:
    """One row per target and mitigation."""
    probes = probe_ids(report)
    shown = gravest(report.verdicts)
    table = titled("Verdicts", ["target", "mitigation"], ["verdict", "before", "prompt", *search_headings(probes)])
    for verdict in shown:
        table.add_row(*verdict_cells(verdict, probes))
    table.caption = "images that replicate / images, best similarity"
    if len(shown) < len(report.verdicts):
        table.caption += f"; the gravest {len(shown)} of {len(report.verdicts)} rows, the report has all"
    return table


def gravest(listed: Sequence[Verdict]) -> list[Verdict]:
    """All verdicts as they come, or, when they are too many to read, the gravest first."""
    if len(listed) <= MOST_ROWS:
        return list(listed)
    return sorted(listed, key=lambda verdict: GRAVITY.index(verdict.verdict))[:MOST_ROWS]


def verdict_cells(verdict: Verdict, probes: list[str]) -> list[Text]:
    """The cells of one row."""
    searched = [
        cell
        for probe in probes
        for cell in (replication(verdict.adversarial.get(probe)), control(verdict.controls.get(probe)))
    ]
    return [
        Text(verdict.target_id) + Text(f"\n{verdict.scope.words}" if verdict.scope.region else "", style="dim"),
        Text(verdict.mitigation),
        Text(verdict.verdict, style=STYLES[verdict.verdict]),
        replication(verdict.before.prompt),
        replication(verdict.prompt),
        *searched,
    ]


def replication(measured: Replication | None) -> Text:
    """``3/4 0.91``: images that replicate, and the best similarity."""
    if measured is None:
        return DASH
    text = f"{measured.hits}/{len(measured.scores)} {measured.max_score:.2f}"
    return Text(text, style="red" if measured.replicates else "")


def control(evidence: ControlEvidence | None) -> Text:
    """``0/8 p 0.01``: controls that replicate too, and the adjusted p where there are enough of them."""
    if evidence is None:
        return DASH
    p = "" if evidence.p_adjusted is None else f" p {evidence.p_adjusted:.2g}"
    return Text(f"{evidence.rate.k}/{evidence.rate.n}{p}", style="yellow" if evidence.rate.k else "")


def comparison(report: AuditReport) -> Table:
    """One row per mitigation: rates over targets with their intervals, and what the mitigation took away."""
    probes = probe_ids(report)
    measured = ["before", "prompt", *search_headings(probes), "switched\noff", "drift"]
    table = titled("Mitigations", ["mitigation"], measured)
    table.caption = "share of targets, or of controls, that replicate (k of n), 95 % interval"
    for row in report.summary.mitigations:
        table.add_row(*comparison_cells(row, probes))
    return table


def comparison_cells(row: MitigationSummary, probes: list[str]) -> list[Text]:
    """The cells of one row, two lines each."""
    rates = row.replication_rate
    searched = [
        cell for probe in probes for cell in (rate(rates.adversarial.get(probe)), rate(rates.control.get(probe)))
    ]
    name = Text(row.mitigation) + Text(f"\n{row.scope}" if row.scope else "", style="dim")
    return [name, rate(rates.before), rate(rates.prompt), *searched, switched_off(row), drift(row)]


def rate(measured: Rate | None) -> Text:
    """``0.88 (7/8)`` above ``0.47–1.00``."""
    if measured is None or measured.value is None:
        return DASH
    counted = Text(f"{measured.value:.2f} ({measured.k}/{measured.n})")
    return counted + Text(f"\n{measured.low:.2f}–{measured.high:.2f}", style="dim")


def switched_off(row: MitigationSummary) -> Text:
    """``0.42 %`` above ``12 neurons``."""
    if row.switched_off is None:
        return DASH
    off = row.switched_off
    return Text(f"{off.share:.2%}".replace("%", " %")) + Text(f"\n{off.count:,.4g} {off.what}", style="dim")


def drift(row: MitigationSummary) -> Text:
    """The drift above the bound it was held to, in red where it is beyond."""
    if row.drift is None:
        return DASH
    value = Text(f"{row.drift.value:.3f}", style="red" if row.drift.degraded else "")
    return value + Text(f"\n{'>' if row.drift.degraded else '≤'} {row.drift.bound:.3g}", style="dim")


def verdict_changes(changes: Sequence[VerdictChange]) -> Table:
    """One row per verdict that has become another."""
    table = titled("Verdicts that are others", ["target", "mitigation"], ["before", "after"])
    for change in changes:
        table.add_row(Text(change.target), Text(change.mitigation), word(change.before), word(change.after))
    return table


def word(verdict: str | None) -> Text:
    """A verdict in its colour; a dash where a report has none."""
    return DASH if verdict is None else Text(verdict, style=STYLES.get(cast(VerdictName, verdict), ""))


def rate_changes(changes: Sequence[RateChange]) -> Table:
    """One row per rate that has become another."""
    table = titled("Rates that are others", ["mitigation", "of"], ["before", "after", "intervals"])
    table.caption = "share (k of n), 95 % interval; where intervals meet, the change may be chance"
    for change in changes:
        meet = Text("apart", style="bold") if change.apart else Text("meet", style="dim")
        table.add_row(Text(change.mitigation), Text(change.what), rate(change.before), rate(change.after), meet)
    return table


def models(listed: ModelList) -> Table:
    """The models a deployment offers."""
    table = titled("Models", ["model", "family", "pixels", "target sets", "not applicable", "digest"])
    for card in listed.data:
        sets = "\n".join(f"{named.id} ({named.size})" for named in card.target_sets)
        missing = "\n".join(f"{method.kind}: {method.reason}" for method in card.inapplicable)
        table.add_row(*map(Text, (card.id, card.family, str(card.resolution), sets, missing, card.digest[:19])))
    return table


def methods(listed: MethodList) -> Table:
    """The methods a deployment offers, with their defaults."""
    table = titled("Methods", ["method", "role", "defaults", "paper"])
    for card in listed.data:
        defaults = ", ".join(f"{name} {value}" for name, value in card.defaults.items() if name not in {"kind", "id"})
        table.add_row(*map(Text, (card.kind, card.role, defaults, card.citation)))
    return table


def audits(listed: AuditList) -> Table:
    """One page of audits."""
    table = titled("Audits", ["audit", "state", "model", "done", "outcome", "created"])
    for status in listed.data:
        created = status.created_at.strftime("%Y-%m-%d %H:%M")
        cells = (status.id, status.state, status.model, f"{status.progress:.0%}", status.outcome or "–", created)
        table.add_row(*map(Text, cells))
    return table


def target_sets(listed: UploadedSetList) -> Table:
    """One page of uploaded target sets. An id stays on its line, for it is copied."""
    table = titled("Target sets", [], ["set", "targets", "pictures"])
    for name in ("title", "created"):
        table.add_column(name, overflow="fold", min_width=len(name), no_wrap=name == "created")
    for known in listed.data:
        created = known.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(*map(Text, (known.id, str(known.count), str(known.images), known.title, created)))
    return table


def keys(listed: KeyList) -> Table:
    """Every API key, and how it stands. Its id stays on its line, for it is copied."""
    table = titled("API keys", [], ["key"])
    for name in ("name", "scopes", "created", "last used", "good"):
        table.add_column(name, overflow="fold", min_width=len(name), no_wrap=name not in ("name", "scopes"))
    for key in listed.data:
        used = key.last_used_at.strftime("%Y-%m-%d %H:%M") if key.last_used_at else "never"
        cells = (key.id, key.name, " ".join(key.scopes), key.created_at.strftime("%Y-%m-%d"), used, good(key))
        table.add_row(*map(Text, cells))
    return table


def good(key: Key) -> str:
    """Until when a key is good."""
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "yes"


def webhooks(listed: WebhookList) -> Table:
    """Every webhook, and whether it takes what it is sent."""
    table = titled("Webhooks", [], ["webhook"])
    for name in ("address", "events", "takes"):
        table.add_column(name, overflow="fold", min_width=len(name))
    for hook in listed.data:
        table.add_row(*map(Text, (hook.id, hook.url, " ".join(hook.events), taking(hook))))
    return table


def taking(hook: Webhook) -> str:
    """Since when it takes nothing, if it does not."""
    if hook.disabled_at:
        return f"disabled {hook.disabled_at:%Y-%m-%d}"
    return f"fails since {hook.failing_since:%Y-%m-%d %H:%M}" if hook.failing_since else "yes"


def deliveries(listed: DeliveryList) -> Table:
    """What a webhook was told, and what came of it."""
    table = titled("Deliveries", [], ["delivery"])
    for name in ("event", "audit", "state", "tries", "last answer"):
        table.add_column(name, overflow="fold", min_width=len(name))
    for one in listed.data:
        answer = one.error or ("" if one.status is None else str(one.status))
        table.add_row(*map(Text, (one.id, one.type, one.audit_id, one.state, str(one.tries), answer)))
    return table


def titled(title: str, names: list[str], measured: list[str] | None = None) -> Table:
    """An empty table in this project's style: names may be folded, measurements stay on their line."""
    table = Table(title=title, title_style="bold", box=SIMPLE_HEAD, show_edge=False)
    table.pad_edge, table.collapse_padding = False, True
    table.title_justify = table.caption_justify = "left"
    for name in names:
        table.add_column(name, overflow="fold", min_width=len(name))
    for column in measured or []:
        table.add_column(column, no_wrap=True, vertical="top")
    return table


def probe_ids(report: AuditReport) -> list[str]:
    """The searches of an audit, in the order the report names them."""
    named = (probe for row in report.summary.mitigations for probe in row.replication_rate.adversarial)
    return list(dict.fromkeys(named))


def search_headings(probes: list[str]) -> list[str]:
    """Two columns per search: ``+search`` where there is one, its id where there are several."""
    names = ["+search"] if len(probes) == 1 else [f"+{probe}" for probe in probes]
    return [heading for name in names for heading in (name, f"controls\n{name}")]
