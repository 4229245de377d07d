"""`recsys log`: a result that MLflow has missed, logged after all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.command import Speech, short
from recsys.data.load import inputs
from recsys.errors import InputError
from recsys.experiment.keys import run_key
from recsys.experiment.locate import Located
from recsys.settings import Settings
from recsys.splits.fold import Fold
from recsys.store import Store
from recsys.tracking.database import ensure_database, require_server
from recsys.tracking.links import run_page
from tasks.context import width

if TYPE_CHECKING:
    from recsys.comparison.stored_run import StoredRun


def run(folder: Path, speech: Speech) -> None:
    """Log the comparison in a folder: as it would have been where the store still has its fits, else what the folder
    holds. One that is logged stays as it is."""
    from recsys.tracking.late import MISSING, log_result, logged_before, read_result
    from recsys.tracking.runs import Tracker

    settings, result, missing = Settings(), read_result(folder), ""
    require_server(settings)
    ensure_database(settings)
    tracker = Tracker(settings)
    run_id = logged_before(result, tracker)
    before = run_id is not None
    if run_id is None:
        why = why_not_stored(result, settings)
        if why is None:
            run_id = _gone_on_with(result, settings, speech)
        else:
            run_id, missing = log_result(result, tracker), MISSING
            speech.say(f"from {short(result.comparison.out)} alone: {why}")
            speech.say(f"not in MLflow: {missing}")
    speech.answer({"out": str(result.comparison.out), "run_id": run_id, "logged_before": before, "missing": missing})
    speech.say(f"{result.spec.name} {'was logged before' if before else 'is logged'}: run {run_id}")
    speech.say(f"MLflow   {run_page(settings, tracker.experiment(result.spec.name), run_id)}")


def why_not_stored(result: StoredRun, settings: Settings) -> str | None:
    """Why the comparison cannot be gone on with without a fit, or None."""
    spec, (_, threads) = result.spec, width(result.spec)
    if result.comparison.failures:
        return "some of its models failed; the same comparison again tries them once more, and logs all"
    try:
        found = inputs(spec.data, spec.predefined, settings)
    except InputError as error:
        return str(error)
    if run_key(spec, found, threads) != result.comparison.run_key:
        return "data, code, versions or cores are not those of the comparison"
    located = Located(spec, found, Store(settings.store), threads)
    folds = [] if located.split is None else [path for path in located.split.folder.iterdir() if path.is_dir()]
    cells = [(model, seed, Fold.load(path).number) for path in folds for model, seed in spec.compared()]
    if not cells or any(located.fit(*cell) is None for cell in cells):
        return "the store does not have its fits any more"
    return None


def _gone_on_with(result: StoredRun, settings: Settings, speech: Speech) -> str:
    """The comparison once more, all of its fits from the store; the id of its run."""
    from flows.commands.compare import compared
    from recsys.comparison.result import require_place

    require_place(result.comparison.out, result.spec.data)
    return compared(result.spec, result.comparison.out, False, settings, speech).run_id
