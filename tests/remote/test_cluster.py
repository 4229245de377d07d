"""Fits on a cluster of two nodes: the same results, and nothing lost or left whatever goes away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from faults.harness import environment, free_port
from made import spec

from recsys.data.dataset import Dataset
from recsys.data.load import load
from recsys.errors import InputError, RunError
from recsys.experiment import remote, remote_shares
from recsys.experiment.cells import job_of
from recsys.experiment.keys import dataset_key, fit_key, split_key
from recsys.experiment.launch import Limits, Stop, Stopped, run_child
from recsys.experiment.remote import Cluster
from recsys.experiment.remote_files import Shared
from recsys.experiment.remote_shares import part_of
from recsys.processes import wait_until
from recsys.settings import Settings
from recsys.splits.fold import save_folds
from recsys.splits.splitting import split
from recsys.store import Store

WORLD = {"source": "synthetic", "users": 60, "items": 40, "interactions": 800}
PATIENCE = 60.0
# Waits for a file, then lists everybody the first items.
WAITS = """
    import json, sys, time
    from pathlib import Path
    import pandas as pd
    folder, awaited = Path(sys.argv[1]), Path(__file__).with_name("go")
    while not awaited.exists():
        time.sleep(0.05)
    users, items = (pd.read_parquet(folder / f"{name}.parquet") for name in ("users", "items"))
    k = json.loads((folder / "spec.json").read_text())["k"]
    lists = users[["user"]].merge(items[["item"]].head(k), how="cross")
    lists["rank"] = lists.groupby("user").cumcount() + 1
    lists["score"] = 1.0 / lists["rank"]
    lists.to_parquet(folder / "recommendations.parquet")
"""


class Asked:
    """A fit of an experiment's first model: here, or on the cluster."""

    def __init__(self, folder: Path, model, **changes) -> None:
        evaluation = {"exclude_seen": model["name"] != "external", **changes.pop("evaluation", {})}
        self.spec = spec(data=WORLD, models=[model], evaluation=evaluation, **changes)
        self.folder, self.steps, self.stop = folder, [], Stop()
        store = Store(folder / "store")

        def build_dataset(at: Path) -> None:
            load(self.spec.data, None, Settings()).save(at)

        def build_split(at: Path) -> None:
            save_folds(split(Dataset.load(data.folder), self.spec.split), at)

        self.dataset = data = store.produce("dataset", dataset_key(self.spec, {}), build_dataset)
        self.split = store.produce("split", split_key(self.spec, data), build_split)
        self.job = job_of(self.spec, self.spec.models[0], 42, data.folder, self.split.folder / "0", threads=1)
        self.key = fit_key(self.job, data, self.split, 0)

    def here(self) -> Path:
        return self._done(run_child, "here")

    def there(self, cluster: Cluster, limits: Limits | None = None, tell=None) -> Path:
        return self._done(cluster.near(self.dataset, self.split), "there", limits, tell)

    def _done(self, run, name: str, limits=None, tell=None) -> Path:
        result = self.folder / name
        result.mkdir()
        run(
            self.job,
            result,
            label="mine",
            records=self.folder / "processes",
            log=self.folder / f"{name}.log",
            checkpoint=self.folder / f"{name} checkpoint",
            limits=limits or Limits(),
            stop=self.stop,
            tell=tell or self.steps.append,
        )
        return result


@pytest.fixture
def waiting(tmp_path):
    """A model that waits for the file `go`, which is no argument: files that those name are part of the key."""
    (tmp_path / "wait.py").write_text(textwrap.dedent(WAITS))
    return {"name": "external", "command": [sys.executable, str(tmp_path / "wait.py"), "{folder}"]}


@pytest.fixture
def cluster(nodes, s3, tmp_path):
    """The cluster, with the bucket as the shared place."""
    return Cluster(nodes.address, s3, tmp_path)


def in_background(work) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def assert_same_files(one: Path, other: Path) -> None:
    """All but what is measured, byte for byte."""
    names = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    assert names == {path.relative_to(other) for path in other.rglob("*") if path.is_file()}
    for name in names - {Path("measured.json")}:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


class TestResults:
    @pytest.mark.parametrize("where", ["bucket", "store"])
    def test_are_those_of_a_fit_here(self, nodes, s3, tmp_path, where):
        asked = Asked(tmp_path, {"name": "lightfm-warp", "epochs": 3})
        here = asked.here()
        told, asked.steps = asked.steps, []
        there = asked.there(Cluster(nodes.address, s3 if where == "bucket" else None, tmp_path))
        assert_same_files(here, there)
        assert asked.steps == told != []
        measured = json.loads((there / "measured.json").read_text())
        assert measured["cpu_seconds"] > 0.1 < measured["peak_memory_mb"]

    def test_nothing_is_left(self, cluster, nodes, s3, tmp_path):
        asked = Asked(tmp_path, {"name": "popularity"})
        asked.there(cluster)
        assert [node.left() for node in nodes.all] == [[]] * len(nodes.all)
        assert Shared(s3).pull("fits", tmp_path / "fits") == {}
        assert [node.outgoing() for node in nodes.all] == [[]] * len(nodes.all)

    def test_many_users_are_shared_out(self, cluster, nodes, s3, tmp_path, monkeypatch):
        monkeypatch.setattr(remote_shares, "USERS_A_SHARE", 20)
        monkeypatch.setattr(remote_shares, "block_size", lambda n_items: 20)
        asked = Asked(tmp_path, {"name": "ease"})
        made = []
        monkeypatch.setattr(remote, "part_of", lambda *about: made.append(part_of(*about)) or made[-1])
        assert_same_files(asked.here(), asked.there(cluster))
        assert [part.job.share for part in made] == [(number, len(made)) for number in range(len(made))] != []
        measured = json.loads((tmp_path / "there" / "measured.json").read_text())
        assert set(measured) == set(json.loads((tmp_path / "here" / "measured.json").read_text()))
        assert Shared(s3).pull("fits", tmp_path / "fits") == {}

    def test_a_file_of_candidates_goes_along(self, cluster, tmp_path):
        data = load(spec(data=WORLD).data, None, Settings())
        pairs = [f"{user},{item}" for user in data.users.ids for item in data.items.ids[:9]]
        (tmp_path / "pairs.csv").write_text("\n".join(["user,item", *pairs]))
        asked = Asked(tmp_path, {"name": "popularity"}, evaluation={"candidates": str(tmp_path / "pairs.csv")})
        items = np.load(asked.there(cluster) / "items.npy")
        assert (items.max(), items.min()) == (8, -1)
        assert_same_files(asked.here(), tmp_path / "there")


TOGETHER = {"kind": "ray", "processes": 2}


class TestTogether:
    def test_two_processes_train_a_model(self, cluster, nodes, s3, tmp_path):
        """Through the store and through the bucket: the same to the byte."""
        asked = Asked(tmp_path, {"name": "mf", "epochs": 3}, runner=TOGETHER)
        first = asked.there(Cluster(nodes.address, None, tmp_path)).rename(tmp_path / "first")
        told, asked.steps = asked.steps, []
        there = asked.there(cluster)
        assert_same_files(first, there)
        assert told == asked.steps != []
        measured = json.loads((there / "measured.json").read_text())
        assert measured["cpu_seconds"] > measured["fit_seconds"] > 0
        assert wait_until(lambda: [node.left() for node in nodes.all] == [[]] * len(nodes.all), PATIENCE)
        assert Shared(s3).pull("fits", tmp_path / "fits") == {}

    @pytest.mark.soak
    def test_a_machine_that_is_lost_in_mid_fit(self, cluster, nodes, tmp_path):
        """All begin again when another one has come, and end where they would have without it."""
        asked = Asked(tmp_path, {"name": "mf", "epochs": 40, "patience": 40}, runner=TOGETHER)
        undisturbed = asked.there(Cluster(nodes.address, None, tmp_path)).rename(tmp_path / "undisturbed")
        told, asked.steps = asked.steps, []
        lost: list[bool] = []

        def lose(step) -> None:
            asked.steps.append(step)
            if not lost:
                lost.append(len(nodes.children()) == 2)
                nodes.lose()
                threading.Thread(target=nodes.add).start()

        assert_same_files(undisturbed, asked.there(cluster, tell=lose))
        assert lost == [True]
        assert asked.steps[-len(told) :] == told != []
        assert len(asked.steps) > len(told)

    @pytest.mark.soak
    def test_a_stop_ends_all(self, cluster, nodes, tmp_path):
        asked = Asked(tmp_path, {"name": "mf", "epochs": 100_000, "patience": 100_000}, runner=TOGETHER)
        with pytest.raises(Stopped):
            asked.there(cluster, tell=lambda step: asked.stop.set())
        assert wait_until(lambda: nodes.children() == [], PATIENCE)

    @pytest.mark.soak
    def test_one_that_is_killed_ends_all_with_its_reason(self, cluster, nodes, tmp_path):
        asked = Asked(tmp_path, {"name": "mf", "epochs": 100_000, "patience": 100_000}, runner=TOGETHER)

        def kill(step) -> None:
            for child in nodes.all[-1].children():
                child.kill()

        with pytest.raises(RunError, match=r"mine: its process was ended by SIGKILL"):
            asked.there(cluster, tell=kill)
        assert wait_until(lambda: nodes.children() == [], PATIENCE)

    def test_more_processes_than_there_is_room_for(self, cluster, tmp_path):
        with pytest.raises(RunError, match=r"'mf': wants 3 processes at once and the cluster has room for 2"):
            Asked(tmp_path, {"name": "mf"}, runner={**TOGETHER, "processes": 3}).there(cluster)

    def test_a_gpu_where_there_is_none(self, cluster, tmp_path):
        with pytest.raises(RunError, match=r"wants a GPU and no machine .* set runner\.device to cpu"):
            Asked(tmp_path, {"name": "mf"}, runner={"device": "cuda"}).there(cluster)


class TestTrouble:
    def test_of_a_model_is_told_as_here(self, cluster, tmp_path, waiting):
        failing = waiting | {"command": [sys.executable, "-c", "import sys; print('why'); sys.exit('no way')"]}
        asked = Asked(tmp_path, failing)
        with pytest.raises(RunError, match=r"ended with status 1: no way \(on "):
            asked.there(cluster)
        assert "why" in (tmp_path / "there.log").read_text()

    def test_limits_hold_there(self, cluster, nodes, tmp_path, waiting):
        with pytest.raises(RunError, match=r"mine: ran out of its 0\.5 seconds .*; raise runner\.timeout"):
            Asked(tmp_path, waiting).there(cluster, Limits(seconds=0.5))
        assert nodes.children() == []

    def test_more_memory_than_any_node_has(self, cluster, tmp_path):
        with pytest.raises(RunError, match=r"'popularity': needs about 9000\.0 GB and the largest machine .* has"):
            Asked(tmp_path, {"name": "popularity"}).there(cluster, Limits(n_bytes=9 * 10**12))

    def test_another_version_of_the_code(self, cluster, tmp_path, monkeypatch):
        monkeypatch.setattr(remote, "fit_key", lambda *question: "of older code")
        with pytest.raises(RunError, match="has another version of this code"):
            Asked(tmp_path, {"name": "popularity"}).there(cluster)

    def test_a_step_that_cannot_be_noted_ends_the_fit(self, cluster, nodes, tmp_path):
        def tell(step):
            raise OSError("the disk is full")

        with pytest.raises(OSError, match="the disk is full"):
            Asked(tmp_path, {"name": "lightfm-warp", "epochs": 500}).there(cluster, tell=tell)
        assert wait_until(lambda: nodes.children() == [], PATIENCE)

    def test_no_cluster(self, tmp_path, monkeypatch, nodes):
        import ray

        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        began = time.monotonic()
        with pytest.raises(RunError, match=r"runner\.address: no Ray cluster answers at 127\..*docs/ray\.md"):
            Cluster(f"127.0.0.1:{free_port()}", None, tmp_path).connect()
        assert time.monotonic() - began < PATIENCE

    def test_no_ray(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(InputError, match=r"ray is not installed; .* 'recsys-experiments\[ray\]'"):
            Cluster("auto", None, tmp_path).connect()


class TestWidth:
    @pytest.mark.parametrize(("threads", "fits"), [(1, 2), (4, 2)])
    def test_as_many_as_there_are_cpus(self, cluster, threads, fits):
        assert cluster.width(threads) == fits


class TestLoss:
    def test_a_stop_leaves_nothing(self, cluster, nodes, tmp_path, waiting):
        asked = Asked(tmp_path, waiting)
        thread, raised = in_background(lambda: asked.there(cluster))
        assert wait_until(nodes.children, PATIENCE)
        asked.stop.set()
        thread.join(PATIENCE)
        assert [type(error) for error in raised] == [Stopped]
        assert nodes.children() == []
        assert wait_until(lambda: [node.left() for node in nodes.all] == [[]] * len(nodes.all), PATIENCE)
        with pytest.raises(Stopped):
            asked._done(cluster.near(asked.dataset, asked.split), "never begun")

    def test_a_node_that_dies_in_mid_fit(self, cluster, nodes, tmp_path, waiting):
        """Both nodes have a fit; the one that is lost goes on where the other one was."""
        both = [Asked(tmp_path / name, waiting, seeds=[seed]) for seed, name in enumerate(("one", "other"))]
        fits = [in_background(lambda asked=asked: asked.there(cluster)) for asked in both]
        try:
            assert wait_until(lambda: len(nodes.children()) == 2, PATIENCE)
            nodes.lose()
        finally:
            (tmp_path / "go").touch()
            for thread, _ in fits:
                thread.join(PATIENCE)
            nodes.add()
        assert [raised for _, raised in fits] == [[], []]
        for asked in both:
            assert_same_files(asked.here(), asked.folder / "there")

    def test_a_driver_that_is_killed(self, cluster, nodes, s3, tmp_path, waiting):
        driver = f"""
            import sys
            sys.path[:0] = {[str(path) for path in Path(__file__).parents[1:3]]!r}
            from remote.test_cluster import Asked, Cluster, Path
            folder = Path({str(tmp_path)!r})
            Asked(folder, {waiting!r}).there(Cluster({cluster.address!r}, {s3!r}, folder))
        """
        command = [sys.executable, "-c", textwrap.dedent(driver)]
        process = subprocess.Popen(command, env=environment(tmp_path / "home"), start_new_session=True)
        assert wait_until(nodes.children, PATIENCE)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert wait_until(lambda: nodes.children() == [], PATIENCE)
        (tmp_path / "go").touch()
        (tmp_path / "there").rmdir()
        asked = Asked(tmp_path, waiting)
        assert_same_files(asked.here(), asked.there(cluster))
        assert [node.left() for node in nodes.all] == [[]] * len(nodes.all)
