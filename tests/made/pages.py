"""A page taken apart, and what holds for every one."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "wbr", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page taken apart: what is nested wrongly, all tags, headings, and text by tag."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.wrong, self.tags, self.said = text, [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data):
        self.said.append((self.open[-1] if self.open else None, data))

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    def texts(self, name):
        return [data for tag, data in self.said if tag == name]

    @property
    def prose(self):
        return " ".join(data for tag, data in self.said if tag not in ("style", "script"))


def check(page):
    """What holds for every page."""
    assert page.wrong == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "src")]
        href = attributes.get("href")
        assert href is None or href.startswith(("#", "data:"))
        assert href is None or not href.startswith("#") or href[1:] in ids
        assert attributes.get("aria-labelledby") is None or attributes["aria-labelledby"] in ids
    assert not re.search(r"https?://|url\(|@import", page.text)
    assert not re.search(r"\b(NaN|nan|inf|None|undefined)\b", re.sub(r"<script>.*</script>", "", page.text, flags=re.S))
    for table in page.text.split("<table")[1:]:
        table = table.partition("</table>")[0]
        assert "<caption" in table
        widths = [_width(row) for row in table.split("<tr")[1:]]
        assert len(set(widths)) == 1, table
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in page.all("svg"))
    assert all("scope" in attributes for attributes in page.all("th"))


def _width(row):
    """Columns that the cells of a row of a table fill."""
    spans = (re.search(r'colspan="(\d+)"', cell) for cell in re.findall(r"<t[dh]\b[^>]*>", row))
    return sum(int(span[1]) if span else 1 for span in spans)


def sideways(page):
    """How many pixels a page in a browser scrolls sideways once all of it is open."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"]


def misplaced(page):
    """Parts of the figures of a page in a browser that stick out, and texts that lie on one another."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".picture svg")].flatMap(svg => {
            const edge = svg.getBoundingClientRect();
            const outside = [...svg.querySelectorAll("text, path, rect, line, circle")].filter(part => {
                const box = part.getBoundingClientRect();
                return box.left < edge.left - 2 || box.right > edge.right + 2 || box.bottom > edge.bottom + 2
                    || box.top < edge.top - 2;
            });
            const texts = [...svg.querySelectorAll("text")];
            const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
            const over = boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([other, b]) =>
                Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([other]) => `${one} / ${other}`));
            return [...outside.map(part => part.textContent || part.outerHTML), ...over];
        })"""
    )
