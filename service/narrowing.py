"""What one JSON Schema no longer promises of another (the vocabulary that pydantic writes, 2020-12).

``ASKED``: whoever sends by the one is to be understood by the other. ``TOLD``: whoever reads by the one is to
understand what the other describes. An ``anyOf`` or ``oneOf`` is its branches, by the ``const`` of their ``kind``, by
their type, or, where several have one, by the name of what they refer to: a name alone is no promise.
"""

import operator
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
ASKED, TOLD = "asked", "told"
TIGHTER: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), operator.gt),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), operator.lt),
    **dict.fromkeys(("pattern", "format", "multipleOf"), operator.ne),
}
"""Bounds, and when the second takes less than the first."""


@dataclass
class Documents:
    """Where references lead, before and after; what is being compared is not compared again inside itself."""

    before: Schema
    after: Schema
    under_way: set[tuple[str, str, str]] = field(default_factory=set)


def changes(documents: Documents, before: Any, after: Any, direction: str, where: str) -> Iterator[str]:
    """Every promise of ``before`` that ``after`` does not keep."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before not in (after, False) and after is not True:
            yield f"{where}: nothing is taken any more" if direction == ASKED else f"{where}: is another"
        return
    mark = (str(before.get("$ref")), str(after.get("$ref")), direction)
    if "$ref" in before and "$ref" in after:
        if mark in documents.under_way:
            return
        documents.under_way.add(mark)
    before, after = resolved(documents.before, before), resolved(documents.after, after)
    yield from alternatives(documents, before, after, direction, where)
    if not has_branches(before) and not has_branches(after):
        yield from values(before, after, where)
        yield from fields(documents, before, after, direction, where)
        for inner in ("items", "additionalProperties"):
            if isinstance(before.get(inner), dict) and inner in after:
                yield from changes(documents, before[inner], after[inner], direction, f"{where}[]")
        if direction == ASKED:
            yield from bounds(before, after, where)
    documents.under_way.discard(mark)


def resolved(document: Schema, schema: Schema) -> Schema:
    """What a reference leads to."""
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema


def alternatives(documents: Documents, before: Schema, after: Schema, direction: str, where: str) -> Iterator[str]:
    """The types, or the branches, of which one is gone, or is new to a reader."""
    said, says = branches(documents.before, before), branches(documents.after, after)
    if "any" in (says if direction == ASKED else said):
        return
    mine, others = (said, says) if direction == ASKED else (says, said)
    for name in sorted(mine.keys() - others.keys()):
        pairs = [(mine[name], each) if direction == ASKED else (each, mine[name]) for each in others.values()]
        if (name == "integer" and "number" in others) or any(kept(documents, *pair, direction) for pair in pairs):
            continue
        yield f"{where}: {name} is no longer taken" if direction == ASKED else f"{where}: may now be {name}"
    for name in said.keys() & says.keys():
        if said[name] is not before or says[name] is not after:
            yield from changes(documents, said[name], says[name], direction, where)


def kept(documents: Documents, before: Any, after: Any, direction: str) -> bool:
    """Whether a branch of another name keeps every promise: one schema became one of several of its type."""
    alike = set(names_of(documents.before, before)) & set(names_of(documents.after, after))
    return bool(alike) and not any(changes(documents, before, after, direction, ""))


def branches(document: Schema, schema: Schema) -> dict[str, Any]:
    """What a value may be, by name; ``any`` where nothing is said."""
    if has_branches(schema):
        several = schema.get("anyOf") or schema["oneOf"]
        names = [(name, each) for each in several for name in names_of(document, each)]
        counts = Counter(name for name, _ in names)
        return {name if counts[name] == 1 else each.get("$ref", name): each for name, each in names}
    types = schema.get("type")
    if isinstance(types, list):
        return {each: {**schema, "type": each} for each in types}
    return dict.fromkeys(names_of(document, schema), schema)


def has_branches(schema: Schema) -> bool:
    """Whether a value may be one of several."""
    return bool(schema.get("anyOf") or schema.get("oneOf"))


def names_of(document: Schema, branch: Schema) -> list[str]:
    """What one branch is called: its kind, or its types."""
    found = resolved(document, branch)
    kind = found.get("properties", {}).get("kind", {}).get("const")
    if kind is not None:
        return [str(kind)]
    if has_branches(found):
        return list(branches(document, found))
    types = found.get("type", "value" if {"const", "enum", "properties"} & found.keys() else "any")
    return list(types) if isinstance(types, list) else [types]


def values(before: Schema, after: Schema, where: str) -> Iterator[str]:
    """Words that are gone from an enumeration, in either direction: whoever knows one relies on it."""
    said, says = enumerated(before), enumerated(after)
    if said is not None and says is not None:
        yield from (f"{where}: the value {value!r} is gone" for value in said if value not in says)


def enumerated(schema: Schema) -> list[Any] | None:
    """The values there are, where they are listed."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def fields(documents: Documents, before: Schema, after: Schema, direction: str, where: str) -> Iterator[str]:
    """The properties of an object."""
    said, says = before.get("properties", {}), after.get("properties", {})
    must, must_now = set(before.get("required", [])), set(after.get("required", []))
    for name, schema in said.items():
        if name not in says:
            yield f"{where}.{name} is gone"
            continue
        if direction == TOLD and name in must and name not in must_now:
            yield f"{where}.{name} may now be missing"
        yield from changes(documents, schema, says[name], direction, f"{where}.{name}")
    if direction == ASKED:
        yield from (f"{where}.{name} is newly required" for name in sorted(must_now - must))
        if after.get("additionalProperties") is False and before.get("additionalProperties") is not False:
            yield f"{where}: unknown fields are newly refused"


def bounds(before: Schema, after: Schema, where: str) -> Iterator[str]:
    """What is taken of a request: new or tighter."""
    for name, tighter in TIGHTER.items():
        if name in after and (name not in before or tighter(after[name], before[name])):
            yield f"{where}: {name} is {after[name]!r}, was {before.get(name, 'not there')!r}"
    if before.get("uniqueItems") is not True and after.get("uniqueItems") is True:
        yield f"{where}: repetitions are newly refused"
