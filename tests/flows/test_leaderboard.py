"""The leaderboard in the terminal."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from flows.leaderboard import leaderboard_table
from recsys.report.text_board import BAR

ROW = {
    **{"model": "ease", "control": False, "status": "ok", "seeds": 1, "folds": 1, "tuned": False},
    **{"ndcg@5": 0.3, "ndcg@10": 0.41234, "recall@10": 0.2, "coverage@10": 0.5, "rmse": np.nan},
    **{"ndcg@10_low": 0.4, "ndcg@10_high": 0.42, "difference_to_best": 0.0},
    **{"p_adjusted": np.nan, "group": "a"},
    **{"fit_seconds": 1.26, "recommend_seconds": 0.1, "cpu_seconds": 2.0, "peak_memory_mb": 123.4},
    **{"model_bytes": 10, "mlflow_run_id": "r"},
}
MISSING = dict.fromkeys([name for name, value in ROW.items() if isinstance(value, float)], np.nan)


def row(**changes):
    return {**ROW, **changes}


@pytest.fixture
def shown():
    """The lines of the table of these rows."""

    def lines(*rows, primary="ndcg@10"):
        stream = io.StringIO()
        Console(file=stream, width=200, color_system=None).print(leaderboard_table(pd.DataFrame(rows), primary))
        return [line.rstrip() for line in stream.getvalue().splitlines()]

    return lines


def test_columns_are_those_of_the_primarys_length(shown):
    header = shown(row())[0].split()
    assert header == [
        "model",
        "ndcg@10",
        "95",
        "%",
        "interval",
        "to",
        "best",
        "group",
        "recall@10",
        "coverage@10",
        "fit",
        "s",
        "peak",
        "MB",
    ]


def test_rmse_where_somebody_has_one(shown):
    header, ease, mf = shown(row(), row(model="mf", rmse=0.912345))
    assert "rmse" in header
    assert "0.9123" in mf
    assert "nan" not in ease
    assert "rmse" not in shown(row())[0]


def test_a_row(shown):
    line = shown(
        row(),
        row(model="knn", **{"ndcg@10": 0.35, "ndcg@10_low": 0.3, "ndcg@10_high": 0.36, "difference_to_best": -0.06234}),
    )
    assert line[1].split()[:2] == ["ease", "0.4123"]
    assert " best " in line[1]
    assert line[1].split()[-4:] == ["0.2000", "0.5000", "1.3", "123"]
    assert "-0.0623" in line[2]


def test_intervals_share_a_scale(shown):
    low = row(model="a", **{"ndcg@10": 0.05, "ndcg@10_low": 0.0, "ndcg@10_high": 0.1})
    high = row(model="b", **{"ndcg@10": 0.95, "ndcg@10_low": 0.9, "ndcg@10_high": 1.0})
    bars = [line[line.index("0.") :] for line in shown(high, low)[1:]]
    assert bars[0].split()[1:4] == ["0.9000", "·" * 15 + "━┿━", "1.0000"]
    assert bars[1].split()[1:4] == ["0.0000", "━┿━" + "·" * 15, "0.1000"]
    assert all(len(bar.split()[2]) == BAR for bar in bars)


def test_all_intervals_alike(shown):
    same = row(**{"ndcg@10": 0.5, "ndcg@10_low": 0.5, "ndcg@10_high": 0.5})
    assert shown(same)[1].split()[3] == "┿" + "·" * (BAR - 1)


def test_without_intervals(shown):
    line = shown(row(**{"ndcg@10_low": np.nan, "ndcg@10_high": np.nan}))[1]
    assert "┿" not in line
    assert "0.4123" in line


def test_a_control(shown):
    assert shown(row(control=True, difference_to_best=np.nan, group=np.nan))[1].startswith("ease (control)")


def test_a_failed_model(shown):
    lines = shown(row(), {**row(**MISSING), "model": "mf", "status": "ran out of its 5 seconds"})
    assert lines[2].split()[:2] == ["mf", "failed"]
    assert "ran out of its 5 seconds" in lines[2]
    assert shown({**row(**MISSING), "status": "broken"})[1].split() == ["ease", "failed", "broken"]


def test_at_most_six_other_columns(shown):
    many = {f"{name}@10": 0.1 for name in ("recall", "precision", "map", "mrr", "hit_rate", "coverage", "novelty")}
    header = shown(row(**many))[0]
    assert "coverage@10" in header
    assert sum(f"{name}@10" in header for name in ("recall", "precision", "map", "mrr", "hit_rate", "novelty")) == 5
