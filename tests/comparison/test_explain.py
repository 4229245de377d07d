"""The lists of a finished run under other definitions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made import dataset, fold, spec, world
from made.runs import finished_run, rebuilt_of

from recsys.comparison.explain import explain
from recsys.errors import RunError

METRICS = ["ndcg", "recall", "precision", "map", "mrr", "hit_rate"]


def of(lines, model="constant"):
    """The lines of a model by metric and length."""
    return {(line.metric, line.k): line for line in lines if line.model == model}


def explained(folder, data, parts, **changes):
    changes = {"models": ["constant"], "evaluation": {"metrics": METRICS, "k": [2, 4], "primary": "ndcg@4"}} | changes
    experiment = spec(**changes)
    run = finished_run(folder / "run", experiment, data, parts, "a" * 32)
    return run, explain(run, rebuilt_of(folder / "again", data, parts))


@pytest.fixture
def shelf(models):
    """Items 1 to 6, which the constant model lists in this order. User 7 wants 2 and 3 and 6, user 8 wants 4."""
    rows = [(9, item, 1) for item in range(1, 7)] + [(7, 1, 3), (8, 1, 3)]
    wanted = [(7, 2, 5), (7, 3, 1), (7, 6, 3), (8, 4, 2)]
    data = dataset(rows + wanted)
    return data, [fold(data, test=range(len(rows), len(rows) + len(wanted)))]


def test_by_hand(shelf, tmp_path):
    """Item 1 is seen: user 7 has hits at ranks 1 and 2 of 2, 3, 4, 5; user 8 at rank 3."""
    _, lines = explained(tmp_path, *shelf)
    found = of(lines)
    assert {line.model for line in lines} == {"constant", "random", "popularity"}
    recall = found["recall", 2]
    assert recall.values["recsys"] == pytest.approx((2 / 3 + 0) / 2)
    assert recall.values["LensKit"] == pytest.approx((2 / 2 + 0) / 2)
    assert recall.values["TFRS"] == pytest.approx(2 / 4)
    assert recall.values["implicit"] is None
    assert recall.spread == pytest.approx(1 / 2 - 1 / 3)
    assert found["precision", 4].values["implicit"] == pytest.approx(3 / (3 + 1))
    assert found["map", 4].values["RecTools"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["mrr", 4].spread == 0


def test_values_decide_in_elliot(shelf, tmp_path):
    """Values 5 and 1 of the hits and 3 of the miss gain 63, 3 and 15 above a threshold of 0."""
    third = 1 / 1.584962500721156
    _, lines = explained(tmp_path, *shelf)
    line = of(lines)["ndcg", 4]
    assert line.values["Elliot"] == pytest.approx(((63 + 3 * third) / (63 + 15 * third + 3 / 2) + 1 / 2) / 2)
    assert line.values["recsys"] == pytest.approx(((1 + third) / (1 + third + 1 / 2) + 1 / 2) / 2)


def test_relevance_is_that_of_the_run(shelf, tmp_path):
    """From 3 on user 8 wants nothing and is not counted, and user 7 gains 2^3 - 1 and 2^1 - 1."""
    _, lines = explained(tmp_path, *shelf, positive=3)
    line = of(lines)["ndcg", 4]
    assert line.values["Elliot"] == pytest.approx(7 / (7 + 1 / 1.584962500721156))
    assert of(lines)["recall", 4].values["recsys"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("strings", [False, True])
def test_ours_are_those_of_the_leaderboard(models, tmp_path, strings):
    data, part = world(n_users=40, strings=strings)
    run, lines = explained(tmp_path, data, [part], models=["noisy", "constant"], seeds=[1, 2])
    assert [line.model for line in lines[:: len(METRICS) * 2]] == run.leaderboard["model"].tolist()
    board = run.leaderboard.set_index("model")
    for line in lines:
        assert line.values["recsys"] == pytest.approx(board.loc[line.model, f"{line.metric}@{line.k}"], abs=1e-12)


def test_numbers_of_other_code_are_refused(shelf, tmp_path):
    run, _ = explained(tmp_path, *shelf)
    path = run.comparison.out / "per_user.parquet"
    run.comparison.per_user.assign(**{"map@4": 0.25}).to_parquet(path)
    again = replace(run, comparison=replace(run.comparison))
    with pytest.raises(RunError, match=r"map@4 of constant is 0\.500000 from its lists, and the run noted 0\.250000"):
        explain(again, rebuilt_of(tmp_path / "other", *shelf))


def test_one_model_of_a_run(models, tmp_path):
    data, part = world(n_users=40)
    run, _ = explained(tmp_path, data, [part], models=["noisy", "constant"], seeds=[1, 2])
    one = replace(run, comparison=replace(run.comparison), cell=("noisy", 2, 0))
    lines = explain(one, rebuilt_of(tmp_path / "other", data, [part]))
    assert {line.model for line in lines} == {"noisy"}
    mean = run.per_user.query("model == 'noisy' and seed == 2")["ndcg@4"].mean()
    assert of(lines, "noisy")["ndcg", 4].values["recsys"] == pytest.approx(mean)
