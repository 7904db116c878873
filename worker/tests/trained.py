"""An audit with a training in it, as small as can be, and a look at the state that is kept of it."""

from contextlib import suppress
from typing import Any

from ledger.errors import EvidenceMissing
from worker.engine.edits import said_in
from worker.tests.shop import TENANT, Shop

STEPS = 6
TRAINED: dict[str, Any] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "prompt"}],
    "mitigations": [
        {
            "kind": "adversarial_finetuning",
            "epochs": STEPS,
            "triggers_per_step": 3,
            "prompts_per_step": 1,
            "regular_per_step": 1,
            "regular_images": 2,
            "surrogates": 1,
            "search_steps": 1,
            "search_batch_size": 1,
            "learning_rate": 1e-3,
        }
    ],
}
"""Three targets, all of them visited at each of ``STEPS`` steps."""


def newest_state(shop: Shop) -> dict[str, Any] | None:
    """What the one state that the ledger names says of itself; another look if the next took its place meanwhile."""
    named = "SELECT digest FROM evidence WHERE kind = 'checkpoint' AND removed_at IS NULL"
    while True:
        with shop.workshop.ledger.reading() as connection:
            digest = connection.exec_driver_sql(named).scalar_one_or_none()
        if digest is None:
            return None
        with suppress(EvidenceMissing):
            return said_in(shop.workshop.evidence.get(TENANT, digest), "course")
