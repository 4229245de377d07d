"""The table of models that is made from the registry."""

from __future__ import annotations

import pytest
from made.scripts import opened

from recsys.models.registry import BUILT_IN, model_class


@pytest.fixture(scope="module")
def script():
    return opened("scripts/models_table.py")


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_a_model(script):
    measured = {"ml-100k": {"ease": 0.234}, "ml-1m": {"ease": 2.0}, "ndcg@10": {"ease": 0.4, "ease tuned": 0.5}}
    header, _, *rows = script.table(measured).splitlines()
    found = {cells_of(line)[0].strip("`"): dict(zip(cells_of(header), cells_of(line), strict=True)) for line in rows}
    assert list(found) == list(BUILT_IN)
    ease = found["ease"]
    assert ease["paper"] == "Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019"
    assert (ease["new users"], ease["why"], ease["needs"]) == ("by history, exactly", "yes", "")
    assert (ease["measured s, ML-100K"], ease["ML-1M"]) == ("0.2", "2.0")
    assert (ease["NDCG@10, ML-100K"], ease["tuned"]) == ("0.400", "0.500")
    assert (found["mf"]["needs"], found["mf"]["predicts"]) == ("values", "values")
    assert (found["popularity"]["kind"], found["popularity"]["why"]) == ("control", "")
    assert (found["external"]["kind"], found["external"]["time, ML-1M"]) == ("command", "")


def test_it_goes_between_the_markers(script):
    page = f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n"
    once = script.written(page, "| new |")
    assert once == f"before\n{script.BEGIN}\n\n| new |\n\n{script.END}\nafter\n"
    assert script.written(once, "| new |") == once
    with pytest.raises(ValueError, match="has no lines"):
        script.written("nothing", "| new |")


def test_the_page_is_current(script):
    page = script.PAGE.read_text()
    assert script.written(page, script.table(script.read_measured())) == page


def test_the_laws_of_time_hold_what_was_measured(script):
    """Within a factor of four, two tenths of a second aside: machines differ, and what is short is mostly overhead."""
    measured = script.read_measured()
    for data, sizes in script.SIZES.items():
        assert len(measured[data]) >= 15
        for name, seconds in measured[data].items():
            kind = model_class(name)
            promised = kind(kind.Config.model_construct(name=name)).seconds(*sizes)
            assert promised / 4 - 0.2 < seconds < promised * 4 + 0.2, (data, name)
