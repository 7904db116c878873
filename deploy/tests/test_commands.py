"""The commands of the images and of docker-compose.yml, run as processes on real servers, from upgrade to report.

It takes long because it is the whole service, and loads the bundled model: about half a minute on two quiet cores.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis as RedisClient

from deploy.tests.collector import Collector
from deploy.tests.images import ROOT
from deploy.tests.played import Played
from deploy.tests.test_compose import FILE, SECRETS, composed
from ledger.tests.servers import ObjectStore, PostgreSQL, Redis, free_port, programs_of_postgresql

PATIENCE = 300.0
"""Seconds for libraries to load and models to be inspected on a machine that is busy with something else."""


@pytest.fixture(scope="module")
def servers(postgresql: PostgreSQL) -> Iterator[dict[str, str]]:
    """The other services of the file, by the addresses it names them with."""
    postgresql.execute("CREATE ROLE palimpsest LOGIN CREATEROLE")
    postgresql.execute("CREATE DATABASE palimpsest OWNER palimpsest")
    with Redis() as redis, ObjectStore() as store:
        client = RedisClient(port=redis.port)
        client.config_set("requirepass", SECRETS["REDIS_PASSWORD"])
        client.close()
        yield {
            "postgres:5432": f"127.0.0.1:{postgresql.port}",
            "redis:6379": f"127.0.0.1:{redis.port}",
            "store:8333": f"127.0.0.1:{store.port}",
        }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where spans are sent."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def played(servers: dict[str, str], collector: Collector) -> Iterator[Played]:
    """The services of the compose file, none of them started. They see a /tmp of their own, hence another folder."""
    with TemporaryDirectory(dir="/var/tmp", prefix="palimpsest-") as name:
        also = {
            "UVICORN_HOST": "127.0.0.1",
            "UVICORN_PORT": str(free_port()),
            "PALIMPSEST_THREADS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        played = Played(composed(FILE)["services"], Path(name), servers, also)
        yield played
        played.close()


@pytest.fixture(scope="module")
def key(played: Played) -> str:
    """The first API key, made as the runbook has it: in the sweeper, before there is a gateway."""
    assert played.run("upgrade") == 0, played.log("upgrade").read_text()
    make_roles(played)
    played.start("sweeper")
    made = played.inside("sweeper", "python", "-m", "service.init")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def make_roles(played: Played) -> None:
    """What the service of that name does, whose image has nothing of ours."""
    service = played.services["roles"]
    host, _, port = played.addresses["postgres:5432"].partition(":")
    told = {**service["environment"], "PGHOST": host, "PGPORT": port}
    [program, *words] = [word.replace("/roles/", f"{ROOT}/deploy/postgres/") for word in service["command"]]
    psql = [str(programs_of_postgresql() / program), *words]
    subprocess.run(psql, env=told, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def gateway(played: Played, key: str) -> str:
    """Where the gateway is, once it answers; there is no worker yet."""
    played.start("gateway")
    url = f"http://127.0.0.1:{played.also['UVICORN_PORT']}"
    wait_until(lambda: answers(played, f"{url}/healthz"), lambda: played.log("gateway").read_text()[-3000:])
    return url


@pytest.fixture(scope="module")
def url(played: Played, gateway: str) -> str:
    """The same, once the service takes audits."""
    played.start("worker")
    wait_until(lambda: answers(played, f"{gateway}/readyz"), lambda: played.log("worker").read_text()[-3000:])
    return gateway


def answers(played: Played, address: str) -> bool:
    """Whether it is 200 there; AssertionError when a process has ended."""
    for name, process in played.running.items():
        assert process.poll() is None, f"the {name} has ended:\n{played.log(name).read_text()[-3000:]}"
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds: Callable[[], bool], told: Callable[[], object]) -> None:
    """Look again and again; AssertionError with what is told when it does not come to hold."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, told()
        time.sleep(0.2)


def lines(played: Played, name: str, event: str) -> list[dict[str, Any]]:
    """The JSON lines of this event in a service's log."""
    found = [json.loads(line) for line in played.log(name).read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_the_gateway_asks_for_the_key_that_was_printed(gateway: str, key: str) -> None:
    """Over the database role of its own; nobody gets in without, though the request comes from this machine."""
    assert httpx.get(f"{gateway}/v1/audits", timeout=30).json()["code"] == "API_KEY_MISSING"
    listed = httpx.get(f"{gateway}/v1/admin/keys", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert [one["name"] for one in listed.raise_for_status().json()["data"]] == ["admin"]


def test_the_health_checks_of_the_images_pass(played: Played, url: str) -> None:
    """Inside the file systems of the services, where the worker's heartbeat is."""
    assert httpx.get(f"{url}/readyz", timeout=5).json() == {"status": "ready", "keys": "required"}
    assert played.healthy("gateway")
    assert played.healthy("worker")


def test_services_can_write_nowhere_but_in_tmp_and_at_home(played: Played, url: str) -> None:
    """So that what has passed here passes on a read-only root."""
    for name in ("gateway", "sweeper", "worker"):
        home = played.environment(name)["PALIMPSEST_HOME"]
        assert "Read-only file system" in played.inside(name, "touch", "written").stderr
        for folder in ("/tmp", home):
            assert played.inside(name, "touch", f"{folder}/written").returncode == 0


def test_an_audit_leaves_one_trace_from_post_to_report(
    played: Played, collector: Collector, url: str, key: str
) -> None:
    """Cancelled as soon as it is planned, so that its report is a partial one; then all spans are of one trace.

    Every process wrote its canonical lines as JSON, with that trace in them.
    """
    asked = {"model": "bundled", "target_set": "bundled:first-targets", "mitigations": [{"kind": "none"}]}
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    fresh = {"Idempotency-Key": str(uuid4())}
    audit = client.post("/v1/audits", json=asked, headers=fresh).raise_for_status().json()["id"]

    def spans() -> list[str]:
        return [span.name for span in collector.spans if span.trace == trace]

    def status() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/v1/audits/{audit}").json()
        return found

    wait_until(lambda: any(span.name == "POST /v1/audits" for span in collector.spans), lambda: collector.spans)
    [trace] = [span.trace for span in collector.spans if span.name == "POST /v1/audits"]
    wait_until(lambda: "unit plan" in spans(), lambda: (collector.spans, status(), played.log("worker").read_text()))
    client.post(f"/v1/audits/{audit}/cancel").raise_for_status()
    wait_until(lambda: status()["state"] == "cancelled", status)
    wait_until(lambda: "unit report" in spans(), lambda: collector.spans)
    assert {span.service for span in collector.spans if span.trace == trace} == {
        "palimpsest-gateway",
        "palimpsest-worker",
    }
    assert client.get(f"/v1/audits/{audit}/report").status_code == 200
    client.close()

    [posted] = [line for line in lines(played, "gateway", "request") if line["method"] == "POST" and "trace" in line][
        :1
    ]
    assert (posted["route"], posted["status"], posted["trace"]) == ("/v1/audits", 202, trace)
    performed = [line for line in lines(played, "worker", "unit") if line["audit"] == audit]
    assert {line["kind"] for line in performed} >= {"plan", "report"}
    assert {line["trace"] for line in performed} == {trace}


def test_metrics_say_that_a_worker_is_there(url: str) -> None:
    """And count what ended, which the worker itself needs no port for."""
    told = httpx.get(f"{url}/metrics", timeout=30).text
    assert "palimpsest_ledger_up 1.0" in told
    assert any(line.startswith("palimpsest_workers{") and line.endswith(" 1.0") for line in told.splitlines())


@pytest.mark.parametrize("name", ["worker", "sweeper", "gateway"])
def test_a_service_ends_in_good_order_within_its_grace(played: Played, url: str, name: str) -> None:
    """SIGTERM reaches the process behind tini, which ends by itself and leaves nobody behind."""
    seconds = played.services[name]["stop_grace_period"]
    process = played.running[name]
    minutes, _, rest = seconds.rpartition("m") if "m" in seconds else ("0", "", seconds)
    code = played.stop(name, 60 * float(minutes) + float(rest.rstrip("s") or 0))
    assert code in (0, 128 + 15), played.log(name).read_text()[-3000:]
    assert process.poll() is not None
