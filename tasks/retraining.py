"""The steps of a retraining as Prefect tasks: one library function each, references in and out."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from recsys.champion.behaviour import Finding, check_behaviour
from recsys.champion.drift import Drift, drift
from recsys.champion.gate import Decision, Guard, Kind, by_mode, decide
from recsys.champion.guards import age_guard, behaviour_guards, drift_guards, older_guard, side_guards
from recsys.champion.record import (
    Contender,
    Window,
    accepted_until,
    microseconds_of,
    moment,
    numbers,
    usual_step,
)
from recsys.champion.sides import Pairing, Side, pair, side_of
from recsys.champion.window import full_fold, window_fold
from recsys.comparison.bootstrap import FEWEST_USERS
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions, training_view
from recsys.data.text import count
from recsys.errors import ExpectedError, InputError
from recsys.experiment.cells import job_of
from recsys.experiment.fit import lists_of_stored
from recsys.experiment.keys import bundle_key, passport_choices, stored_key, window_key
from recsys.experiment.lists import Lists
from recsys.metrics.passport import passport_hash
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class, open_model
from recsys.serving.about import MODEL, Facts
from recsys.serving.bundle import write_bundle
from recsys.serving.canary import check_canary
from recsys.serving.inspect import read_about
from recsys.splits.fold import Fold, save_folds, training_rows
from recsys.store import Ref
from recsys.tracking.pyfunc import bundle_of, save_pyfunc
from recsys.tracking.registry import DIGEST, Version
from tasks.context import Cell
from tasks.night import Night, model_of, version_tags
from tasks.recorder import Recorder

WINDOW, FULL = 0, 1
CHALLENGER, CHAMPION, FINAL = "challenger", "champion", "final"
SERVED = "served"


@dataclass(frozen=True, eq=False)
class Trial:
    """What the gate saw and said."""

    decision: Decision
    pairing: Pairing
    guards: tuple[Guard, ...]
    drift: Drift
    behaviour: tuple[Finding, ...]

    def fields(self) -> dict[str, Any]:
        """The fields of a record."""
        about = {"kind": self.decision.kind, "guards": self.guards, "drift": self.drift, "behaviour": self.behaviour}
        return about | numbers(self.pairing)


@task(name="look for new rows", cache_policy=NO_CACHE)
def look_for_new_rows(night: Night) -> str | None:
    """Why there is nothing to do tonight, or None."""
    fresh, asked = night.fresh, night.spec.retrain.min_new_rows
    assert fresh.newest is not None
    text = f"{count(fresh.rows, 'row')}, the newest of {moment(fresh.newest):%Y-%m-%d %H:%M} UTC"
    night.run.reporter.stage("fresh", f"{text}; {_came(night.new_rows)} since the last decision")
    last = night.seen
    if last is None or night.new_rows >= asked:
        return None
    if night.champion is None and last.serving is not None:
        night.run.reporter.stage("fresh", f"but version {last.serving}, which served then, is champion no more")
        return None
    if unreadable(night) is not None:
        night.run.reporter.stage("fresh", "but the champion cannot be opened")
        return None
    if night.asks_anew:
        night.run.reporter.stage("fresh", f"but the experiment is another one than on {last.time:%Y-%m-%d %H:%M} UTC")
        return None
    if night.new_rows <= 0 and last.rows == fresh.rows:
        return f"no new rows since the decision of {last.time:%Y-%m-%d %H:%M} UTC"
    if night.new_rows < 0:
        return None  # rows were taken away: other data than were decided about
    return f"{count(night.new_rows, 'new row')}, and retrain.min_new_rows asks for {asked:,}"


def _came(rows: int) -> str:
    return f"{rows:,} came" if rows >= 0 else f"{-rows:,} went"


@task(name="cut window", cache_policy=NO_CACHE)
def cut_window(dataset: Ref, night: Night) -> Ref:
    """The folds: 0, the newest window and all before it; 1, everything."""
    length, share = night.spec.retrain.window, _validation(night)

    def build(folder: Path) -> None:
        data = Dataset.load(dataset.folder)
        folds = {WINDOW: window_fold(data, length, validation=share), FULL: full_fold(data, length)}
        save_folds((replace(fold, number=number) for number, fold in folds.items()), folder)

    ref = night.run.produce("window", window_key(night.spec, dataset, share), build)
    fold = Fold.load(ref.folder / str(WINDOW))
    rows = f"{count(len(fold.test), 'row')} against {len(fold.train) + len(fold.validation):,} before"
    night.run.reporter.stage("window", f"{fold.name}: {rows}", ref.cached)
    return ref


def _validation(night: Night) -> float:
    """The share that a model may watch: the spec's, where one of the two sides watches it."""
    watches = [model_class(model.name).watches_validation for model in (night.challenger, opponent(night))]
    return night.spec.validation_share if any(watches) else 0.0


def opponent(night: Night) -> ModelConfig:
    """The model that the challenger has to beat: the champion's own settings, or popularity before there is one."""
    if night.champion is None:
        return model_of({"name": "popularity"}, CHAMPION)
    return model_of(night.champion.settings, CHAMPION)


def kind_of(night: Night) -> Kind:
    """First champion, change, or refresh."""
    if night.champion is None:
        return "first"
    return "refresh" if opponent(night).settings() == night.challenger.settings() else "change"


def cell_of(model: ModelConfig, label: str, night: Night, fold: int = WINDOW) -> Cell:
    """The fit of a side, under the first seed."""
    return Cell(model=model.model_copy(update={"label": label}), seed=night.spec.seeds[0], fold=fold)


def unreadable(night: Night) -> str | None:
    """What keeps this version from serving the champion: an earlier format, a damaged file; None where nothing does."""
    if night.champion is None or night.champion.version is None:
        return None
    registry = night.office.registry
    try:
        registry.open(registry.version(night.spec.name, night.champion.version))
    except InputError as error:
        return str(error)
    return None


def nobody_serves(night: Night) -> list[str]:
    """What a person has to know where nobody takes the place of a champion that cannot be opened."""
    if unreadable(night) is None:
        return []
    assert night.champion is not None
    remedy = f"go to a sound one: recsys champion promote {night.spec.name} --version N --reason WHY"
    return [f"version {night.champion.version} cannot be opened, and nothing new can serve it; {remedy}"]


def stand_in(night: Night, dataset: Ref, window: Ref) -> str | None:
    """Why the champion's settings are fitted anew for the trial, or None where the champion itself may be scored."""
    if night.champion is None:
        return "there is no champion yet"
    if night.champion.newest is None or night.champion.version is None:
        return "it has no stored model"
    broken = unreadable(night)
    if broken is not None:
        night.run.reporter.warn(f"version {night.champion.version} cannot be opened: {broken}")
        return f"version {night.champion.version} cannot be opened; its settings were fitted anew"
    data, fold = Dataset.load(dataset.folder), Fold.load(window.folder / str(WINDOW))
    begins = int(np.asarray(data.timestamp)[fold.test].min())
    newest = night.champion.newest
    if microseconds_of(newest) >= begins:
        return f"its own rows reach to {newest:%Y-%m-%d %H:%M}, into the window; its settings were fitted before it"
    return None


@task(name="score the champion", cache_policy=NO_CACHE)
def score_champion(dataset: Ref, window: Ref, night: Night) -> Ref:
    """The lists of the champion itself, which has seen no row of the window."""
    assert night.champion is not None
    run, registry = night.run, night.office.registry
    version = registry.version(night.spec.name, night.champion.version or 0)
    model = bundle_of(registry.folder(version)) / MODEL
    cell = cell_of(opponent(night), CHAMPION, night)
    job = job_of(run.spec, cell.model, cell.seed, dataset.folder, window.folder / str(WINDOW), run.threads)

    def build(folder: Path) -> None:
        began = time.perf_counter()
        lists_of_stored(job, model).save(folder)
        size = sum(path.stat().st_size for path in model.iterdir())
        measured = {"recommend_seconds": time.perf_counter() - began, "model_bytes": size}
        (folder / "measured.json").write_text(json.dumps(measured))

    with run.core():
        return run.produce("stored", stored_key(job, version.source, dataset, window), build)


@task(name="hold against the champion", cache_policy=NO_CACHE)
def hold_trial(challenger: Ref, champion: Ref, dataset: Ref, window: Ref, night: Night) -> Trial:
    """Both sides on the window, the guards, and what the gate says."""
    data, fold = Dataset.load(dataset.folder), Fold.load(window.folder / str(WINDOW))
    retrain, now = night.spec.retrain, int(time.time() * 1e6)
    with night.run.core():
        sides = [_side(fit, data, fold, night) for fit in (challenger, champion)]
        findings = tuple(_behaviour(challenger, data, fold, night))
        assert night.fresh.newest is not None
        records = night.records
        new = drift(data, night.fresh.newest, accepted_until(records), usual_step(records))
        guards = (
            *side_guards(sides[0], sides[1], retrain.guards),
            *drift_guards(new, retrain.guards),
            *behaviour_guards(findings),
            age_guard(night.fresh.newest, now, retrain.guards),
            older_guard(night.fresh.newest, newest_of(night.champion)),
        )
        pairing = pair(*sides)
    decision = decide(kind_of(night), pairing, guards, retrain)
    if not night.rehearsal:
        decision = by_mode(decision, retrain.mode)
    for guard in guards:
        if guard.fell:
            night.run.reporter.warn(guard.text)
    night.run.reporter.stage("gate", decision.reasons[0])
    return Trial(decision, pairing, guards, new, findings)


def newest_of(champion: Contender | None) -> int | None:
    """Time of the newest row that it was fitted on, microseconds since 1970; None where that is not known."""
    return None if champion is None or champion.newest is None else microseconds_of(champion.newest)


def too_few(dataset: Ref, window: Ref, night: Night) -> str | None:
    """Why nothing can be decided on this window, or None: known before anything is fitted."""
    data, fold = Dataset.load(dataset.folder), Fold.load(window.folder / str(WINDOW))
    known = np.bincount(data.user[training_rows(data, fold, refit=True)], minlength=len(data.users)) > 0
    users = np.unique(data.user[fold.test])
    n = len(users) if night.spec.users == "all" else int(np.count_nonzero(known[users]))
    if n >= FEWEST_USERS:
        return None
    return f"{count(n, 'user')} with a row in the window and rows before it: {FEWEST_USERS} are needed"


def window_of(dataset: Ref, window: Ref, trial: Trial | None = None) -> Window:
    """The window as a record names it."""
    data, fold = Dataset.load(dataset.folder), Fold.load(window.folder / str(WINDOW))
    times = np.asarray(data.timestamp)[fold.test]
    users = len(np.unique(data.user[fold.test])) if trial is None else trial.pairing.users
    return Window(start=moment(int(times.min())), end=moment(int(times.max())), users=users, rows=len(times))


def final_model(challenger: Ref, night: Night) -> ModelConfig:
    """The challenger as it is fitted on all rows: for the epochs that its fit before the window has chosen."""
    measured = json.loads((challenger.folder / "measured.json").read_text())
    chosen = {"epochs": measured["best_epoch"]} if "best_epoch" in measured else {}
    return night.challenger.model_copy(update=chosen)


@task(name="make ready to serve", cache_policy=NO_CACHE)
def make_ready(final: Ref, dataset: Ref, window: Ref, night: Night) -> Ref:
    """What serves the final model: the model, the histories of its users, an index; in the form that MLflow loads."""
    data, spec = Dataset.load(dataset.folder), night.spec

    def build(folder: Path) -> None:
        train = _train(data, Fold.load(window.folder / str(FULL)), night)
        facts = Facts(
            name=spec.name,
            exclude_seen=spec.evaluation.exclude_seen,
            passport=passport_hash(spec.evaluation.primary, **passport_choices(spec)),
            digests={"data": dataset.digest, "fit": final.digest},
            notes={"as_of": moment(night.as_of).isoformat()},
        )
        bundle = folder / "bundle"
        write_bundle(bundle, final.folder / "model", train, facts, threads=night.run.threads)
        save_pyfunc(bundle, folder / SERVED)
        shutil.rmtree(bundle)

    with night.run.core():
        return night.run.produce("bundle", bundle_key(final, spec.name), build)


@task(name="register", cache_policy=NO_CACHE)
def register(cell: Cell, final: Ref, ready: Ref, contender: Contender, recorder: Recorder, night: Night) -> Version:
    """The new version, named challenger; loaded back, it gives the lists that were evaluated."""
    run, office = night.run, night.office
    child = recorder.finish_fit(cell, final)

    def log() -> str:
        return office.tracker.log_model(
            recorder.parent, child, night.challenger.row, ready.folder / SERVED, night.challenger.settings()
        )

    _, bundle = read_about(bundle_of(ready.folder / SERVED))
    tags = version_tags(contender) | {"as_of": moment(night.as_of).isoformat(), DIGEST: bundle}
    return office.registry.register(night.spec.name, run.key, recorder.parent.run_id, log, tags)


@task(name="try the canary", cache_policy=NO_CACHE)
def try_canary(version: Version, final: Ref, dataset: Ref, night: Night) -> str | None:
    """Why this version must not serve, or None: loaded back, it gives the lists that its fit gave."""
    try:
        bundle = night.office.registry.open(version)
        n = check_canary(bundle, Dataset.load(dataset.folder), Lists.load(final.folder))
    except ExpectedError as error:
        night.run.reporter.warn(str(error))
        return str(error)
    night.run.reporter.stage("canary", f"version {version.number} gives {n} users the lists of its fit")
    return None


def _side(fit: Ref, data: Dataset, fold: Fold, night: Night) -> Side:
    measured = json.loads((fit.folder / "measured.json").read_text())
    return side_of(night.spec, data, fold, Lists.load(fit.folder), measured)


def _behaviour(fit: Ref, data: Dataset, fold: Fold, night: Night) -> list[Finding]:
    model, train = open_model(fit.folder / "model"), _train(data, fold, night)
    k = min(10, max(night.spec.evaluation.k))
    return check_behaviour(model, train, k, exclude_seen=night.spec.evaluation.exclude_seen)


def _train(data: Dataset, fold: Fold, night: Night) -> Interactions:
    spec = night.spec
    rows = training_rows(data, fold, spec.refit)
    return training_view(data, rows, spec.positive, spec.data.weight, spec.evaluation.candidates == "catalogue")
