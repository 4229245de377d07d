"""What two runs say of their origins, and how far their numbers are apart."""

from __future__ import annotations

import pandas as pd

from recsys.comparison.differences import differences, largest
from recsys.comparison.stored_run import changes

MANIFEST = {
    "data": {"digest": "d1"},
    "split": {"digest": "s1"},
    "code": "c1",
    "source": {"git.commit": "g1", "git.dirty": "false"},
    "threads": 1,
    "versions": {"python": "3.11", "numpy": "2.4"},
}


def test_nothing_changed():
    assert changes(MANIFEST, MANIFEST) == {}


def test_what_changed():
    now = MANIFEST | {"threads": 2, "versions": {"python": "3.11", "torch": "2.13"}}
    now |= {"source": {"git.commit": "g1", "git.dirty": "true"}}
    assert changes(MANIFEST, now) == {
        "commit": ("g1", "g1 and changes"),
        "threads": ("1", "2"),
        "numpy": ("2.4", "none"),
        "torch": ("none", "2.13"),
    }
    assert changes(MANIFEST, MANIFEST | {"source": {}}) == {"commit": ("g1", "none")}


def board(**columns):
    return pd.DataFrame({"model": ["ease", "mf"], "control": [False, False], "seeds": [1, 1], **columns})


def test_every_number_but_the_measured_ones():
    then = board(**{"ndcg@10": [0.5, 0.25], "rmse": [None, 1.5], "fit_seconds": [1.0, 2.0], "group": ["a", "b"]})
    now = board(**{"ndcg@10": [0.5, 0.125], "rmse": [None, None], "fit_seconds": [9.0, 9.0], "group": ["a", "a"]})
    found = differences(then, now)
    assert [tuple(each.values()) for each in found] == [
        ("ease", "ndcg@10", 0.5, 0.5, 0.0),
        ("mf", "ndcg@10", 0.25, 0.125, -0.125),
        ("mf", "rmse", 1.5, None, None),
    ]
    assert largest(found) == 0.125
    assert largest(found[:1]) == 0
