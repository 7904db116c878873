"""An audit whose report names pictures that were kept, one of whose targets is called and captioned by an enemy."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

from ledger import units
from ledger.stages import StagePlan, UnitPlan
from ledger.units import Conclusion
from palimpsest.contract.report import AuditReport, Replication, Verdict
from palimpsest.tests.example import a_report
from palimpsest.tests.renderings.keys import KEY
from service.renderer import Renderer
from service.tests.conftest import Bench

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> \u202egnp"
ID = "owl"
COLORS = {"target": "#b5542b", "copies": "#b05a30", "others": "#3f6f8f", "back": "#a8602f"}


def drawn(what: str, pictures: int = 4) -> bytes:
    """Pictures side by side: a disc on a ground, which stands for anything."""
    strip = Image.new("RGB", (64 * pictures, 64), "#e9e2d0")
    pen = ImageDraw.Draw(strip)
    for n in range(pictures):
        pen.ellipse((64 * n + 10 + 2 * n, 12, 64 * n + 50 + 2 * n, 52), fill=COLORS[what])
    file = BytesIO()
    strip.save(file, "PNG")
    return file.getvalue()


STRIPS = {what: drawn(what) for what in ("copies", "others", "back")}
DIGESTS = {what: hashlib.sha256(content).hexdigest() for what, content in STRIPS.items()}


def pictured(seen: Replication, what: str) -> Replication:
    """The same answer, whose pictures are kept."""
    return seen.model_copy(update={"images": [DIGESTS[what]]})


def shown(verdict: Verdict) -> Verdict:
    """The same verdict with pictures everywhere."""
    before = verdict.before.model_copy(
        update={
            "prompt": pictured(verdict.before.prompt, "copies") if verdict.before.prompt else None,
            "adversarial": {name: pictured(seen, "back") for name, seen in verdict.before.adversarial.items()},
        }
    )
    prompt = verdict.prompt and pictured(verdict.prompt, "copies" if verdict.prompt.replicates else "others")
    searched = {
        name: pictured(seen, "back" if seen.replicates else "others") for name, seen in verdict.adversarial.items()
    }
    target = HOSTILE if verdict.target_id == "fox" else ID
    return verdict.model_copy(update={"before": before, "prompt": prompt, "adversarial": searched, "target_id": target})


def a_pictured_report(target_digest: str) -> AuditReport:
    """The example, with pictures, with a curve of five looks, and with words of an enemy wherever words may be."""
    report = a_report()
    targets = [
        {"id": ID, "prompt": "a watchful owl", "images": [{"sha256": target_digest, "media_type": "image/png"}]},
        {"id": HOSTILE, "prompt": HOSTILE, "images": []},
    ]
    rows = []
    for row in report.summary.mitigations:
        [(probe, [last])] = row.recovery_curve.items()
        none = last.controls
        looks = [
            last.model_copy(update={"step": step, "targets": none if step < 25 else last.targets})
            for step in (5, 10, 25, 35, 50)
        ]
        rows.append(row.model_copy(update={"recovery_curve": {probe: looks}}))
    changes: dict[str, Any] = {
        "verdicts": [shown(verdict) for verdict in report.verdicts],
        "request": report.request | {"targets": targets},
        "summary": report.summary.model_copy(update={"mitigations": rows}),
        "limitations": [*report.limitations, HOSTILE],
    }
    return report.model_copy(update=changes)


def audited(bench: Bench, asked: Callable[..., dict[str, Any]], inline: Callable[..., dict[str, str]]) -> str:
    """The id of an audit that has ended, was rendered, and keeps its pictures."""
    target = drawn("target", 1)
    body = asked(
        targets=[{"id": ID, "prompt": "a watchful owl", "images": [inline(target)]}], labels={"for": HOSTILE[:60]}
    )
    audit_id = bench.submitted(body)
    bench.plan(StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["plan"]))
    ticket = bench.claim(bench.ring()[-1])
    with bench.ledger.reading() as connection:
        [digest] = connection.exec_driver_sql("SELECT digest FROM evidence WHERE kind = 'target_image'").scalars()
    report = a_pictured_report(digest).model_dump_json().encode()
    pictures = [
        bench.evidence.put("local", content, name=f"{what}.png", kind="image", media_type="image/png")
        for what, content in STRIPS.items()
    ]
    kept = bench.evidence.put("local", report, name="report", kind="report", media_type="application/json")
    with bench.ledger.writing() as connection:
        conclusion = Conclusion(outcome="finding", result_digest="e" * 64, report_digest=kept.digest)
        units.finish(connection, ticket, {}, [kept, *pictures], conclusion=conclusion)
    Renderer(bench.ledger, bench.evidence, KEY, limit=2**20).render()
    return audit_id
