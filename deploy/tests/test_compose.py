"""docker-compose.yml and its overlay: valid, and hardened as they say."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from deploy.tests.images import ROOT, images
from deploy.tests.tools import run
from service.settings import Settings
from worker.settings import WorkerSettings

FILE, OVERLAY = "docker-compose.yml", "deploy/compose.gpu.yml"
OURS = {"gateway", "sweeper", "worker", "upgrade"}
SECRETS = {
    "POSTGRES_PASSWORD": "a",
    "REDIS_PASSWORD": "b",
    "STORE_SECRET": "c",
    "GATEWAY_POSTGRES_PASSWORD": "d",
    "WORKER_POSTGRES_PASSWORD": "e",
}


def composed(*files: str) -> dict[str, Any]:
    """What Docker Compose makes of these files, every profile and default filled in."""
    named = [word for file in files for word in ("-f", file)]
    told = run("docker-compose", *named, "--profile", "*", "config", "--format", "json", **SECRETS)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services without the overlay, by name."""
    found: dict[str, Any] = composed(FILE)["services"]
    return found


def test_both_files_follow_the_compose_specification() -> None:
    """By the specification's own JSON schema."""
    told = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE, OVERLAY)
    assert told.returncode == 0, told.stdout


def test_the_schema_would_complain(tmp_path: Path) -> None:
    """A misspelt key is found."""
    bad = tmp_path / "compose.yml"
    bad.write_text("services: {gateway: {image: a, read_onyl: true}}\n")
    told = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", bad)
    assert told.returncode == 1
    assert "read_onyl" in told.stdout


def test_it_does_not_start_without_secrets() -> None:
    """None has a default; the message says where to look."""
    told = run("docker-compose", "-f", FILE, "config", "--quiet")
    assert told.returncode != 0
    for name in SECRETS:
        assert f"required variable {name} is missing a value: see deploy/env.example" in told.stderr


def variables(*files: str) -> set[str]:
    """What these files ask the environment for."""
    named = [word for file in files for word in ("-f", file)]
    told = run("docker-compose", *named, "--profile", "*", "config", "--variables", **SECRETS)
    return {line.split()[0] for line in told.stdout.splitlines()[1:]}


def test_the_example_names_every_variable() -> None:
    """Each ``${…}`` of both files, and none that nobody reads."""
    asked = variables(FILE) | variables(FILE, OVERLAY)
    listed = [line for line in (ROOT / "deploy/env.example").read_text().splitlines() if "=" in line and line[0] != "#"]
    assert {line.split("=")[0] for line in listed} == asked
    assert {line.split("=")[0] for line in listed if line.endswith("=")} == {*SECRETS, "OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_roots_are_read_only_and_memory_is_limited(services: dict[str, Any]) -> None:
    """Of every service; ours drop all capabilities, and none can gain any."""
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"], name


def test_what_writes_has_somewhere_to_write(services: dict[str, Any]) -> None:
    """Ours under /tmp and the home of the image; the servers on named volumes."""
    home = images()["gateway"].environment["PALIMPSEST_HOME"]
    for name in OURS:
        assert {place.split(":")[0] for place in services[name]["tmpfs"]} == {"/tmp", home}
    for name in ("postgres", "redis", "store", "prometheus", "grafana"):
        assert any(volume["type"] == "volume" for volume in services[name]["volumes"])


def test_health_is_checked_or_it_is_said_why_not(services: dict[str, Any]) -> None:
    """Gateway and worker by their images; without a check are those that end by themselves, or that have no shell."""
    without = {name for name, service in services.items() if service.get("healthcheck", {}).get("disable")}
    assert without == {"sweeper", "upgrade", "collector", "jaeger"}
    assert all("healthcheck" in services[name] for name in ("postgres", "redis", "store", "prometheus", "grafana"))
    assert images()["gateway"].health
    assert images()["worker"].health


def test_nobody_starts_before_the_ledger_is_upgraded(services: dict[str, Any]) -> None:
    """Which waits for the database; the bucket is there by then, and the broker answers."""
    for name in ("gateway", "sweeper", "worker"):
        conditions = {other: told["condition"] for other, told in services[name]["depends_on"].items()}
        assert conditions == {
            "roles": "service_completed_successfully",
            "bucket": "service_completed_successfully",
            "redis": "service_healthy",
        }
    assert services["roles"]["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
    assert services["upgrade"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert {services[name]["restart"] for name in ("upgrade", "roles", "bucket")} == {"no"}


def test_each_process_has_its_own_role_in_the_database(services: dict[str, Any]) -> None:
    """The worker's and the gateway's are those that the script opens tables to; only the upgrade is the owner."""
    logins = {name: make_url(services[name]["environment"]["PALIMPSEST_LEDGER_URL"]) for name in OURS}
    assert {name: (url.username, url.password) for name, url in logins.items()} == {
        "gateway": ("palimpsest_gateway", "d"),
        "sweeper": ("palimpsest_gateway", "d"),
        "worker": ("palimpsest_worker", "e"),
        "upgrade": ("palimpsest", "a"),
    }
    told = services["roles"]["environment"]
    assert (told["PGUSER"], told["PGPASSWORD"]) == ("palimpsest", "a")
    assert (told["GATEWAY_PASSWORD"], told["WORKER_PASSWORD"]) == ("d", "e")
    assert {"--variable=worker=palimpsest_worker", "--variable=gateway=palimpsest_gateway"} <= {
        *services["roles"]["command"]
    }


def test_only_the_gateway_can_be_reached_and_workers_reach_nothing_outside(services: dict[str, Any]) -> None:
    """Ports are this machine's own by default; the network of the others has no way out."""
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"gateway", "prometheus", "grafana", "jaeger"}
    for name in published:
        assert [port["host_ip"] for port in services[name]["ports"]] == ["127.0.0.1"]
    assert set(services["worker"]["networks"]) == {"inside"}
    assert composed(FILE)["networks"]["inside"]["internal"] is True


def test_observability_is_a_matter_of_choice(services: dict[str, Any]) -> None:
    """Its services have a profile, ours have none."""
    chosen = {name for name, service in services.items() if service.get("profiles")}
    assert chosen == {"prometheus", "grafana", "collector", "jaeger"}


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    """What is misspelt would be ignored in silence."""
    known = {f"PALIMPSEST_{name.upper()}" for name in {**Settings.model_fields, **WorkerSettings.model_fields}}
    for name in OURS:
        given = {variable for variable in services[name]["environment"] if variable.startswith("PALIMPSEST_")}
        assert given
        assert given <= known


def test_the_overlay_gives_the_worker_one_gpu() -> None:
    """And another image; nothing else changes."""
    plain, overlaid = composed(FILE), composed(FILE, OVERLAY)
    worker = overlaid["services"].pop("worker")
    plain["services"].pop("worker")
    assert plain == overlaid
    [device] = worker["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["device_ids"], device["capabilities"]) == ("nvidia", ["0"], ["gpu"])
    assert worker["build"]["args"] == {"COMPUTE": "cu130"}
    assert worker["image"].endswith("-cu130")
