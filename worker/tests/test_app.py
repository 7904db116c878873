"""The Celery application, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger import workers
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


@pytest.mark.parametrize("named", ["", "palimpsest.units"])
def test_a_worker_hears_the_bells_of_its_families(demo: Path, tmp_path: Path, named: str) -> None:
    """Those of its models or those it is told to serve, and those for anyone, whatever the command line names."""
    program = (
        "import worker.app as w; from types import SimpleNamespace as N; "
        "from celery.signals import celeryd_after_setup as setup; "
        f"q = w.app.amqp.queues; q.select({named!r}); setup.send(sender=None, instance=N(app=w.app), conf=None); "
        "print(*sorted(q.consume_from))"
    )
    of_models = {"PALIMPSEST_REGISTRATIONS": json.dumps([str(demo / "registration.json")])}
    assert run(program, tmp_path, **of_models).split() == ["palimpsest.units", "palimpsest.units.sd1"]
    told = run(program, tmp_path, **of_models, PALIMPSEST_FAMILIES='["flux", "sdxl"]').split()
    assert told == ["palimpsest.units", "palimpsest.units.flux", "palimpsest.units.sdxl"]


def test_sigterm_is_noted_while_a_bell_is_answered(tmp_path: Path) -> None:
    """Nothing else happens, once or twice; before and after, it is what it was."""
    program = (
        "import signal, worker.app as w\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('as before'))\n"
        "with w.noted(signal.SIGTERM) as told:\n"
        "    print(told()); [signal.raise_signal(signal.SIGTERM) for _ in range(2)]; print(told())\n"
        "signal.raise_signal(signal.SIGTERM)"
    )
    assert run(program, tmp_path).splitlines() == ["False", "True", "as before"]


def test_a_child_opens_its_workshop_and_answers_the_bell(demo: Path, tmp_path: Path) -> None:
    """
    Configured by the environment alone, with the very calls that Celery makes: the plan is written down
    Its turn is over by then, so that what the plan released is announced to the family, and the bell is rung on
    """
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
        PALIMPSEST_TURN_SECONDS="0.02",
    )
    [plan] = shop.results(audit_id, "plan")
    assert plan.state == "done"
    assert plan.result is not None
    assert plan.result["mitigations"] == ["none"]
    rung = [file.name.split(".", 1)[1] for file in (home / "broker" / "queue").iterdir()]
    assert sorted(rung) == ["palimpsest.units.msg", "palimpsest.units.sd1.msg"]
    with shop.workshop.ledger.reading() as connection:
        [worker] = workers.present(connection, "local", within_seconds=60)
    assert (worker.engine, worker.families) == (shop.workshop.engine, ["sd1"])
    shop.close()
