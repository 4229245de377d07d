"""What leaks are worth: the primary metric without their rows, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made import cells, dataset, fold, spec

from recsys.comparison.leaks import leak_facts, said
from recsys.splits.leaks import Finding

pytestmark = pytest.mark.usefixtures("models")


def found(rows, removable=True, of="", check="near_duplicates"):
    return Finding(check, "warning", "copies", "one id", len(rows), np.array(rows), removable, fold=of)


@pytest.fixture
def facts(tmp_path):
    """Popularity lists item 10 first, 20 second. Users 3 and 4 are tested on 10 and 20, user 4 on 30 too."""
    train = [(1, 10), (2, 10), (1, 20), (5, 10), (3, 40), (4, 40)]
    data = dataset([*train, (3, 10), (4, 20), (4, 30)])
    part = fold(data, test=[6, 7, 8])

    def ask(*findings, primary="recall@1"):
        experiment = spec(evaluation={"metrics": ["recall", "coverage", "auc"], "k": [1], "primary": primary})
        return leak_facts(findings, experiment, data, [part], cells(tmp_path, experiment, data, [part]))

    return ask


def test_without_the_rows(facts):
    """Recall@1 is 1 for user 3 and 0 for user 4; without user 3's row user 4 is left, without user 4's, user 3."""
    first, second, third = facts(found([6]), found([7, 8]), found([8]))
    assert first["models"] == {"popularity": [0.5, 0.0]}
    assert second["models"] == {"popularity": [0.5, 1.0]}
    assert third["models"] == {"popularity": [0.5, 0.5]}
    assert (first["rows"], second["rows"]) == (
        "row 7 (user 3, item 10)",
        "row 8 (user 4, item 20), row 9 (user 4, item 30)",
    )


def test_where_it_cannot_be_told(facts):
    kept, everything = facts(found([6], removable=False), found([6, 7, 8]))
    assert kept["models"] == everything["models"] == {}


def test_a_metric_that_looks_at_more_than_hits(facts):
    (other,) = facts(found([6]), primary="auc")
    assert other["models"] == {}


def test_each_check_is_said_once():
    several = [found([1], of="fold 1"), found([2], of="fold 2"), found([3], of="fold 2", check="cold_items")]
    assert said(several) == ["copies; one id (so in 2 folds)", "copies; one id"]
