"""Ended in the middle of a backtest: the same command goes on to what an undisturbed one leaves."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faults.harness import WORLD, Workplace
from faults.law import assert_lawful, kept_by_mlflow
from faults.points import BACKTEST, SIGNALS, ended_at, turn

AGING = {
    "name": "aging",
    "data": WORLD,
    "models": ["popularity"],
    "evaluation": {"metrics": ["ndcg"], "k": [10]},
}
COMMAND = ("backtest", "spec.yaml", "--every", "30d", "--periods", "3", "--out", "result")


def table(place: Workplace) -> pd.DataFrame:
    """Its table, without what is measured."""
    return pd.read_csv(place.out / "backtest.csv").drop(columns="cpu_seconds")


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, databases: Path, server: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of a backtest that nothing disturbed, and what MLflow holds of it."""
    place = Workplace(tmp_path_factory.mktemp("undisturbed") / "place", AGING).seed(databases)
    ended = place.run(*COMMAND, PREFECT_API_URL=server)
    assert ended.status == 0, ended.said
    return table(place), kept_by_mlflow(place.home)


@pytest.mark.soak
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("point", BACKTEST)
def test_ended_at_each_point(
    place: Workplace,
    databases: Path,
    server: str,
    undisturbed: tuple[pd.DataFrame, dict[str, Any]],
    point: str,
    number: signal.Signals,
) -> None:
    place.seed(databases).write("spec.yaml", AGING)
    start = partial(place.start, *COMMAND, PREFECT_API_URL=server)
    ended_at(BACKTEST[point], number, place, start, with_children=turn(point, BACKTEST)[1])
    ended = start().wait()
    assert ended.status == 0, ended.said
    pd.testing.assert_frame_equal(table(place), undisturbed[0], check_exact=True)
    assert_lawful(place, undisturbed[1])
