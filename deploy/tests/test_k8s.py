"""The Kubernetes manifests: built by kustomize, valid by Kubernetes' own schemas, and consistent with one another."""

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from deploy.tests.images import ROOT, images
from deploy.tests.tools import run
from ledger import audits, intake, units
from ledger.database import Ledger
from ledger.tests.servers import PostgreSQL
from service.settings import Settings
from worker.settings import WorkerSettings

OVERLAYS = ["cpu", "gpu"]
PODS = {"Deployment", "Job"}
CUSTOM = {"ScaledObject", "TriggerAuthentication"}
"""Kinds of KEDA's, whose schemas are not Kubernetes' own; what they say is looked at by hand below."""

Manifest = dict[str, Any]


@cache
def built(overlay: str) -> str:
    """What kubectl would apply."""
    told = run("kubectl", "kustomize", f"deploy/k8s/overlays/{overlay}")
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """Everything of an overlay."""
    return list(yaml.safe_load_all(built(request.param)))


def of(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of this name."""
    [found] = [manifest for manifest in of(manifests, kind) if manifest["metadata"]["name"] == name]
    return found


def secrets() -> dict[str, dict[str, str]]:
    """What the example says is in each secret."""
    listed = yaml.safe_load_all((ROOT / "deploy/k8s/secret.example.yaml").read_text())
    return {secret["metadata"]["name"]: secret["stringData"] for secret in listed}


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """(name, pod template) of whatever runs pods."""
    for manifest in of(manifests, *PODS):
        yield manifest["metadata"]["name"], manifest["spec"]["template"]


def selected(manifests: list[Manifest], selector: Manifest) -> list[str]:
    """Whose pods these labels select."""
    wanted = selector.get("matchLabels", selector).items()
    return [name for name, pod in pods(manifests) if wanted <= pod["metadata"]["labels"].items()]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_valid_by_kubernetes_own_schemas(overlay: str, tmp_path: Path) -> None:
    """Strictly: an unknown field is an error. Only KEDA's kinds have no schema there."""
    file = tmp_path / f"{overlay}.yaml"
    file.write_text(built(overlay))
    told = run("kubernetes-validate", "--strict", file)
    said = told.stdout + told.stderr
    assert told.returncode == 0, said
    unknown = {line.split("schema for kind ")[1].split()[0] for line in said.splitlines() if "find schema" in line}
    assert unknown == CUSTOM
    assert "passed for resource deployment/worker" in said


def test_the_schemas_would_complain(tmp_path: Path) -> None:
    """A misspelt field is found."""
    file = tmp_path / "bad.yaml"
    file.write_text(built("cpu").replace("readOnlyRootFilesystem", "readOnlyRoot"))
    assert run("kubernetes-validate", "--strict", file).returncode != 0


def test_containers_can_do_little(manifests: list[Manifest]) -> None:
    """Not root, nothing to gain, a read-only root, no token for Kubernetes; what they may write is a volume."""
    for name, pod in pods(manifests):
        spec = pod["spec"]
        assert (spec["automountServiceAccountToken"], spec["serviceAccountName"]) == (False, "palimpsest"), name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", images()["gateway"].environment["PALIMPSEST_HOME"]} <= mounted
            assert {mount["name"] for mount in container["volumeMounts"]} <= {v["name"] for v in spec["volumes"]}


def test_names_refer_to_what_is_there(manifests: list[Manifest]) -> None:
    """Settings and the account are there; each process has the secret of the example with its own role."""
    there = {manifest["metadata"]["name"] for manifest in of(manifests, "ConfigMap")}
    assert named(manifests, "ServiceAccount", "palimpsest")
    roles = {}
    for name, pod in pods(manifests):
        [container] = pod["spec"]["containers"]
        [settings, secret] = container["envFrom"]
        assert settings["configMapRef"]["name"] in there
        roles[name] = make_url(secrets()[secret["secretRef"]["name"]]["PALIMPSEST_LEDGER_URL"]).username
    assert roles == {
        "gateway": "palimpsest_gateway",
        "sweeper": "palimpsest_gateway",
        "worker": "palimpsest_worker",
        "ledger-upgrade": "palimpsest",
    }


def test_selectors_select_somebody(manifests: list[Manifest]) -> None:
    """Services, budgets and policies select one kind of pod each; a Deployment its own."""
    for manifest in of(manifests, "Deployment", "PodDisruptionBudget", "Service"):
        assert selected(manifests, manifest["spec"]["selector"]) == [manifest["metadata"]["name"]]
    for policy in of(manifests, "NetworkPolicy"):
        assert selected(manifests, policy["spec"]["podSelector"])


def test_images_and_commands_are_the_dockerfiles(manifests: list[Manifest]) -> None:
    """A command here replaces CMD and never the entrypoint; modules that are named exist."""
    found = images()
    for name, pod in pods(manifests):
        [container] = pod["spec"]["containers"]
        image, _, tag = container["image"].partition(":")
        assert image.removeprefix("palimpsest-") in found
        assert tag
        assert "command" not in container
        if "args" in container:
            assert container["args"][:2] == ["python", "-m"], name
            assert importlib.util.find_spec(container["args"][2]) is not None


def test_probes_ask_what_the_images_ask(manifests: list[Manifest]) -> None:
    """The gateway over HTTP, on its own port; the worker by its image's health check."""
    [gateway] = named(manifests, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"]
    assert gateway["ports"] == [{"name": "http", "containerPort": int(images()["gateway"].environment["UVICORN_PORT"])}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert gateway[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    [worker] = named(manifests, "Deployment", "worker")["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert worker[probe]["exec"]["command"] == images()["worker"].health


def test_every_variable_is_a_setting(manifests: list[Manifest]) -> None:
    """Of the settings, of the secret and of the containers; those without the prefix are other libraries'."""
    known = {f"PALIMPSEST_{name.upper()}" for name in {**Settings.model_fields, **WorkerSettings.model_fields}}
    given = {variable for secret in secrets().values() for variable in secret}
    given |= {variable for settings in of(manifests, "ConfigMap") for variable in settings["data"]}
    containers = [container for _, pod in pods(manifests) for container in pod["spec"]["containers"]]
    given |= {variable["name"] for container in containers for variable in container.get("env", [])}
    assert {variable for variable in given if variable.startswith("PALIMPSEST_")} <= known
    assert {"PALIMPSEST_LEDGER_URL", "PALIMPSEST_BROKER_URL", "PALIMPSEST_EVIDENCE_URL"} <= given


def test_gateways_know_how_many_they_are(manifests: list[Manifest]) -> None:
    """Each gives out its share of the rates."""
    [settings] = of(manifests, "ConfigMap")
    gateway = named(manifests, "Deployment", "gateway")["spec"]
    assert int(settings["data"]["PALIMPSEST_GATEWAYS"]) == gateway["replicas"]


def test_nothing_is_reachable_that_is_not_named(manifests: list[Manifest]) -> None:
    """All is forbidden first; only the gateway lets anybody in, and that from two namespaces."""
    nothing = named(manifests, "NetworkPolicy", "nothing")["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    inwards = [policy for policy in of(manifests, "NetworkPolicy") if policy["spec"].get("ingress")]
    assert [selected(manifests, policy["spec"]["podSelector"]) for policy in inwards] == [["gateway"]]


def test_workers_have_time_to_give_their_unit_back(manifests: list[Manifest]) -> None:
    """Longer than the grace of their own settings, and one after another."""
    worker = named(manifests, "Deployment", "worker")["spec"]
    grace: float = WorkerSettings.model_fields["grace_seconds"].default
    assert worker["template"]["spec"]["terminationGracePeriodSeconds"] > grace
    assert worker["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert "replicas" not in worker  # or each apply would undo what the scaler did


def test_one_gpu_worker_is_one_gpu() -> None:
    """Its image has CUDA's torch, its node the taint of GPUs."""
    worker = named(list(yaml.safe_load_all(built("gpu"))), "Deployment", "worker")["spec"]["template"]["spec"]
    [container] = worker["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"].endswith("-cu130")
    assert worker["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_the_scaler_scales_the_workers_by_the_ledgers_database(manifests: list[Manifest]) -> None:
    """The names it refers to are there, bounds are in order, and it scales down slowly."""
    scaler = named(manifests, "ScaledObject", "worker")["spec"]
    assert named(manifests, "Deployment", scaler["scaleTargetRef"]["name"])
    assert 1 <= scaler["minReplicaCount"] < scaler["maxReplicaCount"]
    [trigger] = scaler["triggers"]
    assert trigger["type"] == "postgresql"
    assert trigger["metadata"]["targetQueryValue"] == "1"
    login = named(manifests, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    [secret] = login["spec"]["secretTargetRef"]
    assert secret["parameter"] == "connection"
    assert secret["key"] in secrets()[secret["name"]]


def test_the_scalers_query_counts_what_is_to_be_done(postgresql: PostgreSQL) -> None:
    """On PostgreSQL: leased + ceil(queued / 4). With 9 queued that is 3; after three were taken 3 + ceil(6 / 4) = 5."""
    scaler = named(list(yaml.safe_load_all(built("cpu"))), "ScaledObject", "worker")["spec"]
    query = scaler["triggers"][0]["metadata"]["query"]
    ledger = Ledger(postgresql.database("scaling"))
    ledger.upgrade()
    with ledger.writing() as connection:
        wanted = [connection.exec_driver_sql(query).scalar_one()]
        for n in range(9):
            submission = audits.Submission({}, "d" * 64, "toy", {}, f"key-{n}", f"f-{n}", reuse=False)
            intake.submit(connection, "local", submission)
            wanted.append(connection.exec_driver_sql(query).scalar_one())
        for unit in connection.exec_driver_sql("SELECT id FROM units LIMIT 3").scalars().all():
            assert units.claim(connection, "local", unit, owner="w", engine="e", lease_seconds=60, hard_seconds=60)
        wanted.append(connection.exec_driver_sql(query).scalar_one())
    ledger.close()
    assert wanted == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 5]
