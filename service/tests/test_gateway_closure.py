"""What the gateway's image installs: the closure of its extras, read from the packages' own metadata."""

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEAVY = {"torch", "numpy", "scipy", "diffusers", "transformers", "tokenizers", "safetensors", "accelerate", "triton"}


def closure(*roots: str) -> set[str]:
    """The names of these requirements and of all they require, extras and markers considered."""
    seen: set[tuple[str, str]] = set()
    open_ones = [Requirement(root) for root in roots]
    while open_ones:
        requirement = open_ones.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                stated = map(Requirement, distribution(name).requires or [])
                open_ones += [r for r in stated if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def test_the_gateways_image_has_no_numerical_stack() -> None:
    """The Dockerfile installs ``.[service,otel]``: a web framework and a database driver, but no torch and no numpy."""
    installed = closure("palimpsest[service,otel]")
    assert {"fastapi", "psycopg", "prometheus-client", "opentelemetry-sdk"} <= installed
    assert installed & HEAVY == set()


def test_the_closure_would_find_torch() -> None:
    """The worker's has it, several steps down as well as at the top."""
    assert closure("palimpsest[worker]") >= {"torch", "numpy", "safetensors"}
    assert "numpy" in closure("transformers")
