"""The report: one HTML file that opens with no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.comparison.protocols import Protocols
from recsys.data.dataset import Dataset
from recsys.report import facts, standings
from recsys.report.board import Board
from recsys.report.definitions import definitions, shared_choices
from recsys.report.figures.by_k import by_k
from recsys.report.figures.cost import cost
from recsys.report.figures.data import data_figures
from recsys.report.figures.segments import segments
from recsys.report.figures.training import training
from recsys.report.fill import fill
from recsys.report.leaks import leaks_table
from recsys.report.palette import styles
from recsys.report.protocols import protocols_section
from recsys.report.tuning import tuning_section
from recsys.report.users import users_page
from recsys.report.verdict import verdict
from recsys.report.words import column_name


def write_report(path: Path, board: Path, dataset: Path, protocols: Protocols | None = None) -> None:
    """Write the report of the comparison in the folder `board`, whose data are in the folder `dataset`.

    protocols: how it stands beside the same experiment under another protocol.
    """
    path.write_text(render(Board.load(board), Dataset.load(dataset), protocols), encoding="utf-8")


def render(board: Board, data: Dataset, protocols: Protocols | None = None) -> str:
    """The page. The same board and data give the same text."""
    section = None if protocols is None else protocols_section(protocols)
    return fill("page.html", protocols=section, **_content(board, data))


def _content(board: Board, data: Dataset) -> dict[str, Any]:
    looks = styles([row.label for row in board.ok], [row.label for row in board.ok if row.control])
    about = board.manifest["data"]
    folds = board.manifest["split"]["folds"]
    return {
        "board": board,
        "name": str(board.spec["name"]),
        "meta": facts.meta(board),
        "metric": column_name(board.primary),
        "verdict": verdict(board),
        "lines": standings.lines(board, looks),
        "other_titles": standings.titles(standings.other_columns(board)),
        "spreads": standings.spreads(board),
        "by_k": by_k(board, looks),
        "cost": cost(board, looks),
        "segments": segments(board, looks),
        "users": users_page(board),
        "cost_columns": standings.cost_columns(board),
        "cost_lines": [(row, standings.cost_cells(board, row)) for row in board.rows if row.measured],
        "looks": looks,
        "training": training(board, looks),
        "data_figures": data_figures(data, about),
        "data_facts": facts.data_facts(about),
        "features": facts.features_table(about),
        "split_table": facts.split_table(folds),
        "split_facts": facts.split_facts(folds),
        "cold": facts.cold_table(board),
        "warnings": list(board.manifest.get("warnings", [])),
        "leaks": leaks_table(board),
        "settings": facts.settings(board),
        "tuning": tuning_section(board, looks),
        "origin": facts.origin(board),
        "definitions": definitions(board),
        "choices": shared_choices(board),
    }
