"""Where the stored stages of an experiment are."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.experiment.cells import job_of
from recsys.experiment.keys import dataset_key, fit_key, split_key
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig
from recsys.store import Ref, Store


class Located:
    """The stages of an experiment that the store has. dataset, split: None where they are missing."""

    def __init__(self, spec: Experiment, inputs: Mapping[str, str], store: Store, threads: int) -> None:
        self._spec, self._store, self._threads = spec, store, threads
        self.dataset = store.get("dataset", dataset_key(spec, inputs))
        self.split = None if self.dataset is None else store.get("split", split_key(spec, self.dataset))

    def fit(self, model: ModelConfig, seed: int, fold: int = 0) -> Ref | None:
        """The stored fit of a model, or None."""
        if self.dataset is None or self.split is None:
            return None
        folder = self.split.folder / str(fold)
        job = job_of(self._spec, model, seed, self.dataset.folder, folder, self._threads)
        return self._store.get("fit", fit_key(job, self.dataset, self.split, fold))
