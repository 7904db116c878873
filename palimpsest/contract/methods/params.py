"""What the parameters of every method have."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field

from palimpsest.contract.model import Asked

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

Scope = Literal["joint", "per_target"]

S = TypeVar("S")


def each_once(starts: list[S], more: str) -> list[S]:
    """The same list; raises ValueError where a kind is named twice, and names the parameter that asks for more."""
    if len(set(starts)) != len(starts):
        raise ValueError(f"a kind of start is named twice; use {more} for more of one kind")
    return starts


class Params(Asked):
    """What every method has: a kind, and an id that defaults to it."""

    id: Identifier | None = Field(None, description="names this method in the report; defaults to its kind")

    @property
    def name(self) -> str:
        """The id, or the kind where none was given."""
        return self.id or str(self.kind)  # type: ignore[attr-defined]
