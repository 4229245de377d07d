"""Templates as self-contained pages: style and script inside, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recsys.data.shown import TURNING

HERE = Path(__file__).parent


def fill(template: str, styles: Sequence[str] = ("page.css",), **content: Any) -> str:
    """The page that a template makes of this content. The same content gives the same text.

    styles: the files of its style, one after another.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = "\n".join(map(inlined, styles)), inlined("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    page = environment.get_template(template).render(
        policy=policy, style=Markup(style), script=Markup(script), **content
    )
    return page.translate(TURNING)


def inlined(name: str) -> str:
    """A file of this folder as text."""
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls an inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
