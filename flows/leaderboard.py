"""The leaderboard as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from recsys.comparison.leaderboard import OK
from recsys.report.text_board import GROUP, INTERVAL, NAME, TUNED, text_board
from recsys.report.tuning_words import tuning_in_words

if TYPE_CHECKING:
    import pandas as pd

REASON = 60


def leaderboard_table(frame: pd.DataFrame, primary: str) -> Table:
    """Rows and columns of `text_board`."""
    rows = text_board(frame, primary)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for title in rows[0]:
        is_text = title in (NAME, INTERVAL, GROUP, TUNED)
        no_wrap = title in (NAME, primary, INTERVAL, "to best", GROUP)
        table.add_column(title, justify="left" if is_text else "right", no_wrap=no_wrap)
    for row, control, status in zip(rows, frame["control"], frame["status"], strict=True):
        name, failed = escape(row[NAME]), status != OK
        row[NAME] = f"[red]{name}[/red]" if failed else f"[dim]{name}[/dim]" if control else name
        row[primary] = row[primary] if failed else f"[bold]{row[primary]}[/bold]"
        row[INTERVAL] = escape(_short(row[INTERVAL])) if failed else row[INTERVAL]
        table.add_row(*row.values())
    return table


def untuned_line(frame: pd.DataFrame) -> str | None:
    """Which models ran with settings that nobody searched for; None where none did."""
    models = frame[(frame["status"] == OK) & ~frame["control"]]
    tuned, untuned = (models.loc[models["tuned"] == is_so, "model"].tolist() for is_so in (True, False))
    return tuning_in_words(models["model"].iloc[0] if len(models) else None, tuned, untuned)


def _short(reason: str) -> str:
    """Why a model failed, in the room there is: it stands above the table and in leaderboard.csv in full."""
    return reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"
