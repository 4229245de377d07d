"""Tags as text that is safe to put into a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Child = str | Iterable[Markup]


def tag(name: str, *children: Child, **attributes: object) -> Markup:
    """An element; everything in it is escaped unless it is Markup already.

    Attributes that are None are left out; `class_` is class, `text_anchor` is text-anchor; floats get one decimal.

    >>> str(tag("text", "a < b", x=1.25, text_anchor="end", dy=None))
    '<text x="1.2" text-anchor="end">a &lt; b</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) if isinstance(child, str) else join(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def join(parts: Iterable[Markup]) -> Markup:
    """The parts one after another."""
    return Markup("").join(parts)


def svg(width: float, height: float, label: str, *children: Child, **attributes: object) -> Markup:
    """A picture with a text alternative."""
    view = f"0 0 {_plain(float(width))} {_plain(float(height))}"
    about = {"viewBox": view, "width": width, "height": height, "role": "img", "aria_label": label}
    return tag("svg", *children, **about, **attributes)


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a line through points; empty without any.

    >>> path([(0, 1), (10.04, 2)])
    'M0 1L10 2'
    """
    return "".join(f"{'L' if i else 'M'}{_plain(float(x))} {_plain(float(y))}" for i, (x, y) in enumerate(points))


def _plain(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
