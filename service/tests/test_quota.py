"""Quotas as a pipeline meets them, and as whoever runs the service sets them."""

from collections.abc import Callable
from typing import Any

import pytest

from service.quota import main
from service.tests.conftest import Bench
from service.tests.keyed import a_key, bearing

Asked = Callable[..., dict[str, Any]]


def post(bench: Bench, headers: dict[str, str], asked: Asked, number: int, targets: int = 1) -> Any:
    """One submission of so many targets, unlike any other."""
    images = asked()["targets"][0]["images"]
    listed = [{"id": f"cat-{n}", "prompt": f"cat {number}.{n}", "images": images} for n in range(targets)]
    body = asked(targets=listed, seed=number)
    return bench.post(body, f"key-0000-0000-{number:04}", **headers)


@pytest.fixture
def ran(bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs ``python -m service.quota`` on the bench's ledger; what it prints."""
    monkeypatch.setenv("PALIMPSEST_HOME", str(bench.settings.home))

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out.strip()

    return run


def test_a_full_quota_is_told_and_waits_for_an_end(bench: Bench, asked: Asked, ran: Callable[..., str]) -> None:
    """Two audits of two: 429 with the quota's name, when to come back, and nothing written; then one is cancelled."""
    ran("local", "--audits", "2")
    key = bearing(a_key(bench))
    opened = [post(bench, key, asked, number) for number in (1, 2)]
    assert [answer.status_code for answer in opened] == [202, 202], opened[0].text
    refusal = post(bench, key, asked, 3)
    assert (refusal.status_code, refusal.json()["code"]) == (429, "QUOTA_EXCEEDED")
    assert refusal.json()["detail"] == "open-audits: 2 of 2 are taken and 1 more are asked for"
    assert refusal.headers["Retry-After"] == "30"
    assert '"open-audits";q=2;qu="concurrent-requests"' in refusal.headers["RateLimit-Policy"]
    assert '"open-audits";r=0' in refusal.headers["RateLimit"]
    assert '"key";r=' in refusal.headers["RateLimit"]
    assert (bench.count(), bench.count("idempotency")) == (2, 2)
    assert post(bench, key, asked, 2).headers["Idempotent-Replayed"] == "true"


def test_what_never_fits_is_not_to_be_asked_again(bench: Bench, asked: Asked, ran: Callable[..., str]) -> None:
    """Three targets where two may be open: no time to come back at."""
    ran("local", "--targets", "2")
    refusal = post(bench, bearing(a_key(bench)), asked, 1, targets=3)
    assert (refusal.status_code, refusal.json()["code"]) == (429, "QUOTA_EXCEEDED")
    assert refusal.headers["x-should-retry"] == "false"
    assert "Retry-After" not in refusal.headers


def test_this_machine_without_a_key_has_no_quota(bench: Bench, asked: Asked, ran: Callable[..., str]) -> None:
    """It is its own master until the first key is made."""
    ran("local", "--audits", "1")
    assert [post(bench, {}, asked, number).status_code for number in (1, 2)] == [202, 202]


def test_it_is_told_set_and_left_to_the_deployment_again(ran: Callable[..., str]) -> None:
    """What is not named stays as it was."""
    assert ran("acme") == "acme: 100 audits and 10000 targets open at once"
    assert ran("acme", "--audits", "5") == "acme: 5 audits and 10000 targets open at once"
    assert ran("acme", "--targets", "0") == "acme: 5 audits and any number of targets open at once"
    assert ran("acme") == "acme: 5 audits and any number of targets open at once"
    assert ran("other") == "other: 100 audits and 10000 targets open at once"
    assert ran("acme", "--default") == "acme: 100 audits and 10000 targets open at once"


@pytest.mark.parametrize("count", ["-1", "x", "1.5", "2147483648"])
def test_what_is_no_number_is_refused(count: str) -> None:
    """Before anything is opened."""
    with pytest.raises(SystemExit):
        main(["acme", f"--audits={count}"])
