"""How pages are made: the one place where Jinja2 is, the style sheet, and what a browser may load for them.

Whatever is put into a page is escaped: prompts, ids and labels are other people's words. A name that a template uses
and nobody gave is an error.
"""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
STYLE = (HERE / "look.css").read_text()

NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'"
"""The beginning of every policy (Content Security Policy, level 3)."""


def source(text: str) -> str:
    """The source expression of an inline style or script: it may be used, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(*, images: str = "", script: str = "") -> str:
    """What a page may load: our style sheet, pictures that are in it or come from ``images``, and this very script,
    which may ask only us."""
    parts = [NOTHING_ELSE, f"style-src {source(STYLE)}", f"img-src data: {images}".rstrip()]
    if script:
        parts.append(f"script-src {source(script)}; connect-src 'self'")
    return "; ".join(parts)


@lru_cache
def environment(folder: Path) -> Environment:
    """Templates of this folder, and behind them our own."""
    made = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = Markup(STYLE)  # noqa: S704 - our own file
    return made


def page(folder: Path, name: str, **told: Any) -> str:
    """A template of this folder, filled in."""
    return environment(folder).get_template(name).render(told)


def trusted(text: str) -> Markup:
    """A file of ours that stands in a page as it is, such as a script; never anything that was sent."""
    return Markup(text)  # noqa: S704
