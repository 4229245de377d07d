"""What is said of a wrong spec: the exact place, message and remedy of every kind of finding."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from recsys.config import Config
from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.experiment.trouble import trouble_of

BASE = {"name": "x", "data": {"source": "synthetic"}, "models": ["ease"]}
SOURCES = (
    "movielens-100k, movielens-1m, movielens-20m, movielens-25m, movielens-32m, movielens-latest-small, "
    "notebook, sql, synthetic, table"
)
KINDS = "cold-users, k-fold, leave-one-out, predefined, random, rolling, temporal, user-temporal"
SECTIONS = "data, evaluation, models, name, positive, refit, retrain, runner, seeds, split, tuning"
METRICS = (
    "auc, calibration, coverage, diversity, gini, hit_rate, mae, map, mrr, ndcg, novelty, popularity_bias, "
    "popularity_lift, precision, recall, reciprocal_rank, rmse, serendipity, topk_accuracy"
)
NAMES = "letters, digits and . _ - are allowed, beginning with a letter or digit"
TABLE = {"source": "table", "interactions": "a.csv"}
INF, NAN = float("inf"), float("nan")

WRONG = [
    # name
    ({"name": ""}, "name", "is ''", NAMES),
    ({"name": "a b"}, "name", "is 'a b'", NAMES),
    ({"name": "../x"}, "name", "is '../x'", NAMES),
    ({"name": 5}, "name", "is 5", "a text is needed (put it in quotes)"),
    ({"name": True}, "name", "is true", "a text is needed (put it in quotes)"),
    ({"name": "x" * 81}, "name", f"is '{'x' * 58}…", "a text of at most 80 characters is needed"),
    # data
    ({"data": None}, "data", "is null", "a mapping is needed"),
    ({"data": "synthetic"}, "data", "is 'synthetic'", "a mapping is needed"),
    ({"data": {}}, "data.source", "is missing", f"name one of {SOURCES}"),
    ({"data": {"source": "tabel"}}, "data.source", "'tabel' is not known", f"did you mean 'table'? Known: {SOURCES}"),
    ({"data": {"source": "table"}}, "data.interactions", "is missing", "add it"),
    ({"data": {**TABLE, "interactions": ""}}, "data.interactions", "is ''", "a text that is not empty is needed"),
    (
        {"data": {**TABLE, "intractions": "b"}},
        "data.intractions",
        "no such key",
        "did you mean 'interactions'? Known: columns, duplicates, interactions, items, min_item_count, min_user_count, "
        "sessions, source, users, weight",
    ),
    (
        {"data": {**TABLE, "columns": {"usr": "who"}}},
        "data.columns.usr",
        "no such key",
        "did you mean 'user'? Known: item, order, session, timestamp, user, value",
    ),
    ({"data": {**TABLE, "columns": {"user": 5}}}, "data.columns.user", "is 5", "a text is needed (put it in quotes)"),
    ({"data": {**TABLE, "columns": ["user"]}}, "data.columns", "is ['user']", "a mapping is needed"),
    ({"data": {"source": "synthetic", "users": 1}}, "data.users", "is 1", "a number of at least 2 is needed"),
    (
        {"data": {"source": "synthetic", "interactions": 1_000_000_000}},
        "data.interactions",
        "is 1000000000",
        "a number of at most 100000000 is needed",
    ),
    (
        {"data": {"source": "synthetic", "duplicates": "frist"}},
        "data.duplicates",
        "'frist' is not known",
        "did you mean 'first'? Known: error, first, keep, last, sum",
    ),
    (
        {"data": {"source": "synthetic", "weight": "logg"}},
        "data.weight",
        "'logg' is not known",
        "did you mean 'log'? Known: log, value",
    ),
    ({"data": {"source": "synthetic", 1: 2}}, "data.1", "is 1", "a key is a text (put it in quotes)"),
    # split
    ({"split": {"test": 0.3}}, "split.kind", "is missing", f"name one of {KINDS}"),
    ({"split": {"kind": "rolin"}}, "split.kind", "'rolin' is not known", f"did you mean 'rolling'? Known: {KINDS}"),
    ({"split": {"kind": "random", "test": 1}}, "split.test", "is 1", "a number below 1 is needed"),
    ({"split": {"kind": "random", "test": 0}}, "split.test", "is 0", "a number above 0 is needed"),
    ({"split": {"kind": "random", "test": "some"}}, "split.test", "is 'some'", "a number is needed"),
    (
        {"split": {"kind": "random", "test": 0.5, "validation": 0.5}},
        "split",
        "test 0.5 and validation 0.5 leave nothing to train on",
        "change these values",
    ),
    (
        {"split": {"kind": "rolling", "window": "14"}},
        "split.window",
        "is '14'",
        "a length of time is needed, such as 14d, 12h or 30min",
    ),
    ({"split": {"kind": "predefined"}}, "split.test", "is missing", "add it"),
    (
        {"split": {"kind": "predefined", "test": "t.csv", "validation": 1.5}},
        "split.validation",
        "is 1.5",
        "a number below 1 is needed",
    ),
    (
        {"split": {"kind": "predefined", "test": "t.csv", "validation": [1]}},
        "split.validation",
        "is [1]",
        "a number or a text is needed (put it in quotes)",
    ),
    # models
    ({"models": None}, "models", "is null", "a list is needed, such as [a, b]"),
    ({"models": []}, "models", "is []", "a list with at least 1 entry is needed"),
    ({"models": "ease"}, "models", "is 'ease'", "a list is needed, such as [a, b]"),
    (
        {"models": ["ease", 3]},
        "models[1]",
        "3 is neither the name of a model nor a mapping with one",
        "write ease or {name: ease}",
    ),
    (
        {"models": [{"nam": "ease"}]},
        "models[0]",
        "{'nam': 'ease'} is neither the name of a model nor a mapping with one",
        "write ease or {name: ease}",
    ),
    (
        {"models": [{"name": "ease", "regularisation": 5}]},
        "models[0].regularisation",
        "no such key",
        "did you mean 'regularization'? Known: half_life_days, label, name, recency, recency_half_life_days, "
        "regularization",
    ),
    ({"models": [{"name": "mf", "epochs": 0}]}, "models[0].epochs", "is 0", "a number above 0 is needed"),
    ({"models": [{"name": "mf", "epochs": 2.5}]}, "models[0].epochs", "is 2.5", "a whole number is needed"),
    (
        {"models": [{"name": "ease", "regularization": INF}]},
        "models[0].regularization",
        "is inf",
        "a finite number is needed",
    ),
    (
        {"models": [{"name": "ease", "label": "a/b"}]},
        "models[0].label",
        "is 'a/b'",
        "letters, digits, spaces and . _ + - are allowed, beginning with a letter or digit",
    ),
    ({"models": ["ease", "ease"]}, "models", "two models have the row 'ease'", "give one of them a `label`"),
    (
        {"models": ["ease", {"name": "mf", "label": "ease"}]},
        "models",
        "two models have the row 'ease'",
        "give one of them a `label`",
    ),
    # evaluation
    ({"evaluation": [1]}, "evaluation", "is [1]", "a mapping is needed"),
    (
        {"evaluation": {"metrics": ["ndgc"]}},
        "evaluation.metrics[0]",
        "no metric is called 'ndgc'",
        f"did you mean 'ndcg'? Known: {METRICS}",
    ),
    (
        {"evaluation": {"metrics": [[1]]}},
        "evaluation.metrics[0]",
        "no metric is called [1]",
        f"Known: {METRICS}",
    ),
    ({"evaluation": {"k": [0]}}, "evaluation.k[0]", "is 0", "a number of at least 1 is needed"),
    ({"evaluation": {"k": 10}}, "evaluation.k", "is 10", "a list is needed, such as [a, b]"),
    (
        {"evaluation": {"metrics": ["ndcg", "coverage"], "k": [5], "primary": "ndcg@10"}},
        "evaluation.primary",
        "'ndcg@10' is not computed for each user here",
        "did you mean 'ndcg@5'? Known: ndcg@5",
    ),
    (
        {"evaluation": {"metrics": ["ndcg", "coverage"], "k": [5], "primary": "coverage@5"}},
        "evaluation.primary",
        "'coverage@5' is not computed for each user here",
        "Known: ndcg@5",
    ),
    (
        {"evaluation": {"metrics": ["ndcg", "rmse"], "primary": "rmse"}},
        "evaluation.primary",
        "none of the models predicts values, which 'rmse' measures",
        "add a model such as mf, or choose another primary",
    ),
    ({"evaluation": {"users": "cold"}}, "evaluation.users", "'cold' is not known", "Known: all, warm"),
    ({"evaluation": {"candidates": ""}}, "evaluation.candidates", "is ''", "a text that is not empty is needed"),
    ({"evaluation": {"exclude_seen": "maybe"}}, "evaluation.exclude_seen", "is 'maybe'", "true or false is needed"),
    (
        {"split": {"kind": "cold-users"}, "evaluation": {"users": "warm"}},
        "evaluation.users",
        "a split of cold users leaves no warm ones to evaluate",
        "set evaluation.users to all, or leave it out",
    ),
    # the rest
    ({"seeds": []}, "seeds", "is []", "a list with at least 1 entry is needed"),
    ({"seeds": [-1]}, "seeds[0]", "is -1", "a number of at least 0 is needed"),
    ({"seeds": [2**32]}, "seeds[0]", "is 4294967296", "a number below 4294967296 is needed"),
    ({"seeds": [True]}, "seeds", "is true", "a number is needed"),
    ({"positive": False}, "positive", "is false", "a number is needed"),
    ({"models": [{"name": "mf", "epochs": True}]}, "models[0].epochs", "is true", "a number is needed"),
    ({"evaluation": {"k": [5, True]}}, "evaluation.k", "is true", "a number is needed"),
    ({"seeds": ["a"]}, "seeds[0]", "is 'a'", "a whole number is needed"),
    ({"seeds": 5}, "seeds", "is 5", "a list is needed, such as [a, b]"),
    ({"seeds": [1, 2, 1]}, "seeds", "a seed stands twice", "name each seed once"),
    ({"positive": "high"}, "positive", "is 'high'", "a number is needed"),
    ({"positive": NAN}, "positive", "is nan", "a finite number is needed"),
    ({"positive": INF}, "positive", "is inf", "a finite number is needed"),
    ({"refit": "never"}, "refit", "is 'never'", "true or false is needed"),
    ({"tuning": 20}, "tuning", "is 20", "a mapping is needed"),
    ({"tuning": {"trials": 0}}, "tuning.trials", "is 0", "a number of at least 1 is needed"),
    ({"tuning": {"seconds": 0}}, "tuning.seconds", "is 0", "a number above 0 is needed"),
    ({"tuning": {"trails": 5}}, "tuning.trails", "no such key", "did you mean 'trials'? Known: seconds, trials"),
    (
        {"tuning": {}, "split": {"kind": "random", "validation": 0.0}},
        "split.validation",
        "tuning compares settings on the validation part, and this split has none",
        "set split.validation, such as 0.1",
    ),
    (
        {"tuning": {}, "split": {"kind": "predefined", "test": "t.csv"}},
        "split.validation",
        "tuning compares settings on the validation part, and this split has none",
        "set split.validation, such as 0.1",
    ),
    (
        {"tuning": {}, "split": {"kind": "k-fold"}},
        "split.kind",
        "tuning on one of the folds would look at the test rows of the others",
        "tune under another kind of split",
    ),
    ({"runner": {"workers": 0}}, "runner.workers", "is 0", "a number above 0 is needed"),
    ({"runner": {"workers": "many"}}, "runner.workers", "is 'many'", "auto or a whole number is needed"),
    ({"runner": {"timeout": -1}}, "runner.timeout", "is -1", "a number above 0 is needed"),
    ({"runner": {"memory": INF}}, "runner.memory", "is inf", "a finite number is needed"),
    (
        {"runner": {"processes": 2}},
        "runner.processes",
        "2 processes train a model together on a Ray cluster only",
        "set runner.kind to ray, or leave it out",
    ),
    ({"runner": {"device": "metal"}}, "runner.device", "'metal' is not known", "Known: auto, cpu, cuda"),
    ({"runner": {"kind": "cloud"}}, "runner.kind", "'cloud' is not known", "Known: local, ray"),
    (
        {"runner": {"kind": "ray", "address": "ray://head:10001"}},
        "runner.address",
        "is 'ray://head:10001'",
        "host:port of the head of a Ray cluster is needed, or auto",
    ),
    ({"modles": ["ease"]}, "modles", "no such key", f"did you mean 'models'? Known: {SECTIONS}"),
    ({1: 2}, "1", "is 1", "a key is a text (put it in quotes)"),
]


@pytest.mark.parametrize(("change", "place", "message", "remedy"), WRONG, ids=lambda value: str(value)[:50])
def test_one_wrong_value(change, place, message, remedy):
    with pytest.raises(InputError) as caught:
        Experiment.parse({**BASE, **change}, "mine.yaml")
    assert (caught.value.place, caught.value.message, caught.value.remedy) == (f"mine.yaml: {place}", message, remedy)


def test_a_missing_section_and_a_document_that_is_none():
    with pytest.raises(InputError) as caught:
        Experiment.parse({}, "mine.yaml")
    assert str(caught.value) == "mine.yaml: name: is missing; add it (also wrong: data, models)"
    with pytest.raises(InputError) as caught:
        Experiment.parse([], "mine.yaml")
    assert str(caught.value) == "mine.yaml: is []; a mapping is needed"


def test_several_findings_are_named_with_the_first():
    change = {
        "models": [{"name": "mf", "epochs": 0, "learning_rate": "fast", "foo": 1}, "easy"],
        "seeds": [-1],
        "evaluation": {"k": [0], "users": "x"},
    }
    with pytest.raises(InputError) as caught:
        Experiment.parse({**BASE, **change})
    assert caught.value.place == "spec: models[0].epochs"
    assert caught.value.remedy == (
        "a number above 0 is needed (also wrong: models[0].learning_rate, models[0].foo, models[1], evaluation.k[0], "
        "evaluation.users, …)"
    )


def test_a_value_too_long_to_show():
    with pytest.raises(InputError) as caught:
        Experiment.parse({**BASE, "positive": {"values": list(range(100))}})
    assert caught.value.message == "is a dict"


class Form(Config):
    """Fields whose findings nobody has put into words."""

    code: Annotated[str, Field(pattern="^[0-9]+$")] = "1"
    day: date = date(2020, 1, 1)


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        ({"code": "x"}, ("is 'x'", "a text of the form ^[0-9]+$ is needed", "code", ())),
        ({"day": []}, ("is []", "Input should be a valid date", "day", ())),
    ],
)
def test_findings_without_words_of_ours(value, trouble):
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(value)
    assert trouble_of(caught.value, Form) == trouble
