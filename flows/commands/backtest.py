"""`recsys backtest`: how fast models age, and how often to retrain them."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.command import Speech
from flows.orchestration import orchestrated
from recsys.comparison.backtest_result import plain
from recsys.comparison.result import require_writable
from recsys.data.load import inputs
from recsys.experiment.external import require_model
from recsys.experiment.spec import Experiment
from recsys.report.backtest import ranked
from recsys.report.backtest_words import advice, bounds, lasting, policy_name, share
from recsys.settings import Settings
from recsys.splits.periods import length_of

if TYPE_CHECKING:
    from rich.table import Table

    from recsys.comparison.backtest import Course
    from recsys.comparison.backtest_result import Backtest
    from tasks.backtesting import Backtested

MOST_AGES = 8


def run(
    spec: Path, overrides: list[str], every: str | None, periods: int | None, out: Path | None, speech: Speech
) -> None:
    """Backtest as the spec says. What is wrong with spec, files or length is found before Prefect is imported."""
    settings, began = Settings(), time.monotonic()
    experiment = Experiment.load(spec, overrides)
    for model in experiment.models:
        require_model(model, "a backtest")
    if every is not None:
        length_of(every)
    inputs(experiment.data, None, settings, speech.progress())
    require_writable(out or Path("runs"))
    with orchestrated("backtest", settings, speech) as ready:
        from flows.backtest import BacktestFailedError, backtest
        from flows.session import choosing

        ready()
        try:
            with choosing(out=out):
                done = backtest(experiment, every=every, periods=periods)
        except BacktestFailedError as failed:
            show(failed.backtest, speech)
            failed.answer = answer_of(failed.backtest)
            raise
    speech.say(f"done in {time.monotonic() - began:.0f} s")
    speech.answer(answer_of(done))
    show(done, speech)


def answer_of(done: Backtested) -> dict[str, Any]:
    """What a program is told."""
    result = done.result
    models = [
        {
            "model": course.label,
            "advice": advice(course, result),
            "ages": [plain(age, result.column) for age in course.ages],
            "policies": [
                {"name": policy_name(policy, result), **plain(policy, result.column)} for policy in course.policies
            ],
        }
        for course in ranked(result)
    ]
    about = {"primary": result.column, "every": result.every, "periods": len(result.periods)}
    return {"out": str(done.out), "run_id": done.run_id, **about, "models": models, "failures": dict(result.failures)}


def show(done: Backtested, speech: Speech) -> None:
    """Ages, policies, and a sentence of advice for each model."""
    result = done.result
    for table in (_ages(result), _policies(result)):
        speech.say()
        speech.console.print(table)
    speech.say()
    for course in ranked(result):
        speech.say(advice(course, result))
    speech.say()
    speech.say(f"report   {done.out / 'backtest.html'}")


def _ages(result: Backtest) -> Table:
    table = _table("model", "age", result.column, "fresh, same users", "loss", "95 % interval", "users")
    for course in ranked(result):
        for place, age in enumerate(_some(course)):
            name = lasting(age.steps * result.length) if age.steps else "fresh"
            values = (_number(age.value.value), _number(age.reference), share(age.loss.value), bounds(age))
            table.add_row(course.label if not place else "", name, *values, f"{age.users:,}")
    return table


def _some(course: Course) -> list[Any]:
    """All ages, or where they are many the oldest and some between."""
    ages = list(course.ages)
    step = math.ceil((len(ages) - 1) / MOST_AGES)
    return [age for age in ages if (len(ages) - 1 - age.steps) % step == 0 or not age.steps]


def _policies(result: Backtest) -> Table:
    table = _table("model", "retrained", result.column, "loss", "95 % interval", "fits", "CPU s")
    for course in ranked(result):
        for place, policy in enumerate(course.policies):
            values = (_number(policy.value.value), share(policy.loss.value), bounds(policy))
            cost = (f"{policy.fits:,}", f"{policy.cpu_seconds:.1f}")
            table.add_row(course.label if not place else "", policy_name(policy, result), *values, *cost)
    return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < 2 or "interval" in column else "right", no_wrap=True)
    return table


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
