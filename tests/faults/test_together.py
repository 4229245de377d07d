"""Two at once with one key, and stored work that was damaged."""

from __future__ import annotations

from typing import Any

from faults.harness import HELD_UP, Workplace, assert_recorded, assert_same

LABELS = ["popularity", "mf", "faulty", "random"]


def test_two_at_once_do_the_work_once(place: Workplace, databases: Any, server: str, undisturbed: dict) -> None:
    place.seed(databases)
    go_on = place.folder / "go-on"
    first = place.start(FAULTY_WAITS_FOR=str(go_on), PREFECT_API_URL=server)
    first.wait_for(place.children, "a fit")
    second = Workplace(place.folder.with_name("second"), home=place.home).start(PREFECT_API_URL=server)
    second.wait_for(lambda: "another process works on this very comparison" in second.out, "the second one waiting")
    go_on.touch()
    ended, waited = first.wait(), second.wait()
    assert (ended.status, waited.status) == (0, 0), ended.said + waited.said
    assert "finished before" in waited.out
    assert "fitted in" not in waited.out
    assert_same(place.result(), undisturbed)
    assert_same(place.result(second.place.out), undisturbed)
    assert_recorded(place.home, LABELS)


def test_one_takes_over_when_the_other_is_killed(
    place: Workplace, databases: Any, server: str, undisturbed: dict
) -> None:
    first = place.seed(databases).start(**HELD_UP, PREFECT_API_URL=server)
    first.wait_for(lambda: place.stored("fit") and place.children(), "a fit beside a finished one")
    second = place.start(PREFECT_API_URL=server)
    second.wait_for(lambda: "another process works" in second.out, "the second one waiting")
    first.kill(with_children=False)
    ended = second.wait()
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert_same(place.result(), undisturbed)
    assert_recorded(place.home, LABELS)


def test_damaged_stages_are_made_again(place: Workplace, databases: Any, server: str, undisturbed: dict) -> None:
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
