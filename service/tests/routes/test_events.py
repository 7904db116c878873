"""An audit's events, as a list and as a stream, over ASGI: what comes, in what order, and when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from ledger import keys
from ledger.events import Position
from service import keyring, tailer
from service.desk import Desk
from service.tests.conftest import Bench
from service.tests.following import Listener, an_audit, end, forget, run, tell, until
from service.tests.keyed import a_key


@pytest.fixture
def app(bench: Bench) -> FastAPI:
    """The gateway, called without a server."""
    app = bench.client.app
    assert isinstance(app, FastAPI)
    return app


def desk(app: FastAPI) -> Desk:
    """Of this application."""
    found: Desk = app.state.desk
    return found


@asynccontextmanager
async def listening(
    app: FastAPI, audit_id: str, *, last: int | None = None, query: str = "", slow: bool = False, key: str | None = None
) -> AsyncIterator[Listener]:
    """A client that opens a stream, and hangs up when the context ends."""
    listener = Listener(slow=asyncio.Event() if slow else None)
    headers = [(b"accept", b"text/event-stream"), (b"host", b"127.0.0.1:8000")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    if last is not None:
        headers.append((b"last-event-id", str(last).encode()))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "path": f"/v1/audits/{audit_id}/events",
        "query_string": query.encode(),
        "headers": headers,
    }
    call = asyncio.create_task(app(scope, listener.receive, listener.send))
    try:
        yield listener
    finally:
        listener.hung_up.set()
        if listener.slow is not None:
            listener.slow.set()
        await asyncio.wait_for(call, 20)


def test_a_list_goes_on_behind_a_number(bench: Bench) -> None:
    """All events, those behind the second, none behind the last; it says where to go on and whether that is the end."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a", "b")
    address = f"/v1/audits/{audit_id}/events"
    answer = bench.client.get(address)
    assert answer.headers["Content-Type"] == "application/json"
    whole = answer.json()
    assert [event["type"] for event in whole["data"]] == ["audit.queued", "a", "b"]
    assert whole["data"][1] == {"seq": 2, "type": "a", "at": whole["data"][1]["at"], "data": {"is": "a"}}
    assert (whole["last"], whole["ended"], whole["reset"]) == (3, False, False)
    assert [event["seq"] for event in bench.client.get(address, params={"after": 2}).json()["data"]] == [3]
    end(bench.ledger, audit_id)
    assert bench.client.get(address, params={"after": 4}).json() == {
        "data": [],
        "last": 4,
        "ended": True,
        "reset": False,
    }


def test_a_long_list_has_pages(bench: Bench) -> None:
    """501 events are 500 and one."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, *["a"] * 500)
    end(bench.ledger, audit_id)
    pages = [bench.client.get(f"/v1/audits/{audit_id}/events", params={"after": after}).json() for after in (0, 500)]
    assert [len(page["data"]) for page in pages] == [500, 2]
    assert [page["ended"] for page in pages] == [False, True]


def test_a_list_whose_history_is_gone_says_so(bench: Bench) -> None:
    """Nothing is told in its place but the number to go on from; behind what is left nothing is missing."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a", "b")
    forget(bench.ledger, audit_id, 3)
    for after, told in ((0, ([], 3, True)), (2, ([3], 3, False)), (9, ([], 3, True))):
        page = bench.client.get(f"/v1/audits/{audit_id}/events", params={"after": after}).json()
        assert ([event["seq"] for event in page["data"]], page["last"], page["reset"]) == told


def test_events_of_nothing_are_not_found(bench: Bench) -> None:
    """Neither as a list nor as a stream, be it no id, no audit, or somebody else's."""
    audit_id = an_audit(bench.ledger)
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table, column in (("audits", "id"), ("units", "audit_id"), ("stages", "audit_id"), ("events", "audit_id")):
            connection.exec_driver_sql(f"UPDATE {table} SET tenant_id = 'other' WHERE {column} = '{audit_id}'")
    for name in ("x", "aud_01M8607V55EVBN8TBSARPMQB85", audit_id):
        for accept in ("application/json", "text/event-stream"):
            answer = bench.client.get(f"/v1/audits/{name}/events", headers={"Accept": accept})
            assert (answer.status_code, answer.json()["code"]) == (404, "AUDIT_NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "header"),
    [("-1", None), ("x", None), ("99999999999", None), ("0", "x"), ("0", "-1"), ("0", "9999999999")],
)
def test_a_number_is_a_number(bench: Bench, query: str, header: str | None) -> None:
    """What cannot be one is refused by name."""
    address = f"/v1/audits/{an_audit(bench.ledger)}/events"
    headers = {} if header is None else {"Last-Event-ID": header}
    answer = bench.client.get(address, params={"after": query}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_REQUEST")
    assert answer.json()["errors"][0]["field"] == ("Last-Event-ID" if header else "after")


def test_a_stream_tells_history_then_news_then_ends(bench: Bench, app: FastAPI) -> None:
    """Each event once and in order, framed as server-sent events; the last ends the audit and the stream."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.numbers == [1])
            tell(bench.ledger, audit_id, "a", "b")
            await until(lambda: listener.numbers == [1, 2, 3])
            end(bench.ledger, audit_id)
            await until(lambda: listener.over)
        assert listener.numbers == [1, 2, 3, 4]
        assert listener.status == 200
        assert listener.headers["content-type"].startswith("text/event-stream")
        assert listener.headers["x-accel-buffering"] == "no"
        assert "content-length" not in listener.headers
        second = listener.content.split(b"\n\n")[1].split(b"\n")
        assert second[0] == b"event: a"
        assert second[1].startswith(b'data: {"seq":2,"type":"a","at":"')
        assert second[2] == b"id: 2"

    run(act)


def test_a_stream_is_taken_up_by_its_last_id(bench: Bench, app: FastAPI) -> None:
    """Only what follows comes; the header goes before the query, which does as well alone."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a", "b")
    end(bench.ledger, audit_id)

    async def act() -> None:
        for options, expected in (
            ({"last": 2}, [3, 4]),
            ({"last": 3, "query": "after=1"}, [4]),
            ({"query": "after=1"}, [2, 3, 4]),
            ({}, [1, 2, 3, 4]),
        ):
            async with listening(app, audit_id, **options) as listener:
                await until(lambda: listener.over)
            assert listener.numbers == expected

    run(act)


def test_who_comes_back_behind_the_end_is_told_not_to(bench: Bench, app: FastAPI) -> None:
    """204, for a browser would come back for ever; before the end it is not."""
    audit_id = an_audit(bench.ledger)
    end(bench.ledger, audit_id)

    async def act() -> None:
        async with listening(app, audit_id, last=2) as listener:
            await until(lambda: listener.over)
        assert (listener.status, listener.content) == (204, b"")
        async with listening(app, audit_id, last=1) as listener:
            await until(lambda: listener.over)
        assert (listener.status, listener.numbers) == (200, [2])

    run(act)


@pytest.mark.parametrize("last", [0, 3, 99])
def test_a_stream_whose_history_is_gone_begins_with_the_status(bench: Bench, app: FastAPI, last: int) -> None:
    """Events 1 to 4 are gone, or the number is one of another history: a reset with the status, then what is new."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a", "b", "c", "d")
    forget(bench.ledger, audit_id, 5)

    async def act() -> None:
        async with listening(app, audit_id, last=last) as listener:
            await until(lambda: len(listener.events) == 1)
            tell(bench.ledger, audit_id, "e")
            await until(lambda: len(listener.events) == 2)
        reset, new = listener.events
        assert (reset.type, reset.seq, reset.data["reason"]) == ("reset", 5, "HISTORY_GONE")
        assert reset.data["status"]["id"] == audit_id
        assert (new.type, new.seq) == ("e", 6)

    run(act)


def test_an_ended_audit_whose_history_is_gone_ends_with_the_reset(bench: Bench, app: FastAPI) -> None:
    """Its status is the last there is to say."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, "a")
    end(bench.ledger, audit_id)
    forget(bench.ledger, audit_id, 9)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.over)
        (reset,) = listener.events
        assert (reset.seq, reset.data["status"]["state"]) == (3, "failed")

    run(act)


def test_a_slow_client_is_dropped_with_a_reset(bench: Bench, app: FastAPI) -> None:
    """It takes nothing while 300 events come; when it does, it hears what was under way, a reset, and no more."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.numbers == [1])
            listener.slow = asyncio.Event()
            tell(bench.ledger, audit_id, "a")
            await asyncio.sleep(1)
            tell(bench.ledger, audit_id, *["b"] * 300)
            await asyncio.sleep(1)
            listener.slow.set()
            await until(lambda: listener.over)
        assert listener.numbers == [1, 2, 302]
        assert (listener.events[-1].type, listener.events[-1].data["reason"]) == ("reset", "TOO_SLOW")

    run(act)


def test_a_long_history_reaches_a_slow_client_whole(bench: Bench, app: FastAPI) -> None:
    """1,200 events, and 300 more meanwhile: it is behind and not lost, for its history waits in the ledger."""
    audit_id = an_audit(bench.ledger)
    tell(bench.ledger, audit_id, *["a"] * 1199)

    async def act() -> None:
        async with listening(app, audit_id, slow=True) as listener:
            await asyncio.sleep(0.5)
            tell(bench.ledger, audit_id, *["b"] * 300)
            end(bench.ledger, audit_id)
            await asyncio.sleep(1)
            assert listener.slow is not None
            listener.slow.set()
            await until(lambda: listener.over)
        assert listener.numbers == list(range(1, 1502))

    run(act)


def test_a_client_that_hangs_up_is_forgotten_at_once(bench: Bench, app: FastAPI) -> None:
    """Not at the next event, of which there may be none; its place is free."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.numbers == [1])
        assert desk(app).tailer.followed == 0

    run(act)


def test_a_tenant_has_so_many_streams(bench: Bench, app: FastAPI) -> None:
    """One too many is 429 with Retry-After, and the others go on."""
    audit_id = an_audit(bench.ledger)
    most = bench.settings.streams_per_tenant

    async def act() -> None:
        async with listening(app, audit_id) as first:
            await until(lambda: first.numbers == [1])
            for _ in range(most - 1):
                news = await desk(app).tailer.history(Position("local", audit_id, 0))
                desk(app).tailer.follow("local", audit_id, news.mark)
            async with listening(app, audit_id) as refused:
                await until(lambda: refused.over)
            assert (refused.status, b"TOO_MANY_STREAMS" in refused.content) == (429, True)
            assert refused.headers["retry-after"] == "5"
            tell(bench.ledger, audit_id, "a")
            await until(lambda: first.numbers == [1, 2])

    run(act)


def test_streams_hold_no_connection(bench: Bench, app: FastAPI) -> None:
    """Fifty streams of one audit are open, and none of the pool's connections is taken."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        contexts = [listening(app, audit_id) for _ in range(50)]
        listeners = [await context.__aenter__() for context in contexts]
        await until(lambda: all(listener.numbers == [1] for listener in listeners))
        pool: Any = bench.ledger.engine.pool
        await until(lambda: pool.checkedout() == 0)
        tell(bench.ledger, audit_id, "a")
        await until(lambda: all(listener.numbers == [1, 2] for listener in listeners))
        for context in contexts:
            await context.__aexit__(None, None, None)

    run(act)


def test_a_quiet_stream_shows_that_it_lives(bench: Bench, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then, which is no event."""
    audit_id = an_audit(bench.ledger)
    monkeypatch.setattr(tailer, "QUIET_SECONDS", 0.05)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.content.count(b": ping\n\n") >= 2)
            assert listener.numbers == [1]

    run(act)


def test_a_stream_ends_with_its_gateway(bench: Bench, app: FastAPI) -> None:
    """In good order and before the audit: the client comes back, to another."""
    audit_id = an_audit(bench.ledger)

    async def act() -> None:
        async with listening(app, audit_id) as listener:
            await until(lambda: listener.numbers == [1])
            desk(app).let_go()
            await until(lambda: listener.over)

    run(act)


def test_a_stream_ends_when_its_key_is_revoked(bench: Bench, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next event or sign of life, which it is not told; that of another key goes on."""
    monkeypatch.setattr(keyring, "GOOD_SECONDS", 0.0)
    audit_id = an_audit(bench.ledger)
    revoked, good = a_key(bench, "audits:read"), a_key(bench, "audits:read")

    async def act() -> None:
        async with listening(app, audit_id, key=revoked.key) as ends, listening(app, audit_id, key=good.key) as goes_on:
            await until(lambda: ends.numbers == goes_on.numbers == [1])
            tell(bench.ledger, audit_id, "a")
            await until(lambda: ends.numbers == goes_on.numbers == [1, 2])
            with bench.ledger.writing() as connection:
                keys.revoke(connection, "local", revoked.id)
            tell(bench.ledger, audit_id, "b")
            await until(lambda: ends.over and goes_on.numbers == [1, 2, 3])
            assert (ends.numbers, goes_on.over) == ([1, 2], False)

    run(act)
