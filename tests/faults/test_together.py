"""Two at once with one key, and stored work that was damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults.harness import HELD_UP, Workplace, assert_recorded, assert_same
from faults.law import assert_lawful
from faults.points import IN_PLACE

LABELS = ["popularity", "mf", "faulty", "random"]


def test_two_at_once_do_the_work_once(
    place: Workplace, databases: Path, server: str, undisturbed: dict, records: dict
) -> None:
    place.seed(databases)
    go_on = place.folder / "go-on"
    first = place.start(FAULTY_WAITS_FOR=str(go_on), PREFECT_API_URL=server)
    first.wait_for(place.fitting, "a fit")
    second = Workplace(place.folder.with_name("second"), home=place.home).start(PREFECT_API_URL=server)
    second.wait_for(lambda: "another process works on this very comparison" in second.out, "the second one waiting")
    assert collected(place) == []
    go_on.touch()
    ended, waited = first.wait(), second.wait()
    assert (ended.status, waited.status) == (0, 0), ended.said + waited.said
    assert "finished before" in waited.out
    assert "fitted in" not in waited.out
    assert_same(place.result(), undisturbed)
    assert_same(place.result(second.place.out), undisturbed)
    assert_recorded(place.home, LABELS)
    assert_lawful(place, records)


def collected(place: Workplace) -> list[str]:
    """What `recsys gc` removes of all that no run at work needs."""
    ended = place.run("gc", "--days", "0", "--json")
    assert ended.status == 0, ended.said
    return list(json.loads(ended.out)["removed"])


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["dataset", "split", "fit", "evaluation", "comparison", "report"])
def test_gc_between_two_stages(
    place: Workplace, databases: Path, server: str, undisturbed: dict, records: dict, stage: str
) -> None:
    """What is stored and not read yet stays, as does what an earlier run has left and this one goes on with."""
    place.seed(databases)
    killed = place.start(FAULTS_HOLD=f"{IN_PLACE} {stage}", PREFECT_API_URL=server)
    killed.wait_until_held()
    killed.kill(with_children=True)
    go_on = place.folder / "go-on"
    again = place.start(FAULTS_HOLD=f"{IN_PLACE} {stage}", FAULTS_GO_ON=str(go_on), PREFECT_API_URL=server)
    again.wait_until_held()
    assert [path for path in collected(place) if path.startswith(f"store/{stage}")] == []
    go_on.touch()
    ended = again.wait()
    assert ended.status == 0, ended.said
    assert_same(place.result(), undisturbed)
    assert_lawful(place, records)


@pytest.mark.soak
@pytest.mark.parametrize(
    "moment", ["after recsys.store.folders Store.get report", "before recsys.comparison.result deliver"]
)
def test_gc_while_it_is_answered_as_finished(
    place: Workplace, databases: Path, server: str, undisturbed: dict, records: dict, moment: str
) -> None:
    """No run is at work then, which gc would heed: what it takes is made anew."""
    assert place.seed(databases).run(PREFECT_API_URL=server).status == 0
    go_on = place.folder / "go-on"
    again = place.start(FAULTS_HOLD=moment, FAULTS_GO_ON=str(go_on), PREFECT_API_URL=server)
    again.wait_until_held()
    assert {path.split("/")[1] for path in collected(place)} >= {"comparison", "report"}
    go_on.touch()
    ended = again.wait()
    assert ended.status == 0, ended.said
    assert "fitted in" in ended.out
    assert_same(place.result(), undisturbed)
    assert_lawful(place, records)


def test_one_takes_over_when_the_other_is_killed(
    place: Workplace, databases: Path, server: str, undisturbed: dict, records: dict
) -> None:
    first = place.seed(databases).start(**HELD_UP, PREFECT_API_URL=server)
    first.wait_for(lambda: place.stored("fit") and place.fitting(), "a fit beside a finished one")
    second = place.start(PREFECT_API_URL=server)
    second.wait_for(lambda: "another process works" in second.out, "the second one waiting")
    first.kill(with_children=False)
    ended = second.wait()
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, LABELS)
    assert_lawful(place, records)
    assert list((place.home / "flow-runs").iterdir()) == []  # the other's is not Running any more


def test_damaged_stages_are_made_again(place: Workplace, databases: Path, server: str, undisturbed: dict) -> None:
    place.seed(databases)
    assert place.run(PREFECT_API_URL=server).status == 0
    (report,), (comparison,), (split,) = (place.stored(stage) for stage in ("report", "comparison", "split"))
    fit, other, *_ = place.stored("fit")
    model = fit / "model/weights.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    (other / "store.json").write_text('{"format"')
    (split / "0").joinpath(
        "train.npy" if (split / "0/train.npy").exists() else next((split / "0").iterdir()).name
    ).unlink()
    (comparison / "leaderboard.csv").write_text("model\n")
    (report / "report.html").unlink()
    ended = place.run(PREFECT_API_URL=server)
    assert ended.status == 0, ended.said
    assert ended.out.count("fitted before") == len(LABELS) - 2
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, LABELS)
