"""Names of columns, keys for MLflow, and passports."""

from __future__ import annotations

import json

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


def test_only_coverage_has_no_value_a_user():
    assert [name for name in METRICS if not is_primary(column(name, 10))] == ["coverage"]


def test_only_errors_are_better_when_lower():
    assert [name for name, metric in METRICS.items() if not metric.higher_is_better] == ["rmse", "mae"]


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
