"""What a worker publishes."""

import json

import pytest

from palimpsest.contract.catalogue import MethodCard, ModelCard
from palimpsest.contract.methods import ANALYSES, DETECTORS, MITIGATIONS, PROBES, SCORERS
from worker.cards import method_cards, model_card
from worker.tests.shop import Shop


def test_a_model_is_inspected(shop: Shop) -> None:
    """8 + 16 + 16 = 40 value neurons; 8·32 + 16·64 + 16·64 = 2304 feed-forward weights; 3 targets, 2 controls."""
    card = model_card(shop.workshop, shop.workshop.registration("tiny"))
    model = shop.workshop.model("tiny")
    assert (card.id, card.family, card.resolution, card.tokenizer_length) == ("tiny", "sd1", 32, 20)
    assert card.digest == model.digest
    assert card.parameters == sum(weight.numel() for weight in model.unet.parameters())
    assert [(layer.role, layer.layers, layer.size) for layer in card.layers] == [
        ("value_neurons", 3, 40),
        ("feedforward_weights", 3, 2304),
    ]
    assert card.inapplicable == []
    assert [(entry.id, entry.size) for entry in card.target_sets] == [("tiny:targets", 3), ("tiny:controls", 2)]
    assert (card.descriptor, card.threshold) == (shop.workshop.descriptor.digest, 0.5)


def test_every_method_of_the_contract_has_a_card() -> None:
    """In its role."""
    assert [(card.role, card.kind) for card in method_cards()] == [
        *(("mitigation", kind) for kind in MITIGATIONS),
        *(("probe", kind) for kind in PROBES),
        *(("scorer", kind) for kind in SCORERS),
        *(("detector", kind) for kind in DETECTORS),
        *(("analysis", kind) for kind in ANALYSES),
    ]


@pytest.mark.parametrize("card", method_cards(), ids=lambda card: card.kind)
def test_a_method_card_is_complete(card: MethodCard) -> None:
    """A title without its full stop, a schema, and defaults that the method itself accepts."""
    params = (MITIGATIONS | PROBES | SCORERS | DETECTORS | ANALYSES)[card.kind]
    assert card.title
    assert not card.title.endswith(".")
    assert card.parameters == params.model_json_schema()
    assert params.model_validate(card.defaults) == params()
    assert "Threat model" not in card.citation
    assert MethodCard.model_validate_json(card.model_dump_json()) == card


def test_probes_name_their_threat_model() -> None:
    """Who could ask this way; mitigations and judges have none."""
    threats = {card.kind: card.threat_model for card in method_cards()}
    assert threats["prompt"] == "anyone who can type the caption."
    assert threats["adversarial_embedding"] == "white-box access to the text embedding."
    assert threats["nemo"] is None


def test_cards_are_plain_json(shop: Shop) -> None:
    """As the ledger keeps them."""
    card = model_card(shop.workshop, shop.workshop.registration("tiny"))
    assert ModelCard.model_validate(json.loads(json.dumps(card.model_dump(mode="json")))) == card
