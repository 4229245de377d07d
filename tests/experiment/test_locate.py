"""Finding the stored stages of an experiment by what they were made of."""

from __future__ import annotations

import pytest
from made import spec

from recsys.experiment.cells import job_of
from recsys.experiment.keys import dataset_key, fit_key, split_key
from recsys.experiment.locate import Located
from recsys.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def produce(store, stage, key):
    return store.produce(stage, key, lambda folder: (folder / "x").write_text(stage))


def test_stage_by_stage(store):
    experiment = spec(models=["mf", "ease"])
    mf, ease = experiment.models

    def located(threads=1):
        return Located(experiment, {}, store, threads)

    assert (located().dataset, located().split, located().fit(mf, 42)) == (None, None, None)
    dataset = produce(store, "dataset", dataset_key(experiment, {}))
    assert located().dataset.digest == dataset.digest
    assert (located().split, located().fit(mf, 42)) == (None, None)
    split = produce(store, "split", split_key(experiment, dataset))
    assert located().split.digest == split.digest
    assert located().fit(mf, 42) is None
    job = job_of(experiment, mf, 42, dataset.folder, split.folder / "1", 1)
    fit = produce(store, "fit", fit_key(job, dataset, split, 1))
    assert located().fit(mf, 42, fold=1).folder == fit.folder
    for other in (
        located().fit(mf, 42),
        located().fit(mf, 43, 1),
        located().fit(ease, 42, 1),
        located(2).fit(mf, 42, 1),
    ):
        assert other is None
