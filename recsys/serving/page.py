"""The page at /: the operations page where one is given, else a few lines on what is served."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from recsys.retrieval.ann import VectorIndex
from recsys.serving.state import Serving

LARGEST = 32_000_000

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem; padding: 0 1rem;
       color: #222; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem } dt { color: #666 } dd { margin: 0 }
.trouble { border-left: 4px solid #b00; padding-left: 1rem } input, button { font: inherit; padding: .2rem .5rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } dt { color: #999 } a { color: #8bf } }
"""


class Page:
    """What / shows. path: a page of one file; it is read again when it changes, and a small one shown without it."""

    def __init__(self, state: Serving, path: Path | None = None) -> None:
        self.state, self.path = state, path
        self._read: tuple[tuple[int, int], bytes] | None = None

    def html(self) -> bytes:
        """The page, as UTF-8."""
        found = self._stored()
        return found if found is not None else small_page(self.state).encode()

    def _stored(self) -> bytes | None:
        if self.path is None:
            return None
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._read is None or self._read[0] != stamp:
                if status.st_size > LARGEST:
                    return None
                self._read = (stamp, self.path.read_bytes())
        except OSError:
            return None
        return self._read[1]


def small_page(state: Serving) -> str:
    """Name, version, age and troubles, links to what can be asked, and a form to ask for a user."""
    live = state.live
    about, facts = live.bundle.about, live.bundle.facts
    rows = {
        "Version": live.version,
        "Model": about.family,
        "Made": facts.created.strftime("%Y-%m-%d %H:%M UTC"),
        "Served since": datetime.fromtimestamp(live.since, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Users": f"{about.users:,}",
        "Items": f"{about.items:,}",
        "Retrieval": _retrieval(live.bundle.index),
        **facts.notes,
    }
    lines = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    troubles = "".join(
        f'<p class="trouble">{escape(trouble.what)}: {escape(str(trouble.error.get("message")))}</p>'
        for trouble in state.troubles.values()
    )
    ids = live.bundle.users.ids
    example = escape(str(ids[0])) if len(ids) else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(facts.name)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{escape(facts.name)}</h1>{troubles}<dl>{lines}</dl>"
        f'<form action="/recommend"><label>User <input name="user" value="{example}" required></label> '
        '<button>Recommend</button></form><p><a href="/version">version</a> · <a href="/health">health</a> · '
        '<a href="/metrics">metrics</a> · <a href="/openapi.json">interface</a></p></html>'
    )


def _retrieval(index: VectorIndex | None) -> str:
    if index is None:
        return "every item is looked at"
    return "an index" + "".join(f", recall@{quality.k} {quality.recall:.3f}" for quality in index.quality)
