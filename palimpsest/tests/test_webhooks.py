"""Webhooks made and looked after by both clients and by the command line, over real HTTP."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from palimpsest.client import AsyncAuditClient, AuditClient
from palimpsest.commands import app
from palimpsest.contract.problems import Code
from palimpsest.contract.webhooks import EVENT_TYPES, Delivery, DeliveryList, IssuedWebhook, Webhook, WebhookList
from palimpsest.errors import Unreachable
from palimpsest.tests.example import a_problem
from palimpsest.tests.gateway import Gateway, Said, saying

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOOKS, HOOK = "/v1/webhooks", "/v1/webhooks/whk_1"
URL, SECRET = "https://a.example/hook", "whsec_" + "s" * 44


def a_hook(**changes: Any) -> Webhook:
    """One that takes what it is sent."""
    plain = {"id": "whk_1", "url": URL, "events": ["audit.failed"], "created_at": AT}
    times = {"former_secret_until": None, "failing_since": None, "disabled_at": None}
    return Webhook.model_validate({**plain, **times, **changes})


MADE = IssuedWebhook(secret=SECRET, **a_hook().model_dump())
LISTED = WebhookList(data=[a_hook(), a_hook(id="whk_2", failing_since=AT), a_hook(id="whk_3", disabled_at=AT)])
WAITING = Delivery(
    id="msg_1",
    webhook_id="whk_1",
    audit_id="aud_1",
    type="audit.failed",
    state="waiting",
    tries=2,
    created_at=AT,
    tried_at=AT,
    next_try_at=AT,
    status=None,
    error="timeout",
)
TOLD = DeliveryList(data=[WAITING], next_before="msg_1")


def blocking(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the blocking client makes of it."""
    with AuditClient(gateway.url, api_key="mine") as client:
        return act(client.webhooks)


def awaiting(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the awaiting client makes of it."""

    async def acted() -> Any:
        async with AsyncAuditClient(gateway.url, api_key="mine") as client:
            return await act(client.webhooks)

    return asyncio.run(acted())


@pytest.fixture
def scripted(gateway: Gateway) -> Gateway:
    """A service that has a webhook."""
    gateway.will_say(f"POST {HOOKS}", saying(MADE, 201))
    gateway.will_say(f"GET {HOOKS}", saying(LISTED))
    gateway.will_say(f"POST {HOOK}/rotate", saying(MADE))
    gateway.will_say(f"DELETE {HOOK}", saying(a_hook()))
    gateway.will_say(f"GET {HOOK}/deliveries", saying(TOLD))
    gateway.will_say(f"GET {HOOK}/deliveries?before=msg_1", saying(DeliveryList(data=[], next_before=None)))
    gateway.will_say(f"POST {HOOK}/deliveries/msg_1/replay", saying(WAITING, 202))
    return gateway


@pytest.mark.parametrize("acting", [blocking, awaiting])
def test_both_clients_look_after_webhooks(scripted: Gateway, acting: Callable[..., Any]) -> None:
    """Every call once; without events all are asked for, and a page goes on where the last one ended."""
    assert acting(scripted, lambda hooks: hooks.create(URL)) == MADE
    assert acting(scripted, lambda hooks: hooks.create(URL, ["audit.failed"])) == MADE
    assert acting(scripted, lambda hooks: hooks.list()) == LISTED
    assert acting(scripted, lambda hooks: hooks.rotate("whk_1")) == MADE
    assert acting(scripted, lambda hooks: hooks.deliveries("whk_1")) == TOLD
    assert acting(scripted, lambda hooks: hooks.deliveries("whk_1", before="msg_1")).data == []
    assert acting(scripted, lambda hooks: hooks.replay("whk_1", "msg_1")) == WAITING
    assert acting(scripted, lambda hooks: hooks.remove("whk_1")) == a_hook()
    assert [json.loads(heard.body) for heard in scripted.heard if heard.body] == [
        {"url": URL, "events": list(EVENT_TYPES)},
        {"url": URL, "events": ["audit.failed"]},
    ]


@pytest.mark.parametrize("act", [lambda hooks: hooks.create(URL), lambda hooks: hooks.rotate("whk_1")])
def test_a_secret_is_asked_for_once(gateway: Gateway, act: Callable[[Any], Any]) -> None:
    """Where the answer was lost a second call would make another."""
    gateway.will_say(f"POST {HOOKS}", Said(503))
    gateway.will_say(f"POST {HOOK}/rotate", Said(503))
    with pytest.raises(Unreachable):
        blocking(gateway, act)
    assert len(gateway.heard) == 1


def invoke(gateway: Gateway, *arguments: str) -> Result:
    """The command line."""
    told = {"PALIMPSEST_URL": gateway.url, "PALIMPSEST_API_KEY": "mine", "COLUMNS": "160"}
    return CliRunner().invoke(app, ["admin", "webhooks", *arguments], env=told)


def test_create_prints_the_secret_and_nothing_else(scripted: Gateway) -> None:
    """On stdout; what it is, on stderr. So does rotate."""
    made = invoke(scripted, "create", URL, "--event", "audit.failed")
    assert (made.exit_code, made.stdout.strip()) == (0, SECRET)
    assert "whk_1" in made.stderr
    assert invoke(scripted, "rotate", "whk_1").stdout.strip() == SECRET


def test_lists_show_how_things_stand(scripted: Gateway) -> None:
    """Which webhook fails and since when; which delivery waits and why; never a secret."""
    listed = invoke(scripted, "list").stdout
    assert "fails since 2026-01-02 03:04" in listed
    assert "disabled 2026-01-02" in listed
    told = invoke(scripted, "deliveries", "whk_1").stdout
    assert all(word in told for word in ("msg_1", "waiting", "timeout"))
    assert SECRET not in listed + told


def test_remove_and_replay_say_what_they_did(scripted: Gateway) -> None:
    """By id."""
    assert invoke(scripted, "remove", "whk_1").stdout.strip() == "webhook whk_1 removed"
    assert invoke(scripted, "replay", "whk_1", "msg_1").stdout.strip() == "delivery msg_1 will be told again"


@pytest.mark.parametrize("wrong", [[URL, "--event", "audit.begun"], [""], ["https://ä.example/"]])
def test_what_cannot_be_a_webhook_is_not_asked_for(scripted: Gateway, wrong: list[str]) -> None:
    """4, wrong usage."""
    assert invoke(scripted, "create", *wrong).exit_code == 4
    assert scripted.heard == []


def test_a_refusal_is_the_services(gateway: Gateway) -> None:
    """With its code and its exit code."""
    gateway.will_say(f"POST {HOOKS}", saying(a_problem(422, Code.WEBHOOK_URL_REFUSED), 422))
    refused = invoke(gateway, "create", "https://10.0.0.1/")
    assert refused.exit_code != 0
    assert "WEBHOOK_URL_REFUSED" in refused.stderr
