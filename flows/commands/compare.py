"""`recsys compare`: the main job in a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.command import Speech
from flows.orchestration import orchestrated
from recsys.comparison.result import default_out, require_writable
from recsys.data.load import inputs
from recsys.experiment.keys import run_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.finished import finished_comparison
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
    speech.say(f"report   {_short(result.out / 'report.html')}")


def _say_next(result: Comparison, spec: Path, settings: Settings, speech: Speech) -> None:
    """Three things to try next, as commands that work as printed."""
    if settings.owns_tracking:
        port = f" --port {settings.mlflow_port}" if settings.mlflow_port != 5000 else ""
        command = f"{_tool('mlflow')} ui --backend-store-uri {shlex.quote(settings.mlflow_uri)}{port}"
        base = f"http://127.0.0.1:{settings.mlflow_port}"
    else:
        command, base = "", settings.mlflow_uri.rstrip("/")
    page = f"{base}/#/experiments/{result.manifest['mlflow_experiment_id']}/runs/{result.run_id}"
    speech.say(f"MLflow   {command}".rstrip())
    speech.say(f"         then open {page}" if command else f"         open {page}")
    speech.say(f"own data {_tool('recsys')} init EVENTS.csv")
    speech.say(f"schedule {_tool('recsys')} up     (then, as it says: prefect deployment run compare/demo)")


def _tool(name: str) -> str:
    """A command of this installation as one can type it here."""
    path = Path(sys.executable).with_name(name)
    return shlex.quote(_short(path)) if path.exists() else name


def _short(path: Path) -> str:
    """A path from here where it lies below, else in full."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
