"""How pages are made."""

import base64
import hashlib
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from palimpsest.pages import look


def test_only_our_style_and_script_are_let_in() -> None:
    """By their digests, and pictures from where it is said; everything else is not."""
    assert look.source("x") == f"'sha256-{base64.b64encode(hashlib.sha256(b'x').digest()).decode()}'"
    plain = look.policy()
    assert plain.startswith("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-")
    assert plain.endswith("img-src data:")
    assert "script-src" not in plain
    whole = look.policy(images="'self'", script="x")
    assert f"img-src data: 'self'; script-src {look.source('x')}; connect-src 'self'" in whole
    assert "unsafe" not in whole
    assert "*" not in whole


def test_what_is_put_in_is_escaped_and_nothing_is_left_out(tmp_path: Path) -> None:
    """In text and in attributes; a name nobody gave is an error and not an empty place."""
    (tmp_path / "a.txt").write_text('<p title="{{ word }}">{{ word }}</p>')
    word = "<b> & \"'"
    assert look.page(tmp_path, "a.txt", word=word) == (
        '<p title="&lt;b&gt; &amp; &#34;&#39;">&lt;b&gt; &amp; &#34;&#39;</p>'
    )
    with pytest.raises(UndefinedError):
        look.page(tmp_path, "a.txt")


def test_the_style_sheet_loads_nothing_and_ends_nothing() -> None:
    """It stands in the page as it is."""
    assert "</" not in look.STYLE
    assert "url(" not in look.STYLE
    assert "@import" not in look.STYLE
