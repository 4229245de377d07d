"""The published splits of MovieLens-100K, made of u.data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from made.scripts import opened

from recsys.experiment.spec import Experiment


@pytest.fixture(scope="module")
def script():
    return opened("scripts/public_splits.py")


def test_what_is_in_each(script):
    """Ten rows of users a and b in turns: fifths by place, ua and ub by how many rows of the user came before."""
    rows = pd.DataFrame({"user": list("ab") * 15, "item": range(30)})
    parts = {name: np.flatnonzero(test).tolist() for name, test in script.parts_of(rows).items()}
    assert parts["u1"] == [0, 1, 2, 3, 4, 5]
    assert parts["u5"] == [24, 25, 26, 27, 28, 29]
    assert parts["ua"] == list(range(20))
    assert parts["ub"] == list(range(20, 30))


def test_the_tables_say_what_was_compared(script, tmp_path):
    for name, ndcg in (("u1", 0.5), ("ua", 0.3)):
        (tmp_path / "out" / name).mkdir(parents=True)
        rows = f"ease,ok,{ndcg},\nmf,ok,{ndcg / 2},0.9\nslim,failed,,\n"
        (tmp_path / "out" / name / "leaderboard.csv").write_text("model,status,ndcg@10,rmse\n" + rows)
    assert script.table(tmp_path).splitlines() == [
        "| ndcg@10 | u1 | ua |",
        "|---|---|---|",
        "| `ease` | 0.500 | 0.300 |",
        "| `mf` | 0.250 | 0.150 |",
        "",
        "| rmse | u1 | ua |",
        "|---|---|---|",
        "| `mf` | 0.900 | 0.900 |",
    ]


@pytest.mark.data
def test_they_are_the_published_ones(script, data_dir, tmp_path):
    """Counts of u1.test as it is distributed, and what MyMediaLite's manual reports for each user's mean there."""
    script.write_splits(data_dir, tmp_path)
    base, test = (pd.read_csv(tmp_path / f"u1.{part}.csv") for part in ("base", "test"))
    assert (len(base), len(test), test["user"].nunique(), test["item"].nunique()) == (80_000, 20_000, 459, 1_410)
    error = test["rating"] - test["user"].map(base.groupby("user")["rating"].mean())
    assert (round(np.sqrt((error**2).mean()), 3), round(error.abs().mean(), 5)) == (1.063, 0.85019)
    ua = pd.read_csv(tmp_path / "ua.test.csv")
    assert set(ua.groupby("user").size()) == {10}
    Experiment.model_validate(yaml.safe_load((tmp_path / "u1.yaml").read_text()))
