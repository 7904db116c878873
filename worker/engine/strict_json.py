"""JSON that is read one way only: no key twice, no NaN, nothing nested without an end. Foreign files are read by it."""

import json
from typing import Any, NoReturn

MOST_DEPTH = 64
"""Lists and objects within one another."""


class NotPlain(ValueError):
    """The bytes are not such JSON; the message says what they are, without repeating them."""


def parsed(content: bytes) -> Any:
    """What the bytes say. Raises NotPlain, and nothing else, whatever they are."""
    try:
        said = json.loads(content.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except NotPlain:
        raise
    except RecursionError:
        raise NotPlain("it is nested too deeply") from None
    except ValueError:
        raise NotPlain("it is not JSON in UTF-8") from None
    if _depth(said) > MOST_DEPTH:
        raise NotPlain("it is nested too deeply")
    return said


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotPlain("it names a key twice")
    return found


def _no_number(_: str) -> NoReturn:
    raise NotPlain("it holds NaN or Infinity")


def _depth(said: Any) -> int:
    """Levels of lists and objects, counted one level at a time, for whoever nests deeply means a recursion no good."""
    depth, level = 0, [said]
    while level := [held for held in level if isinstance(held, (dict, list))]:
        depth += 1
        level = [inner for held in level for inner in (held.values() if isinstance(held, dict) else held)]
    return depth
