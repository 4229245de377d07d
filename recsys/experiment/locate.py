"""Where the stored stages of an experiment are."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.experiment.cells import job_of
from recsys.experiment.keys import dataset_key, fit_key, split_key, tuned_key, tuning_fold_key
from recsys.experiment.spec import Experiment
from recsys.experiment.trials import Tuned, trial_spec
from recsys.models.base import ModelConfig
from recsys.store import Ref, Store


class Located:
    """The stages of an experiment that the store has. dataset, split: None where they are missing."""

    def __init__(self, spec: Experiment, inputs: Mapping[str, str], store: Store, threads: int) -> None:
        self._spec, self._store, self._threads = spec, store, threads
        self.dataset = store.get("dataset", dataset_key(spec, inputs))
        self.split = None if self.dataset is None else store.get("split", split_key(spec, self.dataset))

    def fit(self, model: ModelConfig, seed: int, fold: int = 0) -> Ref | None:
        """The stored fit of a model, with the settings that tuning found where the experiment tunes; or None."""
        if self.dataset is None or self.split is None:
            return None
        if self._spec.tuning is not None and model in self._spec.models:
            found = self._tuned(model)
            if found is None:
                return None
            model = found.apply(model)
        folder = self.split.folder / str(fold)
        job = job_of(self._spec, model, seed, self.dataset.folder, folder, self._threads)
        return self._store.get("fit", fit_key(job, self.dataset, self.split, fold))

    def _tuned(self, model: ModelConfig) -> Tuned | None:
        """What tuning found for a model, or None where it has not been tuned."""
        assert self.dataset is not None
        assert self.split is not None
        fold = self._store.get("tuning fold", tuning_fold_key(self.split, 0))
        if fold is None:
            return None
        spec, seed = trial_spec(self._spec), self._spec.seeds[0]
        job = job_of(spec, model, seed, self.dataset.folder, fold.folder / "0", self._threads)
        ref = self._store.get("tuned", tuned_key(self._spec, fit_key(job, self.dataset, fold, 0)))
        return None if ref is None else Tuned.load(ref.folder)
