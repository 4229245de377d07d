"""Fit some models of an experiment, for those who want their lists and no comparison."""

from __future__ import annotations

from flows.local import local_flow
from flows.session import session
from recsys.experiment.spec import Experiment
from recsys.store import Ref
from tasks.context import Cell
from tasks.stages import check_leaks, fit_all, load_data, split_data
from tasks.tuning import cut_tuning_fold, tune_model, tuned_of


@local_flow(name="fit", description="Fit some models of an experiment on its first fold")
def fit(spec: Experiment, labels: list[str]) -> list[Ref]:
    """Load, split, tune where the spec says so, fit the models with these labels under the first seed. Raises as
    `compare` does."""
    with session(spec) as run:
        data = load_data.submit(run).result()
        split = split_data.submit(data, run).result()
        check_leaks(data, split, run)
        models = [model for model in spec.models if model.row in labels]
        cells = [Cell(model=model, seed=spec.seeds[0], fold=0) for model in models]
        if spec.tuning is not None:
            fold = cut_tuning_fold.submit(data, split, run).result()
            found = [tune_model.submit(cell, data, fold, None, run) for cell in cells]
            cells = [_tuned(cell, future.result()) for cell, future in zip(cells, found, strict=True)]
        return [future.result() for future in fit_all(cells, data, split, None, run)]


def _tuned(cell: Cell, ref: Ref) -> Cell:
    return cell.model_copy(update={"model": tuned_of(ref, cell).apply(cell.model)})
