"""A catalogue as a worker publishes it."""

from typing import Any

KINDS = {
    "mitigation": ["none", "nemo", "wanda"],
    "probe": ["prompt", "adversarial_embedding"],
    "scorer": ["sscd"],
    "detector": ["magnitude", "sharpness"],
    "analysis": ["locality", "utility"],
}


def model_card(id: str = "bundled", **changes: Any) -> dict[str, Any]:
    """A model as a worker publishes it."""
    sets = [
        {"id": "bundled:targets", "title": "memorized", "size": 8},
        {"id": "bundled:controls", "title": "", "size": 8},
    ]
    return {
        "id": id,
        "title": "The bundled model",
        "family": "stable-diffusion-1",
        "digest": "d" * 64,
        "parameters": 1,
        "resolution": 64,
        "tokenizer_length": 77,
        "layers": [],
        "inapplicable": [],
        "target_sets": sets,
        "descriptor": "sscd",
        "threshold": 0.5,
        **changes,
    }


def method_cards(**kinds: list[str]) -> list[dict[str, Any]]:
    """Methods as a worker publishes them."""
    return [
        {
            "kind": kind,
            "role": role,
            "title": kind,
            "citation": "cited",
            "threat_model": None,
            "parameters": {},
            "defaults": {},
            "page": f"docs/methods/{kind}.md",
        }
        for role, names in {**KINDS, **kinds}.items()
        for kind in names
    ]
