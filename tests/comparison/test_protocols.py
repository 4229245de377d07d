"""Two protocols side by side: ranks, rank correlation, and the verdicts that flip."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import kendalltau

from recsys.comparison.leaderboard import Outcome, leaderboard
from recsys.comparison.protocols import side_by_side, taus

NAMES = ("random split", "temporal split")


@pytest.fixture
def board(tmp_path):
    """Writes a comparison of models with these means over 200 users; the first has the control."""

    def write(name, means, n_users=200, primary="ndcg@10", failed=()):
        folder = tmp_path / name
        folder.mkdir()
        noise = np.random.default_rng(len(name)).normal(0, 0.02, (len(means), n_users))
        taste = np.random.default_rng(1).normal(0, 0.1, n_users)
        values = {label: mean + taste + noise[i] for i, (label, mean) in enumerate(means.items())}
        about = {"seed": 1, "fold": 0, "user": range(n_users)}
        per_user = pd.concat([pd.DataFrame({"model": label, **about, primary: each}) for label, each in values.items()])
        outcomes = [Outcome(label, control=label == "popularity") for label in means]
        outcomes += [Outcome(label, status="too slow") for label in failed]
        found = leaderboard(per_user, outcomes, [primary], primary, resamples=500)
        found.frame.to_csv(folder / "leaderboard.csv", index=False)
        found.pairs.to_csv(folder / "pairs.csv", index=False)
        per_user.to_parquet(folder / "per_user.parquet", index=False)
        (folder / "spec.yaml").write_text(yaml.safe_dump({"evaluation": {"primary": primary}}))
        return folder

    return write


def test_an_order_turned_round(board):
    one = board("one", {"ease": 0.5, "knn": 0.4, "mf": 0.3, "popularity": 0.35})
    other = board("other", {"ease": 0.3, "knn": 0.4, "mf": 0.5, "popularity": 0.1})
    found = side_by_side(one, other, NAMES)
    assert (found.tau, found.low, found.high) == (-1.0, -1.0, -1.0)
    assert found.flips == ("ease", "mf")
    assert found.reversed == (("ease", "knn"), ("ease", "mf"), ("knn", "mf"))
    assert [(each.model, each.ranks, each.leads) for each in found.standings] == [
        ("ease", (1, 3), (True, False)),
        ("knn", (2, 2), (False, False)),
        ("popularity", (3, 4), (None, None)),
        ("mf", (4, 1), (False, True)),
    ]
    assert json.loads(json.dumps(found.facts()))["tau"] == -1.0


def test_the_same_order(board):
    one = board("one", {"ease": 0.5, "knn": 0.4, "mf": 0.3})
    found = side_by_side(one, board("other", {"ease": 0.9, "knn": 0.7, "mf": 0.6}), NAMES)
    assert (found.tau, found.flips, found.reversed) == (1.0, (), ())


def test_close_models_make_the_correlation_unsure(board):
    one = board("one", {"ease": 0.5, "knn": 0.4, "mf": 0.3})
    found = side_by_side(one, board("other", {"ease": 0.5, "knn": 0.4, "mf": 0.4001}), NAMES)
    assert found.low < found.high == 1.0


def test_an_error_is_better_when_it_is_smaller(board):
    """By rank the two agree; an error has no interval here, as the weights of users are not in the table."""
    one = board("one", {"ease": 0.5, "knn": 0.4, "mf": 0.3})
    found = side_by_side(one, board("other", {"ease": 0.7, "knn": 0.8, "mf": 0.9}, primary="rmse"), NAMES)
    assert (found.tau, found.low, found.metrics) == (1.0, None, ("ndcg@10", "rmse"))
    assert [each.ranks for each in found.standings] == [(1, 1), (2, 2), (3, 3)]


def test_only_what_both_have(board):
    one = board("one", {"ease": 0.5, "knn": 0.4}, failed=["mf"])
    found = side_by_side(one, board("other", {"mf": 0.5, "knn": 0.4, "popularity": 0.1}), NAMES)
    assert [(each.model, each.ranks) for each in found.standings] == [("knn", (1, 1))]
    assert (found.tau, found.flips) == (None, ())


def test_equal_values_have_no_order(board):
    one = board("one", {"ease": 0.5, "knn": 0.4})
    other = board("other", {"ease": 0.4, "knn": 0.4})
    table = pd.read_csv(other / "leaderboard.csv").assign(**{"ndcg@10": 0.0})
    table.to_csv(other / "leaderboard.csv", index=False)
    found = side_by_side(one, other, NAMES)
    assert (found.tau, found.low, found.high) == (None, None, None)


def test_few_users_have_no_verdicts(board):
    one = board("one", {"ease": 0.5, "knn": 0.4}, n_users=20)
    found = side_by_side(one, board("other", {"ease": 0.4, "knn": 0.5}, n_users=20), NAMES)
    assert (found.tau, found.low, found.flips, found.reversed) == (-1.0, None, (), ())


def test_taus_are_those_of_scipy():
    one, other = np.random.default_rng(0).normal(size=(2, 20, 7))
    wanted = [kendalltau(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(taus(one, other), wanted)
