"""What an audit looks at, an image with its caption, and what a probe brings back of it."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from worker.engine.regions import Local


@dataclass(frozen=True)
class Item:
    """``picture`` is 3×H×W in [0, 1]; ``prompt`` is None where only the work is known, not its caption.

    A picture near ``picture`` or any of ``others``, further images of the same work, is a copy. With ``local`` only a
    region of ``picture`` is compared, and ``others`` are not.
    """

    id: str
    role: Literal["target", "control"]
    prompt: str | None
    picture: Tensor
    others: tuple[Tensor, ...] = ()
    local: Local | None = None


@dataclass(frozen=True)
class Trial:
    """An item on one mitigated model: targets meet their own, controls that of the target they stand beside.

    ``index`` is the group's place in the edit; None where one model serves every row.
    """

    item: Item
    group: str
    index: int | None


@dataclass(frozen=True)
class Answer:
    """``pictures`` S×3×H×W are the evaluation images; the rest describes the search that led to them, if any.

    ``loss`` is the search's loss at every step, ``first_step`` the look at which a confirmed hit appeared,
    ``text`` what was asked, where the answer is one to a text that the probe itself found. Picture s was drawn from the
    noise named (*``noise``, item, s).
    """

    pictures: Tensor
    start: str | None = None
    steps: int | None = None
    first_step: int | None = None
    loss: tuple[float, ...] = ()
    embedding: Tensor | None = None
    text: str | None = None
    noise: tuple[str | int, ...] = ()
