"""Alerts, dashboard and collector: what they ask for is what the gateway says, and alerts fire when they should."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deploy.tests.images import ROOT
from deploy.tests.test_compose import composed
from deploy.tests.tools import promtool
from ledger.database import Ledger
from ledger.retention import Retention
from service.meters import Meters
from service.settings import Settings
from worker.settings import WorkerSettings

ALERTS, CASES = ROOT / "deploy/prometheus/alerts.yml", ROOT / "deploy/prometheus/alerts_test.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/palimpsest.json"
METRIC = re.compile(r"palimpsest[_:][a-z_:]+")


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def alerts() -> set[str]:
    """Their names."""
    return {rule["alert"] for rule in rules() if "alert" in rule}


def panels() -> list[dict[str, Any]]:
    """The dashboard's, headings left out."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def asked() -> Iterator[str]:
    """Every expression of alerts and dashboard."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


@pytest.fixture
def said(tmp_path: Path) -> set[str]:
    """The names of every series that a gateway can have."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.upgrade()
    text = Meters(ledger, seconds=0).written(generate_latest).decode()
    ledger.close()
    found = set()
    for family in text_string_to_metric_families(text):
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        found |= {family.name + end for end in ends}
    return found | {rule["record"] for rule in rules() if "record" in rule}


def test_rules_and_configuration_are_valid(tmp_path: Path) -> None:
    """By promtool; the path of the rules is the one inside the container."""
    told = promtool("check", "rules", ALERTS)
    assert told.returncode == 0, told.stderr
    configuration = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    file = tmp_path / "prometheus.yml"
    file.write_text(configuration.replace("/etc/prometheus/alerts.yml", str(ALERTS)))
    told = promtool("check", "config", file)
    assert told.returncode == 0, told.stderr


def test_alerts_fire_when_they_should_and_only_then() -> None:
    """The cases of alerts_test.yml; every alert fires in one of them."""
    told = promtool("test", "rules", CASES)
    assert told.returncode == 0, told.stderr
    assert set(re.findall(r'alertname="(Palimpsest\w+)", alertstate', CASES.read_text())) == alerts()


def test_every_alert_is_in_the_runbook() -> None:
    """Under its own name: what it means, where to look first, what helps."""
    runbook = (ROOT / "deploy/runbook.md").read_text()
    sections = {part.split("\n", 1)[0]: part for part in runbook.split("\n### ")[1:]}
    assert {name for name in sections if name.startswith("Palimpsest")} == alerts()
    for name in alerts():
        for word in ("**Means.**", "**Look.**", "**Remedy.**"):
            assert word in sections[name], (name, word)


def test_the_runbook_names_settings_that_there_are() -> None:
    """Of gateway or worker, or of the compose file."""
    named = set(re.findall(r"PALIMPSEST_[A-Z_]+", (ROOT / "deploy/runbook.md").read_text()))
    known = {f"PALIMPSEST_{name.upper()}" for name in {**Settings.model_fields, **WorkerSettings.model_fields}}
    known |= {f"PALIMPSEST_RETENTION_{name.upper()}" for name in Retention.model_fields}
    known |= set(re.findall(r"^[A-Z_]+(?==)", (ROOT / "deploy/env.example").read_text(), re.MULTILINE))
    assert named
    assert named <= known


def test_every_series_asked_for_is_one_that_is_said(said: set[str]) -> None:
    """By alerts and dashboard alike: a misspelt name would be a flat line that nobody misses."""
    for expression in asked():
        assert set(METRIC.findall(expression)) <= said, expression


def test_everything_said_is_shown(said: set[str]) -> None:
    """On the dashboard; of a histogram its buckets are enough, and when a series was created is nobody's question."""
    aside = ("_sum", "_count", "_created")
    own = {name for name in said if METRIC.match(name) and not name.endswith(aside)}
    shown = {name for panel in panels() for target in panel["targets"] for name in METRIC.findall(target["expr"])}
    shown |= {name for rule in rules() if "record" in rule for name in METRIC.findall(rule["expr"])}
    assert own <= shown


def test_the_dashboards_expressions_are_promql(tmp_path: Path) -> None:
    """Each is a rule that promtool accepts."""
    listed = [target["expr"] for panel in panels() for target in panel["targets"]]
    written = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(listed)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": written}]}))
    told = promtool("check", "rules", file)
    assert told.returncode == 0, told.stderr


def test_the_dashboard_is_laid_out_and_finds_its_source() -> None:
    """Panels have numbers of their own and do not lie on one another; the source they name is provisioned."""
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/palimpsest.yml").read_text())
    known = {source["uid"] for source in sources["datasources"]}
    cells = [
        (x, y)
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)
    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert {panel["datasource"]["uid"] for panel in panels()} <= known


def test_the_profiles_services_are_where_their_files_say() -> None:
    """Grafana's sources, Prometheus' gateways and the collector's Jaeger are services of the compose file."""
    services = set(composed("docker-compose.yml")["services"])
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/palimpsest.yml").read_text())
    collector = yaml.safe_load((ROOT / "deploy/otel/collector.yml").read_text())
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    hosts = {source["url"].split("/")[2].split(":")[0] for source in sources["datasources"]}
    hosts |= {exporter["endpoint"].split(":")[0] for exporter in collector["exporters"].values()}
    hosts |= {name for job in scraped["scrape_configs"] for found in job["dns_sd_configs"] for name in found["names"]}
    assert hosts == {"prometheus", "jaeger", "gateway"}
    assert hosts <= services


def test_the_collectors_pipeline_is_made_of_what_is_defined() -> None:
    """A name that is not defined keeps it from starting."""
    collector = yaml.safe_load((ROOT / "deploy/otel/collector.yml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) <= set(collector[part])
