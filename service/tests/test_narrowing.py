"""What one schema no longer promises of another, example by example."""

from typing import Any

import pytest

from service.narrowing import ASKED, TOLD, Documents, changes

TEXT, WHOLE, NUMBER, NULL = ({"type": name} for name in ("string", "integer", "number", "null"))


def an(*required: str, **properties: Any) -> dict[str, Any]:
    """An object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def either(*branches: Any) -> dict[str, Any]:
    """One of several."""
    return {"anyOf": list(branches)}


def found(before: Any, after: Any, direction: str, **definitions: Any) -> list[str]:
    """What is broken, called x."""
    documents = Documents({"$defs": definitions}, {"$defs": definitions})
    return list(changes(documents, before, after, direction, "x"))


@pytest.mark.parametrize(
    ("before", "after", "asked", "told"),
    [
        (an(a=TEXT), an(), ["x.a is gone"], ["x.a is gone"]),
        (an(), an(a=TEXT), [], []),
        (an(a=TEXT), an("a", a=TEXT), ["x.a is newly required"], []),
        (an("a", a=TEXT), an(a=TEXT), [], ["x.a may now be missing"]),
        (TEXT, WHOLE, ["x: string is no longer taken"], ["x: may now be integer"]),
        (TEXT, either(TEXT, NULL), [], ["x: may now be null"]),
        (either(TEXT, NULL), TEXT, ["x: null is no longer taken"], []),
        ({"type": ["string", "null"]}, either(TEXT, NULL), [], []),
        (NUMBER, WHOLE, ["x: number is no longer taken"], []),
        (WHOLE, NUMBER, [], ["x: may now be number"]),
        (TEXT, {}, [], ["x: may now be any"]),
        ({}, TEXT, ["x: any is no longer taken"], []),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}, ["x: the value 'a' is gone"], ["x: the value 'a' is gone"]),
        ({"const": "a"}, {"enum": ["a", "b"]}, [], []),
        (TEXT, TEXT | {"maxLength": 9}, ["x: maxLength is 9, was 'not there'"], []),
        (TEXT | {"maxLength": 9}, TEXT | {"maxLength": 8}, ["x: maxLength is 8, was 9"], []),
        (TEXT | {"maxLength": 9}, TEXT | {"maxLength": 10}, [], []),
        (NUMBER | {"minimum": 0}, NUMBER | {"minimum": 1}, ["x: minimum is 1, was 0"], []),
        (TEXT | {"pattern": "a"}, TEXT | {"pattern": "b"}, ["x: pattern is 'b', was 'a'"], []),
        (TEXT | {"pattern": "a"}, TEXT, [], []),
        (an(), an() | {"additionalProperties": False}, ["x: unknown fields are newly refused"], []),
        (
            {"type": "array", "items": TEXT},
            {"type": "array", "items": WHOLE},
            ["x[]: string is no longer taken"],
            ["x[]: may now be integer"],
        ),
        (
            {"type": "object", "additionalProperties": an(a=TEXT)},
            {"type": "object", "additionalProperties": an()},
            ["x[].a is gone"],
            ["x[].a is gone"],
        ),
    ],
)
def test_one_change(before: Any, after: Any, asked: list[str], told: list[str]) -> None:
    """In a request and in an answer; and nothing is broken by what stays as it is."""
    assert found(before, after, ASKED) == asked
    assert found(before, after, TOLD) == told
    for same in (before, after):
        assert found(same, same, ASKED) == found(same, same, TOLD) == []


def method(kind: str, **properties: Any) -> dict[str, Any]:
    """One branch of a discriminated union."""
    return an("kind", kind={"const": kind}, **properties)


def test_branches_are_known_by_their_kind() -> None:
    """Not by their place; one that is gone is no longer taken, and what changed within one is found."""
    before = either(method("nemo", theta=NUMBER), method("wanda"))
    assert found(before, either(method("wanda"), method("nemo", theta=NUMBER)), ASKED) == []
    assert found(before, either(method("nemo", theta=NUMBER)), ASKED) == ["x: wanda is no longer taken"]
    assert found(before, either(method("nemo"), method("wanda")), ASKED) == ["x.theta is gone"]


def test_references_are_followed_and_their_names_are_no_promise() -> None:
    """A renamed definition is the same; one that refers to itself comes to an end."""
    tree = an(left={"$ref": "#/$defs/Tree"}, a=TEXT)
    bush = an(left={"$ref": "#/$defs/Bush"})
    said, says = {"$ref": "#/$defs/Tree"}, {"$ref": "#/$defs/Bush"}
    assert found(said, says, TOLD, Tree=tree, Bush=bush | {"properties": bush["properties"] | {"a": TEXT}}) == []
    assert found(said, says, TOLD, Tree=tree, Bush=bush) == ["x.a is gone"]
    assert found(said, either(says, NULL), ASKED, Tree=tree, Bush=tree) == []


def test_one_schema_may_become_one_of_several() -> None:
    """Whoever sends it is still understood; whoever reads it meets another, and one that is gone is missed."""
    inline, named = an("base64", base64=TEXT), an("digest", digest=TEXT)
    defined = {"Inline": inline, "Named": named}
    several = either({"$ref": "#/$defs/Inline"}, {"$ref": "#/$defs/Named"})
    assert found(inline, several, ASKED, **defined) == []
    assert found(inline, several, TOLD, **defined) == ["x: may now be #/$defs/Named"]
    assert found(
        inline, either({"$ref": "#/$defs/Named"}, {"$ref": "#/$defs/Named2"}), ASKED, Named=named, Named2=named
    )
