"""When two requests are the same."""

from typing import Any

from palimpsest.contract.catalogue import ModelCard
from service.digests import fingerprint, request_digest
from service.tests.cards import model_card

RECORDED: dict[str, Any] = {"model": "bundled", "seed": 0, "labels": {}, "force_new": False}


def card(**changes: Any) -> ModelCard:
    """A published model."""
    return ModelCard.model_validate(model_card(**changes))


def test_the_order_of_fields_does_not_matter() -> None:
    """Canonical JSON has sorted keys."""
    assert fingerprint(RECORDED) == fingerprint(dict(reversed(RECORDED.items())))


def test_a_fingerprint_is_of_everything() -> None:
    """A label changes it."""
    assert fingerprint(RECORDED) != fingerprint({**RECORDED, "labels": {"a": "b"}})


def test_an_answer_depends_on_neither_labels_nor_force() -> None:
    """They change the fingerprint and not the digest; a seed changes both."""
    known = request_digest(RECORDED, card(), "engine-1")
    assert request_digest({**RECORDED, "labels": {"a": "b"}, "force_new": True}, card(), "engine-1") == known
    assert request_digest({**RECORDED, "seed": 1}, card(), "engine-1") != known


def test_an_answer_depends_on_weights_and_engine() -> None:
    """The same name with other weights, or the same request to another engine, is another question."""
    known = request_digest(RECORDED, card(), "engine-1")
    assert request_digest(RECORDED, card(digest="0" * 64), "engine-1") != known
    assert request_digest(RECORDED, card(), "engine-2") != known
    assert request_digest(RECORDED, card(title="another title"), "engine-1") == known
