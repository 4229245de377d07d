"""The figures of a report as files of their own, for pages that show pictures and no report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from recsys.data.dataset import Dataset
from recsys.report.board import Board
from recsys.report.figures.base import Figure
from recsys.report.figures.by_k import by_k
from recsys.report.figures.cost import cost
from recsys.report.figures.data import data_figures
from recsys.report.figures.segments import segments
from recsys.report.figures.training import training
from recsys.report.fill import inlined
from recsys.report.palette import styles
from recsys.report.svg import tag

START = re.compile(r"<svg[^>]*>")


def write_pictures(folder: Path, board: Path, dataset: Path) -> None:
    """Write the figures of the comparison in the folder `board`, whose data are in the folder `dataset`, as SVG files.

    folder: is made. A file is named by its section and its title, as `segments-age-of-account.svg`.
    """
    folder.mkdir()
    for section, figure in _figures(Board.load(board), Dataset.load(dataset)):
        words = re.findall(r"[a-z0-9]+", figure.title.lower())
        (folder / f"{'-'.join([section, *words])[:80]}.svg").write_text(_whole(figure), encoding="utf-8")


def _figures(board: Board, data: Dataset) -> Iterator[tuple[str, Figure]]:
    looks = styles([row.label for row in board.ok], [row.label for row in board.ok if row.control])
    against_cost = cost(board, looks)
    sections = {
        "by-k": by_k(board, looks),
        "cost": [] if against_cost is None else [against_cost],
        "segments": segments(board, looks),
        "training": training(board, looks),
        "data": data_figures(data, board.manifest["data"]),
    }
    return ((section, figure) for section, figures in sections.items() for figure in figures)


def _whole(figure: Figure) -> str:
    """The picture with the style of the page inside, and its title and caption for who cannot see it."""
    inside = tag("title", figure.title) + tag("desc", figure.caption)
    style = Markup("<style>{}\nsvg {{ background: var(--paper) }}</style>").format(Markup(inlined("page.css")))
    start = START.match(figure.picture)
    assert start is not None, "a picture is an svg element"
    opened = Markup(start[0].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))
    return opened + inside + style + figure.picture[start.end() :]
