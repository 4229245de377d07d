"""The definitions of other libraries: by hand, and equal to RecTools, LensKit and ir-measures themselves."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

from recsys.metrics.elsewhere import LIBRARIES, OURS, Judged, difference, elliot_gain

HERE = Path(__file__).parent
KS = (1, 5, 10, 20)
NEAR = 1e-6


def judged(hits, n_relevant, n_listed=None, values=None, k=3):
    """Lists of True and False; values: of each user's test rows, those of the hits first and in their order."""
    hits = np.array(hits, dtype=bool)[:, :k]
    values = values or [[1.0] * n for n in n_relevant]
    gains, best = np.zeros(hits.shape), np.zeros(hits.shape)
    for row, own in enumerate(values):
        gained = elliot_gain(np.array(own), 0.0)
        gains[row, hits[row]] = gained[: hits[row].sum()]
        best[row, : min(k, len(own))] = np.sort(gained)[::-1][:k]
    n_listed = np.full(len(hits), hits.shape[1]) if n_listed is None else np.array(n_listed)
    return Judged(hits, n_listed, np.array(n_relevant), gains, best)


def value(library, metric, *given, **more):
    return LIBRARIES[library][metric](judged(*given, **more))


class TestByHand:
    """One user with hits at ranks 1 and 3 of 3 and five relevant items; where it says so, a second one beside him."""

    one = ([[1, 0, 1]], [5])
    two = ([[1, 0, 1], [0, 0, 1]], [5, 1])

    def test_recall(self):
        assert value("recsys", "recall", *self.one) == pytest.approx(2 / 5)
        assert value("LensKit", "recall", *self.one) == pytest.approx(2 / 3)
        assert value("recsys", "recall", *self.two) == pytest.approx((2 / 5 + 1) / 2)
        assert value("TFRS", "recall", *self.two) == pytest.approx(3 / 6)

    def test_precision(self):
        assert value("LensKit", "precision", [[1, 0, 0]], [5], n_listed=[2]) == pytest.approx(1 / 2)
        assert value("recsys", "precision", [[1, 0, 0]], [5], n_listed=[2]) == pytest.approx(1 / 3)
        assert value("implicit", "precision", *self.two) == pytest.approx(3 / (3 + 1))

    def test_map(self):
        at_hits = 1 + 2 / 3
        assert value("recsys", "map", *self.one) == pytest.approx(at_hits / 3)
        assert value("RecTools", "map", *self.one) == pytest.approx(at_hits / 5)
        assert value("LensKit", "map", [[1, 1, 0]], [5], n_listed=[2]) == pytest.approx(1)
        assert value("Elliot", "map", *self.one) == pytest.approx((1 + 1 / 2 + 2 / 3) / 3)

    def test_ndcg(self):
        gained, third = 1 + 1 / 2, 1 / math.log2(3)
        assert value("recsys", "ndcg", [[1, 0, 1]], [2]) == pytest.approx(gained / (1 + third))
        assert value("RecTools", "ndcg", [[1, 0, 1]], [2]) == pytest.approx(gained / (1 + third + 1 / 2))
        assert value("LensKit", "ndcg", [[0, 1, 0]], [1]) == 1
        assert value("LensKit", "ndcg", [[1, 0, 1]], [2]) == pytest.approx((1 + third) / 2)

    def test_ndcg_by_values(self):
        """Values 3 and 1 of hits and 2 of a miss gain 15, 3 and 7."""
        best = 15 + 7 / math.log2(3) + 3 / 2
        assert value("Elliot", "ndcg", [[1, 0, 1]], [3], values=[[3.0, 1.0, 2.0]]) == pytest.approx(16.5 / best)
        assert value("Elliot", "ndcg", *self.two) == pytest.approx(value("recsys", "ndcg", *self.two))
        assert value("Elliot", "ndcg", [[0, 0, 0]], [1], values=[[-2.0]]) == 0
        assert math.isnan(value("Elliot", "ndcg", [[1, 0, 0]], [1], values=[[5000.0]]))

    def test_a_user_without_a_list_counts_0(self):
        for own in LIBRARIES.values():
            for definition in own.values():
                assert definition(judged([[0, 0, 0]], [2], n_listed=[0])) == 0


def test_what_differs():
    assert difference("RecBole", "map") is None
    assert difference("implicit", "mrr") is None
    assert difference("RecTools", "map") == "over all relevant items, also where they are more than k"
    assert {name for name, own in LIBRARIES.items() if own is OURS} == {"recsys", "RecBole"}


@pytest.fixture(scope="module")
def drawn():
    """(lists, truth) of 300 users and 120 items: lists of up to 20 items, short and empty ones among them."""
    random = np.random.default_rng(11)
    lists, truth = [], []
    for user in range(300):
        order = np.argsort(random.random(120), kind="stable")
        wanted, length = order[: 1 + user % 40], [20, 20, 20, 7, 0][user % 5]
        scores = random.random(120) + 0.4 * np.isin(np.arange(120), wanted)
        best = np.argsort(-scores, kind="stable")[:length]
        lists += [(user, int(item), rank) for rank, item in enumerate(best, 1)]
        truth += [(user, int(item)) for item in wanted]
    return pd.DataFrame(lists, columns=["user", "item", "rank"]), pd.DataFrame(truth, columns=["user", "item"])


@pytest.fixture(scope="module")
def ours(drawn):
    """By library and column, the values of our own definitions."""
    lists, truth = drawn
    wanted = np.zeros((300, 120), dtype=bool)
    wanted[truth["user"], truth["item"]] = True
    items = np.full((300, 20), -1)
    items[lists["user"], lists["rank"] - 1] = lists["item"]
    hits = (items >= 0) & np.take_along_axis(wanted, np.maximum(items, 0), axis=1)
    found = {}
    for k in KS:
        n_listed = np.count_nonzero(items[:, :k] >= 0, axis=1)
        none = np.zeros((300, k))
        lists_at_k = Judged(hits[:, :k], n_listed, wanted.sum(axis=1), none, none)
        for library in ("RecTools", "LensKit", "ir-measures"):
            own = found.setdefault(library, {})
            own |= {f"{metric}@{k}": definition(lists_at_k) for metric, definition in LIBRARIES[library].items()}
    return found


def test_equals_ir_measures(drawn, ours):
    lists, truth = drawn
    run = lists.assign(query_id=lists["user"].astype(str), doc_id=lists["item"].astype(str), score=-lists["rank"])
    qrels = truth.assign(query_id=truth["user"].astype(str), doc_id=truth["item"].astype(str), relevance=1)
    theirs = {"ndcg": nDCG, "recall": R, "precision": P, "map": AP, "mrr": RR, "hit_rate": Success}
    measures = {f"{name}@{k}": measure @ k for name, measure in theirs.items() for k in KS}
    found = ir_measures.calc_aggregate(measures.values(), qrels, run)
    assert ours["ir-measures"] == pytest.approx({name: found[each] for name, each in measures.items()}, abs=NEAR)


def written(drawn, folder):
    """The digest of the tables, written to a folder."""
    texts = [table.to_csv(index=False) for table in drawn]
    for name, text in zip(("lists.csv", "truth.csv"), texts, strict=True):
        (folder / name).write_text(text)
    return hashlib.sha256("".join(texts).encode()).hexdigest()


@pytest.mark.parametrize("library", ["RecTools", "LensKit"])
def test_equals_what_the_library_said(drawn, ours, library, tmp_path):
    """of_others.json: these tables by RecTools 0.19.0 and LensKit 2025.8.1, which want another NumPy than ours.

    Written by `python -m pytest -m soak tests/metrics/test_elsewhere.py`, where the file is not there.
    """
    noted = json.loads((HERE / "of_others.json").read_text())
    assert noted["tables"] == written(drawn, tmp_path)
    assert set(ours[library]) == {f"{metric}@{k}" for metric in OURS for k in KS}
    assert ours[library] == pytest.approx(noted[library], abs=NEAR)


@pytest.mark.soak
def test_equals_the_libraries_themselves(drawn, ours, tmp_path):
    """RecTools and LensKit in an environment of their own."""
    python = HERE.parents[1] / ".venv-others" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        asked = ["rectools==0.19.0", "lenskit==2025.8.1", "pyarrow<22", "torch>=2.13,<2.14"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *asked], check=True)
    tables = written(drawn, tmp_path)
    command = [str(python), str(HERE / "others.py"), str(tmp_path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    noted = HERE / "of_others.json"
    if not noted.exists():
        noted.write_text(json.dumps({"tables": tables, **found}, indent=1) + "\n")
    for library, values in found.items():
        assert ours[library] == pytest.approx(values, abs=NEAR)
