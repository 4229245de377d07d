"""Ended in the middle of a search: the same command goes on, and no trial is lost, repeated or recorded twice."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from faults.harness import WORLD, Ended, Workplace, recorded
from faults.law import assert_lawful, kept_by_mlflow
from faults.points import SIGNALS, TUNE, ended_at, turn

TRIALS = 3
SEARCH = {
    "name": "tuned",
    "data": WORLD,
    "models": ["ease", {"name": "mf", "epochs": 4}],
    "evaluation": {"metrics": ["ndcg", "rmse"], "k": [10]},
    "tuning": {"trials": TRIALS, "seconds": 3000},
    "runner": {"workers": 2},
}
COMMAND = ("tune", "spec.yaml", "--json")


def found(text: str) -> list[dict[str, Any]]:
    """What was found of each model, without what is measured."""
    models = json.loads(text)["models"]
    for each in (*models, *(trial for model in models for trial in model["tried"])):
        del each["seconds"]
    return list(models)


@pytest.mark.soak
@pytest.mark.parametrize("with_children", [False, True], ids=["alone", "with its children"])
def test_goes_on_where_it_was(place: Workplace, databases: Path, shared: Path, with_children: bool) -> None:
    place.seed(databases).write("spec.yaml", SEARCH)
    command = place.start(*COMMAND)
    command.wait_for(lambda: len(place.stored("trial")) >= 3 and place.children(), "a trial after three")
    command.kill(with_children)
    place.assert_empty()
    before = {path.name: (path / "outcome.json").read_text() for path in place.stored("trial")}
    fits = {path.name for path in place.stored("fit")}

    ended = place.run(*COMMAND)
    assert ended.status == 0, ended.said
    after = {path.name: (path / "outcome.json").read_text() for path in place.stored("trial")}
    assert before.items() <= after.items()
    assert fits <= {path.name for path in place.stored("fit")}
    assert_as_undisturbed(place, ended, shared, databases)


@pytest.mark.soak
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("point", TUNE)
def test_ended_at_each_point(
    place: Workplace, databases: Path, shared: Path, point: str, number: signal.Signals
) -> None:
    place.seed(databases).write("spec.yaml", SEARCH)
    ended_at(TUNE[point], number, place, partial(place.start, *COMMAND), with_children=turn(point, TUNE)[1])
    ended = place.run(*COMMAND)
    assert ended.status == 0, ended.said
    assert_as_undisturbed(place, ended, shared, databases)


def assert_as_undisturbed(place: Workplace, ended: Ended, shared: Path, databases: Path) -> None:
    """Fail where a search that was ended, and went on, has not left what one leaves that nothing disturbed."""
    assert len(place.stored("trial")) == 2 * TRIALS
    assert found(ended.out) == found(undisturbed(shared, databases))
    runs = [run for run in recorded(place.home) if run.active]
    trials = [(run.tags["label"], int(run.tags["trial"])) for run in runs if run.tags["role"] == "trial"]
    assert sorted(trials) == [(label, number) for label in ("ease", "mf") for number in range(TRIALS)]
    assert {run.status for run in runs} == {"FINISHED"}
    assert len(runs) == 2 * TRIALS + 1
    assert_lawful(place, kept_by_mlflow(shared / "undisturbed-search/home"))


def undisturbed(shared: Path, databases: Path) -> str:
    """What the search answers that nothing disturbed."""
    place, answer = Workplace(shared / "undisturbed-search", SEARCH), shared / "undisturbed-search.json"
    if not answer.exists():
        ended = place.seed(databases).run(*COMMAND)
        assert ended.status == 0, ended.said
        answer.write_text(ended.out)
    return answer.read_text()
