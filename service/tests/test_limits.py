"""Rates by hand: what is left is told, what is too much is refused, and nobody pays for somebody else."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.limits import MOST_KEPT, Limits, Policy, RateLimited
from service.settings import Settings
from service.tests.conftest import Bench, on_this_machine
from service.tests.keyed import a_key, ask, bearing


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def limits(clock: Clock, **settings: Any) -> Limits:
    """With these settings."""
    return Limits(Settings(**{"rate_seconds": 60, "rate_of_key": 6, "rate_of_tenant": 9, **settings}), clock=clock)


def refused(given: Limits, tenant: str, key: str) -> RateLimited:
    """How this request is refused."""
    with pytest.raises(RateLimited) as caught:
        given.take(tenant, key)
    return caught.value


def test_a_bucket_by_hand() -> None:
    """6 in 60 s: six at once, the seventh refused; 10 s later one more; and after a long rest six again, not more."""
    policy = Policy("key", 6, 60)
    assert [policy.take("a", 0.0).remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    seventh = policy.take("a", 0.0)
    assert (seventh.taken, seventh.remaining) == (False, 0)
    assert 10 <= seventh.seconds <= 11
    assert policy.take("a", 10.0).taken
    assert not policy.take("a", 10.0).taken
    assert [policy.take("a", 1e6).taken for _ in range(7)] == [True] * 6 + [False]


def test_what_is_left_may_be_spread_over_the_time_that_is_told() -> None:
    """After one of 6 in 60 s: five, and full again in 10 s; asking so, nobody is refused."""
    policy = Policy("key", 6, 60)
    left = policy.take("a", 0.0)
    assert (left.told, left.seconds) == ('"key";r=5;t=10', 10)
    assert all(policy.take("a", 10.0 + n * left.seconds / left.remaining).taken for n in range(5))


def test_one_key_does_not_use_up_anothers_and_all_share_the_tenants() -> None:
    """Six and three are the tenant's nine: then both are refused, each by the policy that is at fault."""
    clock = Clock()
    given = limits(clock)
    for key in "aaaaaabbb":
        told = given.take("acme", key)
    assert told["RateLimit-Policy"] == '"key";q=6;w=60, "tenant";q=9;w=60'
    assert told["RateLimit"] == '"key";r=3;t=30, "tenant";r=0;t=60'
    assert '"key";r=0' in refused(given, "acme", "a").headers["RateLimit"]
    assert '"tenant";r=0' in refused(given, "acme", "b").headers["RateLimit"]
    assert given.take("other", "c")["RateLimit"] == '"key";r=5;t=10, "tenant";r=8;t=7'


def test_what_the_tenant_is_refused_the_key_does_not_pay_for() -> None:
    """b has three left before and after a hundred refusals."""
    clock = Clock()
    given = limits(clock)
    for key in "aaaaaabbb":
        given.take("acme", key)
    for _ in range(100):
        refused(given, "acme", "b")
    clock.now = 60 / 9
    assert given.take("acme", "b")["RateLimit"].startswith('"key";r=2;')


def test_a_gateway_gives_out_its_share() -> None:
    """Three gateways: two and three at a time each; a share is never less than one request."""
    given = limits(Clock(), gateways=3)
    assert given.take("acme", "a")["RateLimit-Policy"] == '"key";q=2;w=60, "tenant";q=3;w=60'
    given.take("acme", "a")
    refused(given, "acme", "a")
    assert limits(Clock(), gateways=1000).take("acme", "a")["RateLimit"] == '"key";r=0;t=60, "tenant";r=0;t=60'


def test_no_limit_is_a_limit_of_zero() -> None:
    """And nothing is told of it."""
    given = limits(Clock(), rate_of_key=0, rate_of_tenant=0)
    assert [given.take("acme", "a") for _ in range(50)] == [{}] * 50
    assert limits(Clock(), rate_of_key=0).take("acme", "a")["RateLimit-Policy"] == '"tenant";q=9;w=60'


def test_what_is_kept_is_bounded() -> None:
    """The bucket used longest ago is forgotten, and is full."""
    policy = Policy("key", 2, 60)
    policy.take("first", 0.0)
    for number in range(MOST_KEPT):
        policy.take(str(number), 0.0)
    assert policy.take("first", 0.0).remaining == 1


@pytest.fixture
def strict(bench: Bench) -> TestClient:
    """A gateway on the bench's ledger that takes five requests of a key in a minute."""
    settings = bench.settings.model_copy(update={"rate_of_key": 5})
    app = create_app(settings, ledger=bench.ledger, evidence=bench.evidence, dispatch=bench.dispatch)
    return on_this_machine(app)


def test_an_answer_says_what_is_left_and_a_refusal_when_to_come_back(bench: Bench, strict: TestClient) -> None:
    """On reads, lists and refusals alike, by whichever key of the two is asked with; 429 has its code."""
    key, other = a_key(bench), a_key(bench)
    paths = ["/v1/audits", "/v1/models", "/v1/audits/aud_" + "0" * 26, "/v1/admin/keys", "/v1/audits?limit=0"]
    answers = [strict.get(path, headers=bearing(key)) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200, 422]
    left = [re.match(r'"key";r=(\d+);t=\d+, "tenant";r=\d+;t=\d+$', answer.headers["RateLimit"]) for answer in answers]
    assert [match and match[1] for match in left] == ["4", "3", "2", "1", "0"]
    refusal = strict.get("/v1/audits", headers=bearing(key))
    assert (refusal.status_code, refusal.json()["code"]) == (429, "RATE_LIMITED")
    assert 12 <= int(refusal.headers["Retry-After"]) <= 14
    assert refusal.headers["RateLimit"] == f'"key";r=0;t={refusal.headers["Retry-After"]}'
    assert refusal.headers["RateLimit-Policy"] == '"key";q=5;w=60, "tenant";q=12000;w=60'
    assert strict.get("/v1/audits", headers=bearing(other)).status_code == 200


def test_what_asks_nobody_is_not_limited(bench: Bench, strict: TestClient) -> None:
    """Nor is this machine while there is no key: twenty times without a word of limits."""
    for path in ("/healthz", "/v1/audits"):
        answers = [strict.get(path) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert not any("RateLimit" in answer.headers for answer in answers)


def test_a_poll_that_is_held_back_is_one_request(bench: Bench, strict: TestClient, asked: Any) -> None:
    """Its key is looked at twice, and counted once."""
    audit_id = bench.submitted(asked())
    key = a_key(bench)
    first = strict.get(f"/v1/audits/{audit_id}", headers=bearing(key))
    known = {"If-None-Match": first.headers["ETag"], "Prefer": "wait=1"}
    held = strict.get(f"/v1/audits/{audit_id}", headers={**bearing(key), **known})
    assert held.headers["RateLimit"].startswith('"key";r=3;')


def test_a_bad_key_is_not_told_of_limits(bench: Bench) -> None:
    """Whoever is nobody has no bucket."""
    a_key(bench)
    answer = ask(bench, "pal_nonsense")
    assert (answer.status_code, "RateLimit" in answer.headers) == (401, False)
