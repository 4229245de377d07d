"""`recsys tune`: the settings of every model, searched on the validation part."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from flows.command import Speech, taken, write_new
from flows.orchestration import orchestrated
from recsys.comparison.result import require_writable
from recsys.data.load import inputs
from recsys.errors import InputError, RunError, not_written
from recsys.experiment.spec import Experiment
from recsys.settings import Settings

if TYPE_CHECKING:
    from flows.tune import TunedModels


def run(
    spec: Path, overrides: list[str], trials: int | None, seconds: float | None, out: Path | None, speech: Speech
) -> None:
    """Tune as the spec says, show what it brings, write the tuned spec and a page beside it; never over an existing
    file.

    Raises RunError at the end where a model failed; the others are in the tuned spec.
    """
    target, settings, began = out or Path(f"{spec.stem}-tuned.yaml"), Settings(), time.monotonic()
    page = target.with_suffix(".html")
    for place in (target, page):
        if place.exists():
            raise taken(place)
    if not target.name:
        raise InputError(str(target), "is a folder", "name a file with --out")
    require_writable(target.parent)
    budget = {"trials": trials, "seconds": seconds}
    named = [f"tuning.{name}={value}" for name, value in budget.items() if value is not None]
    experiment = Experiment.load(spec, [*overrides, *named])
    if experiment.tuning is None:
        experiment = experiment.override(["tuning={}"])
    inputs(experiment.data, experiment.predefined, settings, speech.progress())
    with orchestrated("tune", settings, speech, experiment) as ready:
        from flows.tune import tune

        ready()
        tuned = tune(experiment)
    _write(target, tuned.text(str(spec)))
    _write(page, tuned.page)
    answer = _answer(tuned, target, page)
    _show(tuned, speech)
    speech.say(f"\nwrote    {target}     (in {time.monotonic() - began:.0f} s)")
    speech.say(f"page     {page}")
    speech.say(f"MLflow   {tuned.link}{'     (recsys up starts it)' if settings.owns_tracking else ''}")
    speech.say(f"next     recsys compare {target}")
    if tuned.failures:
        label, reason = next(iter(tuned.failures.items()))
        failed = RunError(label, reason, "the others are tuned; run again to try what failed")
        failed.answer = answer
        raise failed
    speech.answer(answer)


def _write(target: Path, text: str) -> None:
    try:
        write_new(target, text)
    except OSError as error:
        raise not_written(error, target) or error from error


def _answer(tuned: TunedModels, target: Path, page: Path) -> dict[str, Any]:
    rows = [{"model": label, **facts} for label, facts in tuned.facts.items()]
    return {"spec": str(target), "report": str(page), "run_id": tuned.run_id, "models": rows}


def _show(tuned: TunedModels, speech: Speech) -> None:
    """A line a model: what its settings gave, what the best give, and which are others now."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    primary = tuned.spec.evaluation.primary
    for column in ("model", "trials", "pruned", "work s", f"{primary} before", "after", "settings changed"):
        table.add_column(column, justify="left" if column in ("model", "settings changed") else "right")
    for model in tuned.spec.models:
        found = tuned.found.get(model.row)
        if found is None:
            table.add_row(f"[red]{model.row}[/red]", "", "", "", "", "", "failed")
        elif found.before is None or found.after is None:
            table.add_row(model.row, "0", "", "", "", "", "nothing to tune")
        else:
            changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in found.changes(model).items())
            counts = (str(len(found.trials)), str(found.count("pruned")), f"{found.seconds:.1f}")
            table.add_row(model.row, *counts, f"{found.before:.4f}", f"{found.after:.4f}", changes or "none")
    speech.say()
    speech.console.print(table)
