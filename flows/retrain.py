"""Scheduled retraining: fit a challenger, hold it against the champion on the newest rows, let the better one serve."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.approval import ask_for_approval
from flows.events import tell_prefect
from flows.local import local_flow
from flows.night import deciding, night, repeated
from flows.session import data_inputs
from recsys.champion.record import Contender, DecisionRecord, moment
from recsys.data.load import inputs
from recsys.errors import RunError
from recsys.experiment.spec import Experiment
from recsys.store import Ref
from tasks.night import Night
from tasks.recorder import Recorder
from tasks.retraining import (
    CHALLENGER,
    CHAMPION,
    FINAL,
    FULL,
    Trial,
    cell_of,
    cut_window,
    final_model,
    hold_trial,
    look_for_new_rows,
    make_ready,
    nobody_serves,
    opponent,
    register,
    score_champion,
    stand_in,
    too_few,
    try_canary,
    window_of,
)
from tasks.settling import settle, write_down
from tasks.stages import evaluate, fit_all, fit_and_recommend, load_data


@local_flow(name="retrain", description="Fit a challenger; it serves if it is better, or as good and fresher")
def retrain(spec: Experiment, overrides: list[str] | None = None, as_of: datetime | None = None) -> DecisionRecord:
    """Look for new rows, fit the first model, hold it against the champion, register, promote, publish, notify.

    as_of: the logical time; None: that of the newest row. The same time given again repeats what was decided. Raises
    InputError where spec or data are wrong, RunError where a step fails; every finished step is kept for the next try.
    """
    with night(spec.override(overrides or []), as_of) as tonight:
        before = repeated(tonight)
        if before is not None:
            tonight.run.reporter.stage("done", f"decided before, {before.time:%Y-%m-%d %H:%M} UTC: {before.verdict}")
            return before
        with deciding(tonight) as recorder:
            record = decide_tonight(tonight, recorder)
            if tonight.rehearsal:
                return record
            record = settle(tonight.office, recorder.parent.run_id, record, tonight.run.reporter)
            tell_prefect(record)
        return ask_for_approval(tonight, record) if record.verdict == "waiting" else record


def decide_tonight(tonight: Night, recorder: Recorder) -> DecisionRecord:
    """The walk from the source to a written decision."""
    run, run_id = tonight.run, recorder.parent.run_id
    idle = look_for_new_rows.submit(tonight).result()
    if idle is not None:
        run.reporter.stage("skip", idle)
        return write_down(tonight.office, run_id, tonight.record("skipped", [idle]))

    data = load_up_to(tonight)
    window = cut_window.submit(data, tonight).result()
    recorder.inputs = data_inputs(run.spec, f"window-{run.spec.retrain.window}", data, window)
    recorder.tracker.log_inputs(run_id, recorder.inputs)
    known = {"data": data.digest, "challenger": contender(tonight, data), "runs": {"retraining": run_id}}
    few = too_few(data, window, tonight)
    if few is not None:
        run.reporter.stage("gate", few)
        record = tonight.record("waiting", [few], window=window_of(data, window), **known)
        return write_down(tonight.office, run_id, record)

    why = stand_in(tonight, data, window)
    challenger, champion = fit_sides(tonight, why, data, window, recorder)
    trial = hold_trial.submit(challenger, champion, data, window, tonight).result()
    if tonight.champion is not None:
        known["champion"] = tonight.champion.model_copy(update={"stand_in": why})
    known |= {"window": window_of(data, window, trial), **trial.fields()}
    return conclude(trial, challenger, known, data, window, recorder, tonight)


def load_up_to(tonight: Night) -> Ref:
    """The rows up to tonight's time; once more where some arrived while they were read."""
    run = tonight.run
    try:
        return load_data.submit(run).result()
    except RunError as error:
        run.reporter.warn(f"{error}: once more")
        run.inputs = inputs(run.spec.data, None, run.settings, as_of=run.as_of)
        return load_data.submit(run).result()


def fit_sides(tonight: Night, why: str | None, data: Ref, window: Ref, recorder: Recorder) -> tuple[Ref, Ref]:
    """The fits of challenger and champion on the rows before the window; the champion itself where that is fair."""
    run = tonight.run
    cells = [cell_of(tonight.challenger, CHALLENGER, tonight)]
    if why is not None:
        run.reporter.stage("against", f"{opponent(tonight).name}: {why}")
        cells.append(cell_of(opponent(tonight), CHAMPION, tonight))
    fits = [future.result() for future in fit_all(cells, data, window, recorder, run)]
    for future in [
        evaluate.submit(cell, fit, data, window, recorder, run) for cell, fit in zip(cells, fits, strict=True)
    ]:
        future.result()
    champion = fits[1] if why is not None else score_champion.submit(data, window, tonight).result()
    return fits[0], champion


def conclude(
    trial: Trial, challenger: Ref, known: dict[str, Any], data: Ref, window: Ref, recorder: Recorder, tonight: Night
) -> DecisionRecord:
    """Write the decision down; before that, the winner is fitted on all rows, registered and tried."""
    verdict, reasons, office = trial.decision.verdict, trial.decision.reasons, tonight.office
    if verdict != "promoted":
        reasons = (*reasons, *nobody_serves(tonight))
    run_id = recorder.parent.run_id
    if tonight.rehearsal or verdict not in ("promoted", "waiting") or not trial.decision.passed:
        return write_down(office, run_id, tonight.record(verdict, reasons, **known))
    cell = cell_of(final_model(challenger, tonight), FINAL, tonight, FULL)
    final = fit_and_recommend.submit(cell, data, window, recorder, tonight.run).result()
    ready = make_ready.submit(final, data, window, tonight).result()
    version = register.submit(cell, final, ready, known["challenger"], recorder, tonight).result()
    broken = try_canary.submit(version, final, data, tonight).result()
    known["challenger"] = known["challenger"].model_copy(update={"version": version.number})
    if broken is not None:
        return write_down(office, run_id, tonight.record("rejected", [*reasons, broken], **known))
    if verdict == "promoted":
        known |= {"version": version.number, "serving": version.number}
    return write_down(office, run_id, tonight.record(verdict, reasons, **known))


def contender(tonight: Night, data: Ref) -> Contender:
    """The challenger as it would serve: fitted on all rows."""
    newest = tonight.fresh.newest
    return Contender(
        label=tonight.challenger.row,
        settings=tonight.challenger.settings(),
        data=data.digest,
        newest=None if newest is None else moment(newest),
        rows=tonight.fresh.rows,
    )
