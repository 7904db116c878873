"""The two kinds of message: what is asked forbids unknown fields, what is told ignores them."""

from pydantic import BaseModel, ConfigDict


class Asked(BaseModel):
    """Part of a request: frozen, finite, and a misspelt field is an error, never a silent default.

    Strict, as the schema is: ``true`` is no number, and neither is ``"1"``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Told(BaseModel):
    """Part of an answer: frozen, finite, without defaults, and readable by clients older than a new field.

    Finite, for JSON would turn a NaN into a null that no reader expects: whoever measured it has to say so in words.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
