"""Names of columns, keys for MLflow, and passports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.metrics.passport import passport, passport_hash
from recsys.metrics.registry import METRICS, column, column_of_key, is_primary, metric_key, parse_column

CHOICES = {"exclude_seen": True, "users": "warm", "candidates": "train", "positive": None, "refit": True}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_round_trips(name, k):
    text = column(name, k)
    metric, length = parse_column(text)
    assert (metric.name, length) == (name, k if metric.has_k else None)
    assert column_of_key(metric_key(text)) == text
    assert "@" not in metric_key(text)


@pytest.mark.parametrize(
    "wrong", ["ndgc@10", "ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@1.5", "ndcg@ 1", "rmse@10", ""]
)
def test_names_that_name_nothing(wrong):
    with pytest.raises(InputError):
        parse_column(wrong)


def test_a_misspelt_metric_is_recognised():
    with pytest.raises(InputError, match="did you mean 'ndcg'"):
        parse_column("ndgc@10")


def test_only_metrics_of_all_lists_together_have_no_value_a_user():
    assert [name for name in METRICS if not is_primary(column(name, 10))] == ["coverage", "gini"]


def test_what_is_better_when_lower():
    lower = {name for name, metric in METRICS.items() if not metric.higher_is_better}
    assert lower == {"gini", "popularity_bias", "popularity_lift", "calibration", "rmse", "mae"}


def test_what_an_older_passport_says_stays():
    """The hashes of finished runs: a new metric must not change them."""
    assert passport_hash("ndcg@10", **CHOICES) == "59b06fe41ad3"
    assert passport_hash("coverage@10", **CHOICES) == "b81f9ee7589b"
    assert passport_hash("rmse", **CHOICES) == "478cd9945ee7"


def test_top_k_accuracy_leaves_seen_items_in_whatever_the_lists_do():
    found = passport("topk_accuracy@10", **CHOICES)
    assert (found["seen"], found["mean"], found["relevance"]) == ("left in", "rows", "every test row")


def test_an_empty_list_is_never_good():
    assert passport("ndcg@10", **CHOICES)["empty_list"] == 0
    assert passport("calibration@10", **CHOICES)["empty_list"] == "worst"
    assert passport("popularity_bias@10", **CHOICES)["empty_list"] == "as if everybody had its items"


@pytest.mark.parametrize("name", METRICS)
def test_a_passport_is_plain_json(name):
    found = passport(column(name, 10), **CHOICES)
    assert json.loads(json.dumps(found)) == found
    assert len(passport_hash(column(name, 10), **CHOICES)) == 12


@pytest.mark.parametrize(
    "change",
    [{"exclude_seen": False}, {"users": "all"}, {"candidates": "catalogue"}, {"positive": 4.0}, {"refit": False}],
    ids=str,
)
def test_every_choice_is_another_passport(change):
    assert passport_hash("ndcg@10", **CHOICES) != passport_hash("ndcg@10", **(CHOICES | change))


def test_metrics_and_lengths_have_passports_of_their_own():
    columns = [column(name, k) for name in METRICS for k in (5, 10)]
    assert len({passport_hash(each, **CHOICES) for each in columns}) == len(set(columns))


def test_four_and_four_point_zero_are_one_threshold():
    assert passport_hash("map@5", **(CHOICES | {"positive": 4})) == passport_hash(
        "map@5", **(CHOICES | {"positive": 4.0})
    )


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_stands_in_the_table_of_definitions(name):
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    rows = [line.split("|")[1] for line in page.partition("## Definitions")[2].splitlines() if line.startswith("| `")]
    assert sum(f"`{name}`" in row for row in rows) == 1
