"""`recsys` on a cluster: what was begun there or here is finished there or here, with the same result."""

from __future__ import annotations

import pytest
from faults.harness import SPEC, Workplace, assert_same

from recsys.processes import wait_until

pytestmark = pytest.mark.soak
SEARCHED = {"tuning": {"trials": 3, "seconds": 600}, "split": {"kind": "random", "validation": 0.1}}


@pytest.mark.parametrize("more", [{}, SEARCHED], ids=["models", "trials"])
def test_a_driver_that_is_killed_goes_on(nodes, s3, tmp_path, more):
    spec = {**SPEC, **more}
    here = Workplace(tmp_path / "here", spec)
    there = Workplace(tmp_path / "there", {**spec, "runner": {"kind": "ray", "address": nodes.address}})
    ended = here.run()
    assert ended.status == 0, ended.said
    command = there.start(RECSYS_SHARED=s3)
    command.wait_for(lambda: there.stored("fit") and nodes.children(), "a fit beside a finished one")
    command.kill(with_children=False)
    assert wait_until(lambda: nodes.children() == [], 60)
    assert there.stored("fit")
    ended = there.run(RECSYS_SHARED=s3)
    assert ended.status == 0, ended.said
    assert_same(there.result(), here.result())
    assert [node.left() for node in nodes.all] == [[]] * len(nodes.all)
    there.assert_kept_here()


def test_what_was_begun_here_is_finished_there(nodes, s3, tmp_path):
    place = Workplace(tmp_path / "place")
    command = place.start()
    command.wait_for(lambda: place.stored("fit"), "a fit")
    command.kill(with_children=True)
    before = {path.name for path in place.stored("fit")}
    runner = ("--set", "runner.kind=ray", "--set", f"runner.address={nodes.address}")
    ended = place.run("compare", "spec.yaml", *runner, "--out", str(place.out), RECSYS_SHARED=s3)
    assert ended.status == 0, ended.said
    assert "fitted before" in ended.out
    assert before < {path.name for path in place.stored("fit")}
    ended = place.run()  # and what was finished there is finished here
    assert "was finished before" in ended.out
