"""`recsys compare`: the main job in a terminal."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.command import Speech, short, typed
from flows.early import refuse_wrong_data
from flows.orchestration import orchestrated
from recsys.comparison.result import default_out, require_place
from recsys.data.load import inputs
from recsys.errors import InputError
from recsys.experiment.candidates import sample_in_words
from recsys.experiment.keys import run_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.tracking.finished import finished_comparison
from recsys.tracking.links import has_server, run_page
from tasks.context import width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recsys.comparison.result import Comparison


def run(
    spec: Path,
    overrides: list[str],
    out: Path | None,
    fresh: bool,
    dry_run: bool,
    speech: Speech,
    also: Sequence[str] = (),
) -> None:
    """Compare as the spec says. A finished spec is answered from the store, before Prefect is imported.

    also: overrides that make a second comparison, whose order of the models is held against that of the first.
    """
    settings = Settings()
    if dry_run:
        from flows.commands.plan import plan_of, say_plan

        plan = plan_of(spec, overrides, settings)
        say_plan(plan, speech)
        if also:
            plan["also"] = plan_of(spec, [*overrides, *also], settings)
            say_plan(plan["also"], speech)
        speech.say("\nnext: the same command without --dry-run")
        speech.answer(plan)
        return
    wanted = [Wanted.of(Experiment.load(spec, overrides), out, settings, speech)]
    if also:
        other = Experiment.load(spec, [*overrides, *also])
        wanted.append(Wanted.of(other, wanted[0].out / "also", settings, speech))
    done, anew = _reached(wanted, fresh, settings, speech)
    for each, result in zip(wanted, done, strict=True):
        show(result, each.experiment, speech)
    answer = answer_of(done[0])
    if also:
        from flows.commands.also import hold_beside, log_beside

        protocols = hold_beside(done, wanted, also, settings, speech)
        if anew:
            log_beside(done[0], settings)
        answer["also"] = answer_of(done[1]) | {"protocols": protocols}
    speech.answer(answer)
    _say_next(done[0], spec, settings, speech)


@dataclass(frozen=True)
class Wanted:
    """A comparison that is asked for. inputs: digests of its files. out: where its result goes."""

    experiment: Experiment
    inputs: Mapping[str, str]
    key: str
    out: Path

    @classmethod
    def of(cls, experiment: Experiment, out: Path | None, settings: Settings, speech: Speech) -> Wanted:
        """Reads the files for their digests."""
        found = inputs(experiment.data, experiment.predefined, settings, speech.progress())
        key = run_key(experiment, found, width(experiment)[1])
        return cls(experiment, found, key, out or default_out(experiment.name, key))


def _reached(
    wanted: Sequence[Wanted], fresh: bool, settings: Settings, speech: Speech
) -> tuple[list[Comparison], bool]:
    """The comparisons: those that were finished, unless all are to be made `fresh`, and the rest.

    Returns them, and whether any was made now.
    """
    began = time.monotonic()
    for each in wanted:
        require_place(each.out, each.experiment.data)
    found = [None if fresh else finished_comparison(each.experiment, each.key, settings, each.out) for each in wanted]
    left = [each for each, done in zip(wanted, found, strict=True) if done is None]
    for each in wanted:
        if each not in left:
            name = each.experiment.name
            speech.say(f"{name} was finished before: nothing is fitted and no run is started (--fresh does)")
    for each in left:
        refuse_wrong_data(each.experiment, each.inputs, settings)
    made = iter(all_compared([(each.experiment, each.out) for each in left], fresh, settings, speech) if left else [])
    if left:
        speech.say(f"done in {time.monotonic() - began:.0f} s")
    return [next(made) if done is None else done for done in found], bool(left)


def one_spec(named: Sequence[str]) -> Path:
    """The one spec that is named. Raises InputError where there are more."""
    if len(named) > 1:
        remedy = "one spec is compared at a time; finished runs of several: recsys compare --runs RUN_ID RUN_ID"
        raise InputError(f"compare {named[1]}", "is one too many", remedy)
    return Path(named[0])


def compared(experiment: Experiment, out: Path | None, fresh: bool, settings: Settings, speech: Speech) -> Comparison:
    """The flow, shown where a model fails. Raises as it does, with the answer of what was reached."""
    return all_compared([(experiment, out)], fresh, settings, speech)[0]


def all_compared(
    asked: Sequence[tuple[Experiment, Path | None]], fresh: bool, settings: Settings, speech: Speech
) -> list[Comparison]:
    """One flow after another, for experiments and where their results go; the first that fails ends it."""
    with orchestrated("compare", settings, speech, asked[0][0]) as ready:
        from flows.compare import ModelsFailedError, NotLoggedError, compare
        from flows.session import choosing

        ready()
        done = []
        for experiment, out in asked:
            try:
                with choosing(out=out, fresh=fresh):
                    done.append(compare(experiment))
            except (ModelsFailedError, NotLoggedError) as failed:
                show(failed.comparison, experiment, speech)
                failed.answer = answer_of(failed.comparison)
                raise
        return done


def answer_of(result: Comparison) -> dict[str, Any]:
    """What `--json` says of a comparison."""
    from recsys.comparison.result import rows_of

    return {"out": str(result.out), "run_id": result.run_id, "leaderboard": rows_of(result.leaderboard)}


def show(result: Comparison, experiment: Experiment, speech: Speech) -> None:
    """The leaderboard, and where the report is."""
    from flows.leaderboard import leaderboard_table, untuned_line

    speech.say()
    speech.console.print(leaderboard_table(result.leaderboard, experiment.evaluation.primary))
    untuned = untuned_line(result.leaderboard)
    if untuned:
        speech.say(untuned)
    if result.manifest["note"]:
        speech.say(result.manifest["note"])
    sample = sample_in_words(result.manifest["choices"]["candidates"], experiment.evaluation.candidates)
    if sample:
        speech.say(f"the lists hold {sample}")
    speech.say()
    speech.say(f"report   {short(result.out / 'report.html')}")


def _say_next(result: Comparison, spec: Path, settings: Settings, speech: Speech) -> None:
    """Three things to try next, as commands that work as printed."""
    if not has_server(settings):
        port = f" --port {settings.mlflow_port}" if settings.mlflow_port != 5000 else ""
        command = f"{typed('mlflow')} ui --backend-store-uri {shlex.quote(settings.mlflow_place)}{port}"
    else:
        command = ""
    page = run_page(settings, result.manifest["mlflow_experiment_id"], result.run_id)
    speech.say(f"MLflow   {command}".rstrip())
    speech.say(f"         then open {page}" if command else f"         open {page}")
    speech.say(f"own data {typed('recsys')} init EVENTS.csv")
    speech.say(f"schedule {typed('recsys')} up     (then, as it says: prefect deployment run compare/demo)")
