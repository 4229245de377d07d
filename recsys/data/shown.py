"""Values as messages show them."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 60
LONGEST_TITLE = 120
# Embeddings, overrides and isolates of direction: unclosed, they turn the letters that come after a title.
TURNING = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def short(text: str, longest: int = LONGEST) -> str:
    """The start of a text, with an ellipsis where it is longer.

    >>> short("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short_title(name: object) -> str:
    """The title of an item, as long as a page can bear."""
    return short(str(name), LONGEST_TITLE)


def quoted(value: object) -> str:
    """A value between quotes, as long as a message can bear.

    >>> quoted("a" * 99)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'"
    """
    return f"'{short(str(value))}'"


def listed(names: Iterable[str], longest: int = 10 * LONGEST) -> str:
    """Names in a row, each as short as a value, all as long as a message can bear."""
    return short(", ".join(map(short, names)), longest)
