"""Submitting, polling, listing and cancelling, over HTTP."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from ledger import units
from ledger.stages import StagePlan, UnitPlan
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]


def test_a_new_audit_is_accepted_recorded_and_announced(bench: Bench, asked: Asked) -> None:
    """202 with Location, Retry-After and ETag; one audit, one planning unit, one message."""
    answer = bench.post(asked(labels={"release": "1.4"}))
    told = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == told["links"]["self"] == f"/v1/audits/{told['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["ETag"].startswith('W/"')
    assert told["state"] == "queued"
    assert told["labels"] == {"release": "1.4"}
    assert told["progress"] == 0
    assert [message.audit_id for message in bench.dispatch.published] == [told["id"]]
    assert bench.count("outbox") == 0


def test_the_record_holds_digests_in_place_of_images(bench: Bench, asked: Asked, picture: Callable[..., bytes]) -> None:
    """The stored request has no base64, and its blob is in the evidence store under the digest it names."""
    bench.submitted(asked())
    with bench.ledger.reading() as connection:
        recorded = connection.exec_driver_sql("SELECT request FROM audits").scalar_one()
    digest = hashlib.sha256(picture()).hexdigest()
    assert "base64" not in recorded
    assert json.loads(recorded)["targets"][0]["images"] == [{"media_type": "image/png", "sha256": digest}]
    assert bench.evidence.get("local", digest) == picture()


def test_the_same_key_and_request_are_one_audit(bench: Bench, asked: Asked) -> None:
    """A repeated POST answers 202 with the current state of the first audit and says that it is a replay."""
    first = bench.post(asked())
    bench.plan(StagePlan("report", [UnitPlan("report", {})], after=["plan"]))
    again = bench.post(asked())
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["state"] == "running"
    assert bench.count() == 1


def test_a_quoted_key_is_the_bare_key(bench: Bench, asked: Asked) -> None:
    """The draft's quoted form and the form everybody sends are the same key."""
    bench.post(asked(), key="key-0000-0000-0001")
    assert bench.post(asked(), key='"key-0000-0000-0001"').headers["Idempotent-Replayed"] == "true"


def test_a_key_used_for_another_request_is_refused(bench: Bench, asked: Asked) -> None:
    """Even a label makes it another request; nothing is recorded for the second."""
    bench.post(asked())
    answer = bench.post(asked(labels={"a": "b"}))
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert bench.count() == 1


def test_a_key_is_required(bench: Bench, asked: Asked) -> None:
    """Without it the answer is 400, whatever the body."""
    answer = bench.client.post("/v1/audits", json=asked())
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_MISSING")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_has_a_form(bench: Bench, asked: Asked) -> None:
    """Too short, too long, half quoted and odd characters are refused."""
    for key in ("short", "x" * 256, '"key-0000-0000-0001', "key 0000 0000 0001"):
        answer = bench.post(asked(), key=key)
        assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID"), key
    assert bench.count() == 0


def test_an_equal_request_is_answered_by_the_audit_that_succeeded(bench: Bench, asked: Asked) -> None:
    """Another key and other labels get 200 and the finished audit; force_new gets a new one."""
    first = bench.submitted(asked())
    bench.conclude(b"{}")
    reused = bench.post(asked(labels={"run": "2"}), key="key-0000-0000-0002")
    assert (reused.status_code, reused.json()["id"], reused.json()["state"]) == (200, first, "succeeded")
    assert "Retry-After" not in reused.headers
    forced = bench.post(asked(force_new=True), key="key-0000-0000-0003")
    assert forced.status_code == 202
    assert forced.json()["id"] != first


def test_new_weights_under_an_old_name_are_audited_anew(bench: Bench, asked: Asked) -> None:
    """A finished audit does not answer for a model of the same id with another digest, nor for another engine."""
    bench.submitted(asked())
    bench.conclude(b"{}")
    bench.publish(digest="f" * 64)
    assert bench.post(asked(), key="key-0000-0000-0002").status_code == 202
    bench.publish(engine="engine-2")
    assert bench.post(asked(), key="key-0000-0000-0003").status_code == 202


def test_a_broken_broker_does_not_refuse_an_audit(bench: Bench, asked: Asked) -> None:
    """The audit is accepted and its message stays in the outbox."""
    bench.dispatch.broken = True
    bench.submitted(asked())
    assert bench.count("outbox") == 1


def test_an_unchanged_audit_costs_no_body(bench: Bench, asked: Asked) -> None:
    """If-None-Match answers 304 with Retry-After until the revision changes."""
    audit = bench.submitted(asked())
    address = f"/v1/audits/{audit}"
    first = bench.client.get(address)
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = bench.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Retry-After"].isdecimal()
    bench.plan(StagePlan("report", [UnitPlan("report", {})], after=["plan"]))
    assert bench.client.get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_an_unchanged_audit_costs_one_read(bench: Bench, asked: Asked) -> None:
    """A poll with the current ETag asks the database one thing, by primary key; so does a repeated one without."""
    address = f"/v1/audits/{bench.submitted(asked())}"
    tag = bench.client.get(address).headers["ETag"]
    seen: list[str] = []

    def note(*context: object) -> None:
        seen.extend(statement for statement in [str(context[2])] if "SELECT" in statement)

    event.listen(bench.ledger.engine, "before_cursor_execute", note)
    for headers in ({"If-None-Match": tag}, {}):
        bench.client.get(address, headers=headers)
    assert len(seen) == 2
    assert all("units" not in statement and "request" not in statement for statement in seen)


def test_a_poll_can_wait_for_news(bench: Bench, asked: Asked) -> None:
    """With the current ETag it is held back until the revision changes; the answer is 200 and says that it was held."""
    address = f"/v1/audits/{bench.submitted(asked())}"
    tag = bench.client.get(address).headers["ETag"]
    later = threading.Timer(0.5, lambda: bench.plan(StagePlan("report", [UnitPlan("report", {})], after=["plan"])))
    later.start()
    began = time.monotonic()
    answer = bench.client.get(address, headers={"If-None-Match": tag, "Prefer": "wait=20"})
    later.join()
    assert 0.4 < time.monotonic() - began < 15
    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["ETag"] != tag


def test_a_poll_waits_no_longer_than_it_would(bench: Bench, asked: Asked) -> None:
    """Without news it is 304 when the time is over, or 200 to who had no ETag."""
    address = f"/v1/audits/{bench.submitted(asked())}"
    tag = bench.client.get(address).headers["ETag"]
    for headers, status in (({"If-None-Match": tag}, 304), ({}, 200)):
        began = time.monotonic()
        answer = bench.client.get(address, headers={**headers, "Prefer": "wait=1"})
        assert time.monotonic() - began >= 1
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (status, "wait=1")


def test_a_poll_does_not_wait_for_what_it_does_not_know(bench: Bench, asked: Asked) -> None:
    """An old ETag, and any poll of an audit that has ended, are answered at once, and nothing says they were held."""
    audit = bench.submitted(asked())
    address = f"/v1/audits/{audit}"
    old = bench.client.get(address).headers["ETag"]
    bench.conclude(b"{}")
    current = bench.client.get(address).headers["ETag"]
    began = time.monotonic()
    for tag, status in ((old, 200), (current, 304)):
        answer = bench.client.get(address, headers={"If-None-Match": tag, "Prefer": "wait=30"})
        assert (answer.status_code, answer.headers.get("Preference-Applied")) == (status, None)
    assert time.monotonic() - began < 10


def test_progress_counts_the_work_not_the_planning(bench: Bench, asked: Asked) -> None:
    """After planning nothing is done; with one of two units done it is a half; at the end it is 1."""
    audit = bench.submitted(asked())
    work = StagePlan("baseline", [UnitPlan("baseline", {}), UnitPlan("baseline", {})], after=["plan"])
    bench.plan(work)
    assert bench.client.get(f"/v1/audits/{audit}").json()["progress"] == 0
    ticket = bench.claim(bench.ring()[-1])
    with bench.ledger.writing() as connection:
        units.finish(connection, ticket, {}, [])
    told = bench.client.get(f"/v1/audits/{audit}").json()
    assert told["progress"] == 0.5
    assert told["stages"][1] == {"stage": "baseline", "done": 1, "failed": 0, "total": 2, "fraction": 0.5}


def test_an_unknown_audit_is_not_found(bench: Bench) -> None:
    """Ids of no audit, and what is no id at all, are the same 404."""
    for audit in ("aud_01M8607V55EVBN8TBSARPMQB85", "x", "%00", "aud_" + "é" * 26):
        for method, address in (("GET", ""), ("GET", "/report"), ("POST", "/cancel")):
            answer = bench.client.request(method, f"/v1/audits/{audit}{address}")
            assert (answer.status_code, answer.json()["code"]) == (404, "AUDIT_NOT_FOUND"), (audit, address)


def test_another_tenants_audit_is_not_found(bench: Bench, asked: Asked) -> None:
    """Whoever asks sees their own audits alone."""
    audit = bench.submitted(asked())
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table, column in (("audits", "id"), ("units", "audit_id"), ("stages", "audit_id"), ("events", "audit_id")):
            connection.exec_driver_sql(f"UPDATE {table} SET tenant_id = 'other' WHERE {column} = '{audit}'")
    assert bench.client.get(f"/v1/audits/{audit}").status_code == 404
    assert bench.client.get("/v1/audits").json()["data"] == []


def test_a_listing_goes_on_where_the_page_ended(bench: Bench, asked: Asked) -> None:
    """Newest first, no audit twice and none left out, and a null cursor at the end."""
    made = [bench.submitted(asked(seed=seed), key=f"key-0000-0000-000{seed}") for seed in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = bench.client.get("/v1/audits", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [told["id"] for told in page["data"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    assert cursor is None


def test_a_listing_can_be_narrowed(bench: Bench, asked: Asked) -> None:
    """By state and by model; a cursor of one listing is refused in another."""
    for seed in range(3):
        bench.submitted(asked(seed=seed), key=f"key-0000-0000-000{seed}")
    bench.fail("METHOD_FAILED")
    queued = bench.client.get("/v1/audits", params={"state": "queued", "limit": 1}).json()
    assert [told["state"] for told in queued["data"]] == ["queued"]
    assert len(bench.client.get("/v1/audits", params={"state": "failed"}).json()["data"]) == 1
    assert bench.client.get("/v1/audits", params={"model": "other"}).json()["data"] == []
    elsewhere = bench.client.get("/v1/audits", params={"state": "failed", "cursor": queued["next_cursor"]})
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["field"]) == (422, "cursor")


def test_a_listing_can_be_of_labels(bench: Bench, asked: Asked) -> None:
    """Each audit bears all that are asked for; a cursor is good for the same labels in whatever order."""
    for seed, labels in enumerate(({"a": "1", "b": "x:y"}, {"a": "1"}, {"a": "1", "b": "x:y"}, {"a": "2"})):
        bench.submitted(asked(seed=seed, labels=labels), key=f"key-0000-0000-000{seed}")

    def page(*labels: str, **more: Any) -> Any:
        return bench.client.get("/v1/audits", params={"label": list(labels), **more}).json()

    assert [told["labels"] for told in page("b:x:y", "a:1")["data"]] == [{"a": "1", "b": "x:y"}] * 2
    assert len(page("a:1")["data"]) == 3
    assert page("a:1", "a:2")["data"] == []
    first = page("b:x:y", "a:1", limit=1)
    assert len(page("a:1", "b:x:y", cursor=first["next_cursor"])["data"]) == 1
    assert page("a:1", cursor=first["next_cursor"])["code"] == "MALFORMED_REQUEST"


def test_a_submission_can_be_only_checked(bench: Bench, asked: Asked) -> None:
    """200 and what would be audited; nothing is recorded, kept or announced, and the key is not used up."""
    answer = bench.post(asked(control_set="bundled:controls"), query="?validate_only=true")
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "bundled",
        "model_digest": "d" * 64,
        "engine": "engine-1",
        "targets": 1,
        "controls": 8,
    }
    assert (bench.count(), bench.count("outbox"), bench.count("idempotency")) == (0, 0, 0)
    assert (bench.dispatch.published, bench.evidence.root.exists()) == ([], False)
    assert bench.post(asked(seed=1)).status_code == 202


def test_what_would_be_refused_is_refused_when_only_checked(bench: Bench, asked: Asked) -> None:
    """A wrong field, an unknown model, a broken picture, no key: as a submission would be."""
    broken = [{"prompt": "x", "images": [{"media_type": "image/png", "base64": "QUJD"}]}]
    for changes in ({"sede": 1}, {"model": "unknown"}, {"targets": broken}):
        checked, submitted = (bench.post(asked(**changes), query=query) for query in ("?validate_only=true", ""))
        assert (checked.status_code, checked.json()["code"]) == (submitted.status_code, submitted.json()["code"])
        assert checked.json()["errors"] == submitted.json()["errors"]
    without = bench.client.post("/v1/audits?validate_only=true", json=asked())
    assert without.json()["code"] == "IDEMPOTENCY_KEY_MISSING"


def test_a_listing_has_bounds(bench: Bench) -> None:
    """Limits out of bounds, unknown states and foreign cursors are refused by name."""
    for query, field in (
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"state": "sleeping"}, "state"),
        ({"cursor": "bm9wZQ"}, "cursor"),
        ({"cursor": "WzEsIDJd"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"model": "\0"}, "model"),
        ({"label": "a"}, "label.0"),
        ({"label": ":x"}, "label.0"),
        ({"label": "a:" + "x" * 257}, "label.0"),
    ):
        answer = bench.client.get("/v1/audits", params=query)
        told = (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["field"])
        assert told == (422, "MALFORMED_REQUEST", field)


def test_cancelling_is_asked_for_and_takes_a_while(bench: Bench, asked: Asked) -> None:
    """202 and cancelling, twice over; the unit that writes the partial report is announced."""
    audit = bench.submitted(asked())
    for _ in range(2):
        answer = bench.client.post(f"/v1/audits/{audit}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    assert len(bench.dispatch.published) == 2


def test_an_audit_that_has_ended_cannot_be_cancelled(bench: Bench, asked: Asked) -> None:
    """409, with the word to SDKs that repeating it is of no use."""
    audit = bench.submitted(asked())
    bench.conclude(b"{}")
    answer = bench.client.post(f"/v1/audits/{audit}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "AUDIT_ALREADY_TERMINAL")
    assert answer.headers["x-should-retry"] == "false"
