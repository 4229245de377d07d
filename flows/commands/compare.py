"""`recsys compare`: the main job in a terminal."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.command import Speech, short, typed
from flows.early import refuse_wrong_data
from flows.orchestration import orchestrated
from recsys.comparison.result import default_out, require_writable
from recsys.data.load import inputs
from recsys.experiment.keys import run_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.finished import finished_comparison
from recsys.tracking.links import has_server, run_page
from tasks.context import width

if TYPE_CHECKING:
    from recsys.comparison.result import Comparison


def run(spec: Path, overrides: list[str], out: Path | None, fresh: bool, dry_run: bool, speech: Speech) -> None:
    """Compare as the spec says. A finished spec is answered from the store, before Prefect is imported."""
    settings = Settings()
    if dry_run:
        from flows.commands.plan import plan_of, say_plan

        plan = plan_of(spec, overrides, settings)
        say_plan(plan, speech)
        speech.say("\nnext: the same command without --dry-run")
        speech.answer(plan)
        return
    began = time.monotonic()
    experiment = Experiment.load(spec, overrides)
    found = inputs(experiment.data, experiment.predefined, settings, speech.progress())
    key = run_key(experiment, found, width(experiment)[1])
    done = None if fresh else finished_comparison(experiment, key, settings, out)
    if done is not None:
        speech.say(f"{experiment.name} was finished before: nothing is fitted and no run is started (--fresh does)")
    else:
        require_writable(out or default_out(experiment.name, key))
        refuse_wrong_data(experiment, found, settings)
        done = _compared(experiment, out, fresh, settings, speech)
        speech.say(f"done in {time.monotonic() - began:.0f} s")
    speech.answer(_answer(done))
    _show(done, experiment, speech)
    _say_next(done, spec, settings, speech)


def _compared(experiment: Experiment, out: Path | None, fresh: bool, settings: Settings, speech: Speech) -> Comparison:
    with orchestrated("compare", settings, speech) as ready:
        from flows.compare import ModelsFailedError, compare
        from flows.session import options

        ready()
        options.set(replace(options.get(), out=out, fresh=fresh))
        try:
            return compare(experiment)
        except ModelsFailedError as failed:
            _show(failed.comparison, experiment, speech)
            failed.answer = _answer(failed.comparison)
            raise


def _answer(result: Comparison) -> dict[str, Any]:
    from recsys.comparison.result import rows_of

    return {"out": str(result.out), "run_id": result.run_id, "leaderboard": rows_of(result.leaderboard)}


def _show(result: Comparison, experiment: Experiment, speech: Speech) -> None:
    from flows.leaderboard import leaderboard_table

    speech.say()
    speech.console.print(leaderboard_table(result.leaderboard, experiment.evaluation.primary))
    if result.manifest["note"]:
        speech.say(result.manifest["note"])
    speech.say()
    speech.say(f"report   {short(result.out / 'report.html')}")


def _say_next(result: Comparison, spec: Path, settings: Settings, speech: Speech) -> None:
    """Three things to try next, as commands that work as printed."""
    if not has_server(settings):
        port = f" --port {settings.mlflow_port}" if settings.mlflow_port != 5000 else ""
        command = f"{typed('mlflow')} ui --backend-store-uri {shlex.quote(settings.mlflow_uri)}{port}"
    else:
        command = ""
    page = run_page(settings, result.manifest["mlflow_experiment_id"], result.run_id)
    speech.say(f"MLflow   {command}".rstrip())
    speech.say(f"         then open {page}" if command else f"         open {page}")
    speech.say(f"own data {typed('recsys')} init EVENTS.csv")
    speech.say(f"schedule {typed('recsys')} up     (then, as it says: prefect deployment run compare/demo)")
