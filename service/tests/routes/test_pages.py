"""The list of audits and an audit's page, as HTML."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.stages import StagePlan, UnitPlan
from palimpsest.contract.status import Waiting
from palimpsest.tests.example import a_report, a_status
from palimpsest.tests.renderings.keys import KEY
from service.pages.making import shown, waits
from service.renderer import Renderer
from service.tests.conftest import Bench
from service.tests.keyed import a_key, ask

Asked = Callable[..., dict[str, Any]]
ENEMY = "\"'><script>alert(1)</script>"
ESCAPED = "&#34;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def page(bench: Bench, path: str) -> str:
    """A page that is there."""
    answer = bench.client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return str(answer.text)


def test_every_page_says_what_a_browser_may_do_with_it(bench: Bench, asked: Asked) -> None:
    """One style sheet and one script by their digests, nobody's frame, no cache of others, no guessing of types."""
    audit_id = bench.submitted(asked())
    for path in ("/", f"/audits/{audit_id}"):
        headers = bench.client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-")
        assert "script-src 'sha256-" in policy
        assert policy.endswith("connect-src 'self'; frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "private, no-cache"


def test_what_was_sent_is_text(bench: Bench, asked: Asked) -> None:
    """A label that would end its element is told, escaped, and there is no script but ours."""
    audit_id = bench.submitted(asked(labels={"for": ENEMY}))
    for path in ("/", f"/audits/{audit_id}"):
        told = page(bench, path)
        assert ESCAPED in told
        assert ENEMY not in told
        assert told.count("<script") == 1


def test_the_list_is_newest_first_and_by_state(bench: Bench, asked: Asked) -> None:
    """Fifty on a page, a link to the older ones, and another for every state."""
    ids = [bench.submitted(asked(seed=n), f"key-0000-0000-{n:04}") for n in range(51)]
    told = page(bench, "/")
    assert f"/audits/{ids[0]}" not in told
    assert told.index(ids[50]) < told.index(ids[49]) < told.index(ids[1])
    older = told.partition('<a href="/?cursor=')[2].partition('"')[0]
    last = page(bench, f"/?cursor={older}")
    assert f"/audits/{ids[0]}" in last
    assert "Older audits" not in last
    assert ids[50] in page(bench, "/?state=queued")
    assert "There are no running audits." in page(bench, "/?state=running")
    assert bench.client.get("/?state=nonsense").status_code == 422


def test_an_audit_is_told_as_it_stands(bench: Bench, asked: Asked) -> None:
    """How much is done, stage by stage, and what is said to where; then its report, and nothing left to follow."""
    audit_id = bench.submitted(asked())
    address = f"/audits/{audit_id}"
    told = page(bench, address)
    assert f'data-events="/v1/audits/{audit_id}/events"' in told
    assert "Read the report" not in told
    bench.plan(StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["plan"]))
    assert '<th scope="row">report</th>' in page(bench, address)
    bench.write_report(a_report().model_dump_json().encode())
    told = page(bench, address)
    assert "The audit has ended: finding." in told
    assert " data-ended>" in told
    assert f'href="/v1/audits/{audit_id}/report?format=html"' in told


def test_an_audit_that_failed_says_why(bench: Bench, asked: Asked) -> None:
    """With its code, and no way to a report that there is not."""
    audit_id = bench.submitted(asked())
    bench.fail("MODEL_CHANGED")
    told = page(bench, f"/audits/{audit_id}")
    assert "The audit has failed (MODEL_CHANGED)." in told
    assert "Read the report" not in told


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (None, ""),
        (Waiting(reason="NO_WORKER", family=None, engine=None, position=None), "no worker is there"),
        (Waiting(reason="NO_WORKER_FOR_FAMILY", family="sd", engine=None, position=None), "of the family sd"),
        (Waiting(reason="ENGINE_GONE", family=None, engine="e1", position=None), "the engine that began it (e1)"),
        (Waiting(reason="QUEUED", family=None, engine=None, position=3), "3 other audits go first"),
    ],
)
def test_why_an_audit_waits_is_a_sentence(waiting: Waiting | None, told: str) -> None:
    """For every reason there is."""
    assert told in waits(waiting)
    assert shown(a_status(waiting=waiting), None).waits == waits(waiting)


def test_a_browser_is_asked_for_a_key_and_others_are_not(bench: Bench) -> None:
    """Basic is offered beside Bearer to whoever looks at a page, and to what our own pages ask for."""
    a_key(bench)
    offered = 'Bearer realm="palimpsest", Basic realm="palimpsest", charset="UTF-8"'
    for headers in (BROWSER, {"Sec-Fetch-Site": "same-origin"}):
        answer = ask(bench, None, "/", headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, offered)
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}):
        assert "Basic" not in ask(bench, None, "/", headers=headers).headers["WWW-Authenticate"]


def test_the_report_is_a_page_for_a_browser(bench: Bench, asked: Asked) -> None:
    """By its name or because it is looked at; shown, under a policy, and not offered as a file to keep."""
    audit_id = bench.submitted(asked())
    bench.conclude(a_report().model_dump_json().encode())
    Renderer(bench.ledger, bench.evidence, KEY, limit=2**20).render()
    address = f"/v1/audits/{audit_id}/report"
    by_name = bench.client.get(address, params={"format": "html"})
    looked_at = bench.client.get(address, headers=BROWSER)
    assert by_name.content == looked_at.content
    assert by_name.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Disposition" not in by_name.headers
    assert by_name.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "script-src" not in by_name.headers["Content-Security-Policy"]
    assert by_name.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert bench.client.get(address).headers["Content-Type"] == "application/json"
