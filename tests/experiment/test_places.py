"""Where the items of the test part stand: what a fit leaves is what a look at all scores gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import dataset, fold, job, spec, world

from recsys.experiment.cells import job_of
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.lists import Lists
from recsys.metrics.registry import METRICS
from recsys.models.registry import model_class

ASKED = {"metrics": ["reciprocal_rank", "auc", "topk_accuracy"], "k": [3], "primary": "auc"}


def left(tmp_path, data, part, model="popularity", **evaluation):
    work = job(tmp_path, data, part, spec(models=[model], evaluation={**ASKED, **evaluation}))
    folder = tmp_path / "fit"
    folder.mkdir()
    fit_and_recommend(work, folder, tmp_path / "checkpoint", lambda step: None)
    return Lists.load(folder)


class TestByHand:
    """Popularity of items 10 to 40: 3, 2, 2, 1. User 5 is new; item 50 is in the test part alone."""

    TRAIN = [(1, 10), (1, 20), (2, 10), (2, 30), (3, 10), (3, 20), (4, 30), (4, 40)]
    TEST = [(5, 20), (1, 30), (1, 50), (4, 10), (1, 40)]

    @pytest.fixture
    def case(self):
        data = dataset([*self.TRAIN, *self.TEST])
        return data, fold(data, test=range(8, 13))

    def test_seen_left_out(self, tmp_path, case):
        found = left(tmp_path, *case)
        assert found.users.tolist() == [0, 3, 4]
        assert found.ranks.tolist() == [2, 1, 0, 1, 2]
        assert found.n_candidates.tolist() == [2, 2, 4]
        assert found.row_ranks.tolist() == [2, 3, 0, 1, 4]

    def test_seen_left_in(self, tmp_path, case):
        found = left(tmp_path, *case, exclude_seen=False)
        assert found.ranks.tolist() == found.row_ranks.tolist() == [2, 3, 0, 1, 4]
        assert found.n_candidates.tolist() == [4, 4, 4]

    def test_a_file_of_candidates(self, tmp_path, case):
        file = tmp_path / "candidates.csv"
        pairs = [(1, 40), (1, 10), (1, 30), (4, 20), (5, 30), (5, 20), (5, 50)]
        pd.DataFrame(pairs, columns=["user", "item"]).to_csv(file, index=False)
        found = left(tmp_path, *case, candidates=str(file))
        assert found.ranks.tolist() == [1, 1, 0, 0, 2]
        assert found.row_ranks.tolist() == [1, 2, 0, 0, 3]
        assert found.n_candidates.tolist() == [2, 1, 2]

    def test_the_whole_catalogue(self, tmp_path, case):
        found = left(tmp_path, *case, candidates="catalogue")
        assert found.ranks.tolist() == [2, 1, 3, 1, 2]
        assert found.n_candidates.tolist() == [3, 3, 5]

    def test_users_without_positives_are_not_asked_about(self, tmp_path):
        data = dataset([*((u, i, 5.0) for u, i in self.TRAIN), (1, 30, 5.0), (4, 10, 1.0)])
        part = fold(data, test=[8, 9])
        work = job(tmp_path, data, part, spec(positive=4, evaluation=ASKED))
        (tmp_path / "fit").mkdir()
        fit_and_recommend(work, tmp_path / "fit", tmp_path / "checkpoint", lambda step: None)
        assert Lists.load(tmp_path / "fit").ranks.tolist() == [1, 0]

    def test_only_what_was_asked_for(self, tmp_path, case):
        found = left(tmp_path, *case, metrics=["topk_accuracy"], primary="topk_accuracy@3")
        assert (found.ranks, found.n_candidates) == (None, None)
        assert found.row_ranks.tolist() == [2, 3, 0, 1, 4]


@pytest.mark.parametrize("model", ["item-knn", "random", "popularity"])
def test_ranks_are_places_in_the_longest_list(tmp_path, model, monkeypatch):
    """Lists as long as the catalogue hold every rank; users come in several blocks."""
    monkeypatch.setattr("recsys.retrieval.lists.CELLS_A_BLOCK", 100)
    data, part = world(n_users=40)
    found = left(tmp_path, data, part, model, k=[12])
    tested = np.asarray(data.item[part.test])
    row = np.searchsorted(found.users, data.user[part.test])
    place = np.argmax(found.items[row] == tested[:, None], axis=1) + 1
    listed = (found.items[row] == tested[:, None]).any(axis=1)
    assert found.ranks.tolist() == np.where(listed, place, 0).tolist()
    assert listed.all()
    assert (found.n_candidates == 12 - 5).all()
    assert (found.row_ranks >= found.ranks).all()


@pytest.mark.parametrize("model", ["popularity", "ease"])
@pytest.mark.parametrize("share", [(0, 1), (0, 3), (1, 3), (2, 3)])
def test_strangers_who_are_alike_leave_what_each_alone_does(tmp_path, monkeypatch, model, share):
    """Users 20 to 39 have no row in training, but for two who show one: scored once, to the bit the same files."""
    monkeypatch.setattr("recsys.retrieval.lists.CELLS_A_BLOCK", 3 * 12)
    data, part = world(n_users=40)
    later = np.flatnonzero(np.asarray(data.user) >= 20)
    shown = later[np.isin(data.user[later], [24, 33])][[0, 7]]
    part = replace(
        part,
        train=np.setdiff1d(part.train, later),
        validation=np.setdiff1d(part.validation, later),
        test=np.sort(np.concatenate([part.test[part.test < later[0]], np.setdiff1d(later, shown)])),
        history=shown,
    )
    kind, found = model_class(model), []
    for way in (True, False):
        monkeypatch.setattr(kind, "strangers_alike", way)
        folder = tmp_path / str(way) / "fit"
        folder.mkdir(parents=True)
        work = job(tmp_path, data, part, spec(models=[model], evaluation=ASKED), share=share)
        fit_and_recommend(work, folder, tmp_path / "checkpoint", lambda step: None)
        found.append({path.name: path.read_bytes() for path in folder.glob("*.npy")})
    assert {"items.npy", "ranks.npy", "row_ranks.npy", "n_candidates.npy"} <= found[0].keys()
    assert found[0] == found[1]


class TestJob:
    def of(self, model, **evaluation):
        asked = spec(models=[model], evaluation={"k": [5, 20], **evaluation})
        return job_of(asked, asked.models[0], 42, "dataset", "fold", threads=1)

    def test_nothing_changes_for_who_does_not_ask(self):
        assert "ranks" not in self.of("ease", primary="ndcg@5").question()

    @pytest.mark.parametrize(
        ("metrics", "kinds"),
        [
            (["auc"], ["ranks"]),
            (["reciprocal_rank", "ndcg"], ["ranks"]),
            (["topk_accuracy"], ["row ranks"]),
            (["topk_accuracy", "auc"], ["ranks", "row ranks"]),
        ],
    )
    def test_what_is_asked_for(self, metrics, kinds):
        primary = metrics[0] if not METRICS[metrics[0]].has_k else f"{metrics[0]}@5"
        assert self.of("ease", metrics=metrics, primary=primary).question()["ranks"] == kinds

    def test_a_model_that_leaves_lists_alone_is_not_asked(self):
        external = {"name": "external", "command": ["true"]}
        assert self.of(external, metrics=["auc"], primary="auc").ranks == ()

    @pytest.mark.parametrize(
        ("primary", "watched"),
        [
            ("recall@5", "recall@5"),
            ("novelty@20", "novelty@20"),
            ("auc", "ndcg@20"),
            ("topk_accuracy@5", "ndcg@5"),
            ("diversity@5", "ndcg@5"),
            ("calibration@20", "ndcg@20"),
        ],
    )
    def test_training_is_ended_by_what_the_validation_part_can_tell(self, primary, watched):
        assert self.of("two-tower", metrics=[primary.partition("@")[0]], primary=primary).primary == watched
