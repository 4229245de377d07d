"""The page that walks a user through all models."""

from __future__ import annotations

import re

import pytest
from made.scripts import opened

from recsys.experiment.spec import Experiment
from recsys.models.registry import BUILT_IN

NO_LISTS = {"external"}


@pytest.fixture(scope="module")
def script():
    return opened("scripts/user_196.py")


def line(model, item, why=None):
    return {"model": model, "user": 196, "item": item, "title": f"Film {item}", "why": why}


def why(*items, additive=True, terms=()):
    history = [{"item": item, "title": f"Film {item}", "part": 0.5} for item in items]
    return {"additive": additive, "history": history, "terms": dict.fromkeys(terms, 0.1)}


def test_every_model_has_its_words_and_its_list(script):
    page = script.PAGE.read_text()
    found = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## )", page, flags=re.S | re.M))
    assert list(found) == list(BUILT_IN)
    for model, section in found.items():
        words, _, rest = section.strip().partition(f"<!-- {model} -->")
        assert len(words) > 60
        if model not in NO_LISTS:
            listed = rest.partition(f"<!-- /{model} -->")[0]
            assert re.findall(r"^(\d)\. \S", listed, flags=re.M) == ["1", "2", "3", "4", "5"]


def test_the_spec_has_every_model_that_can_be_asked(script):
    spec = Experiment.load(script.SPEC)
    assert {model.name for model in spec.models} == set(BUILT_IN) - NO_LISTS


def test_a_list_with_its_hits_and_reasons(script):
    lines = [line("ease", 1, why(7, 8, 9, 10)), line("ease", 2, why(9))]
    assert script.list_of(lines, {2}, 3, 0.4406) == (
        "1. Film 1\n2. **Film 2**\n\n"
        "The first is there mostly for Film 7; Film 8; Film 9.\n"
        "Held out films: 1 here, 3 among its first 50; NDCG@10 of all users .441."
    )


def test_reasons_of_each_kind(script):
    assert script.because(None) == "It gives no reasons."
    assert script.because(why(7, additive=False)) == "Nearest to the first in the history: Film 7."
    assert script.because(why(7, terms=["alien"])) == "The first is there mostly for Film 7, by the words 'alien'."


def test_agreement_counts_films_in_common(script):
    lists = {"a": [line("a", 1), line("a", 2)], "b": [line("b", 2), line("b", 3)]}
    table = script.agreement(lists, [{"user": 196, "model": "a", "other": "b", "overlap@5": 1}])
    assert table.splitlines() == [
        "| | | 1 | 2 |".replace("| | |", "|  |  |"),
        "| --- | --- | --- | --- |",
        "| 1 | `a` |  | 1 |",
        "| 2 | `b` | 1 |  |",
        "",
        "Named by most of the 2 models: Film 2 (2); Film 1 (1); Film 3 (1).",
    ]


def test_parts_go_between_their_markers(script):
    page = "x\n<!-- a -->\nold\n<!-- /a -->\ny\n<!-- b -->\n<!-- /b -->\n"
    once = script.filled(page, {"a": r"new \1", "b": "more"})
    assert once == "x\n<!-- a -->\nnew \\1\n<!-- /a -->\ny\n<!-- b -->\nmore\n<!-- /b -->\n"
    assert script.filled(once, {"a": r"new \1"}) == once
    with pytest.raises(ValueError, match="0 places between <!-- c -->"):
        script.filled(page, {"c": "new"})
