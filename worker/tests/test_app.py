"""The Celery application, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from palimpsest._wire import PERFORM
from worker.tests.shop import Shop

ROOT = Path(__file__).parents[2]


def run(program: str, home: Path, **variables: str) -> str:
    """What a fresh interpreter prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PALIMPSEST_")}
    environment = {**kept, "PALIMPSEST_HOME": str(home), **variables}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=300,
    )
    return ran.stdout


def test_the_parent_stays_light(tmp_path: Path) -> None:
    """A forked child must not inherit torch's threads: importing the application loads nothing that computes."""
    program = "import worker.app, sys; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(run(program, tmp_path).split())
    assert "celery" in loaded
    assert not loaded & {"PIL", "diffusers", "numpy", "scipy", "torch", "transformers"}


def test_the_task_has_the_name_the_gateway_sends(tmp_path: Path) -> None:
    """One task of ours, JSON only, acknowledged when done."""
    program = (
        "import json, worker.app as w; c = w.app.conf; "
        "print(json.dumps([[n for n in w.app.tasks if n.startswith('palimpsest')], "
        "c.accept_content, c.task_acks_late, c.worker_prefetch_multiplier]))"
    )
    assert json.loads(run(program, tmp_path)) == [[PERFORM], ["json"], True, 1]


def test_a_child_opens_its_workshop_and_answers_the_bell(demo: Path, tmp_path: Path) -> None:
    """Configured by the environment alone, with the very calls that Celery makes: the unit is done."""
    home = tmp_path / "home"
    shop = Shop.open(demo, home)
    audit_id = shop.submit({"target_set": "tiny:targets"})
    [message] = shop.messages()
    told: dict[str, Any] = {"tenant": "local", "audit": audit_id, "unit": message.unit_id, "attempt": message.attempt}
    program = (
        "import json, worker.app as w; from celery.signals import worker_process_init as started; "
        f"started.send(sender=None); w.app.tasks[{PERFORM!r}](json.loads({json.dumps(told)!r}))"
    )
    run(
        program,
        home,
        PALIMPSEST_REGISTRATIONS=json.dumps([str(demo / "registration.json")]),
        PALIMPSEST_DESCRIPTOR=str(demo / "descriptor" / "card.json"),
        PALIMPSEST_THREADS="1",
    )
    [plan] = shop.results(audit_id, "plan")
    assert plan.state == "done"
    assert plan.result is not None
    assert plan.result["mitigations"] == ["none"]
    shop.close()
