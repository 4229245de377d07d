"""`recsys up` for real: servers, worker and deployments of one home, and how all of it ends.

The tests go on from each other, in the order of the file: starting everything takes longest.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults.harness import PATIENCE, RECSYS, ROOT, Command, Workplace, ask, environment, flow_runs, recorded

from recsys.experiment import child

pytestmark = pytest.mark.stack

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
SMALL = ["data.users=200", "data.items=100", "data.interactions=5000", "evaluation={k: [5, 10]}"]


def models(*names: str) -> list[str]:
    """Overrides that make of the demo a comparison of these models in a small world."""
    return [*SMALL, f"models=[{', '.join(names)}]"]


class Up:
    """`recsys up` on ports of its own. The model `faulty` waits there for the file `go-on`."""

    def __init__(self, home: Workplace) -> None:
        self.home, self.go_on = home, home.folder / "go-on"
        self.ports = [_free_port(), _free_port()]
        self.env = dict(zip(("RECSYS_PREFECT_PORT", "RECSYS_MLFLOW_PORT"), map(str, self.ports), strict=True))
        self.api = f"http://127.0.0.1:{self.ports[0]}/api"
        self.command: Command = home.start("up", **self.env, FAULTY_WAITS_FOR=str(self.go_on))
        self.command.wait_for(lambda: "Ctrl-C ends" in self.command.out, "the servers")

    def ask(self, path: str, question: Any = None) -> Any:
        """The answer of its Prefect server."""
        return ask(f"{self.api}/{path}", question)

    @property
    def demo(self) -> str:
        """The path of the deployment compare/demo."""
        return f"deployments/{self.ask('deployments/name/compare/demo')['id']}"

    def begin(self, overrides: list[str]) -> str:
        """A new flow run of compare/demo; its id."""
        return self.ask(f"{self.demo}/create_flow_run", {"parameters": {"overrides": overrides}})["id"]

    def state(self, flow_run: str) -> str:
        """The type of the state that a flow run is in."""
        return str(self.ask(f"flow_runs/{flow_run}")["state_type"])

    def complete(self, flow_run: str) -> None:
        """Wait until it is completed; fails the test, with its states and log, where it does not come to that."""
        try:
            self.command.wait_for(lambda: self.state(flow_run) in FINAL, "end of the flow run")
            assert self.state(flow_run) == "COMPLETED"
        except AssertionError as error:
            states = [each["name"] for each in self.ask(f"flow_run_states/?flow_run_id={flow_run}")]
            of_run = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_ASC"}
            said = [line["message"] for line in self.ask("logs/filter", of_run)]
            limits = self.ask("v2/concurrency_limits/filter", {})
            raise AssertionError(f"{error}\nstates: {states}\nlog: {said}\nlimits: {limits}") from error

    def begin_and_hold(self, overrides: list[str]) -> str:
        """The same, with a model that does not end, once that is being fitted."""
        self.go_on.unlink(missing_ok=True)
        flow_run = self.begin(overrides)
        self.command.wait_for(self.home.fitting, "a fit of the worker")
        return flow_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Iterator[Workplace]:
    """The home that servers, worker and direct runs share."""
    home = Workplace(tmp_path_factory.mktemp("stack")).seed(databases).plant()
    yield home
    for process in home.processes():
        process.kill()


@pytest.fixture(scope="module")
def up(home: Workplace) -> Up:
    """The first `recsys up` of the home."""
    return Up(home)


def direct(home: Workplace, overrides: list[str], **env: str) -> Command:
    """What `Up.begin` does, from the command line."""
    settings = [word for override in overrides for word in ("--set", override)]
    return home.start("compare", str(ROOT / "conf/demo.yaml"), "--out", str(home.out), *settings, **env)


def parents(home: Workplace) -> list[Any]:
    """The comparisons in MLflow, oldest first."""
    return [run for run in recorded(home.home) if run.is_parent and run.active]


def children(home: Workplace, parent: str) -> dict[str, str]:
    """The status of each model of a comparison."""
    runs = [run for run in recorded(home.home) if run.active and run.tags.get("mlflow.parentRunId") == parent]
    return {run.tags["label"]: run.status for run in runs}


def test_it_says_what_a_second_terminal_needs(up: Up) -> None:
    assert f"  export PREFECT_API_URL={up.api}" in up.command.out.splitlines()
    registered = {entry["name"] for entry in up.ask("deployments/filter", {})}
    assert registered >= {path.stem for path in (ROOT / "conf").glob("*.yaml")}


def test_a_deployment_runs_to_its_end_and_a_direct_run_finds_it_done(up: Up) -> None:
    overrides = models("popularity", "ease")
    command = [str(RECSYS.with_name("prefect")), "deployment", "run", "compare/demo", "--watch"]
    done = subprocess.run(
        [*command, "--param", f"overrides={json.dumps(overrides)}"],
        env=environment(up.home.folder / "elsewhere", PREFECT_API_URL=up.api),
        cwd=up.home.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (parent,) = parents(up.home)
    assert parent.status == "FINISHED"
    assert parent.tags["prefect.deployment"] == "demo"
    assert {entry["key"] for entry in up.ask("artifacts/filter", {})} >= {"leaderboard", "mlflow-run"}

    ended = direct(up.home, overrides).wait()
    assert ended.status == 0, ended.said
    assert "was finished before" in ended.out
    assert parents(up.home) == [parent]


def test_the_worker_goes_on_where_a_killed_direct_run_was(up: Up) -> None:
    overrides = models("popularity", "ease", "faulty")
    command = direct(up.home, overrides, FAULTY_WAITS_FOR=str(up.go_on))
    command.wait_for(up.home.fitting, "a fit")
    command.kill(with_children=False)
    before = parents(up.home)[-1]
    assert before.status == "RUNNING"

    up.go_on.touch()
    flow_run = up.begin(overrides)
    up.complete(flow_run)
    tasks = up.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}, "limit": 100})
    states = {task["name"]: task["state_name"] for task in tasks}
    assert states["fit ease seed 42"] == "Cached"
    assert states["fit faulty seed 42"] == "Completed"
    after = parents(up.home)[-1]
    assert (after.run_id, after.status) == (before.run_id, "FINISHED")
    assert children(up.home, after.run_id) == dict.fromkeys(("popularity", "ease", "faulty", "random"), "FINISHED")
    assert len(parents(up.home)) == 2


def test_one_experiment_in_one_folder(up: Up) -> None:
    """Also for MLflow's server, which would give an experiment of its own making another place."""
    found = ask(f"http://127.0.0.1:{up.ports[1]}/api/2.0/mlflow/experiments/get-by-name?experiment_name=recsys/demo")
    location = found["experiment"]["artifact_location"]
    assert location == (up.home.home / "artifacts/demo").as_uri()
    for parent in parents(up.home):
        assert (up.home.home / "artifacts/demo" / parent.run_id / "artifacts/report.html").is_file()
        listed = ask(f"http://127.0.0.1:{up.ports[1]}/api/2.0/mlflow/artifacts/list?run_id={parent.run_id}")
        assert "report.html" in {file["path"] for file in listed["files"]}


WORLD = {"name": "x", "data": {"source": "synthetic"}}


@pytest.mark.parametrize(
    ("parameters", "field", "reason"),
    [
        (
            {"spec": {**WORLD, "models": [{"name": "ease", "regularization": -3}]}},
            "spec.models[0].regularization",
            "-3",
        ),
        ({"spec": {**WORLD, "models": [{"name": "mf", "epochz": 3}]}}, "spec.models[0]", "'epochz' is not one of"),
        ({"spec": {**WORLD, "models": ["eaze"]}}, "spec.models[0]", "'eaze' is not one of"),
        ({"spec": {**WORLD, "models": ["ease"], "split": {"kind": "random", "test": 1.5}}}, "spec.split.test", "1.5"),
        ({"spec": {"name": "x", "data": {"source": "made"}, "models": ["ease"]}}, "spec.data.source", "'made' is not"),
        ({"overrides": "models.0.epochs=3"}, "overrides", "'models.0.epochs=3'"),
    ],
    ids=["bound", "key", "model", "fraction", "source", "type"],
)
def test_a_wrong_parameter_is_refused_before_there_is_a_run(
    up: Up, parameters: dict[str, Any], field: str, reason: str
) -> None:
    before = up.ask("flow_runs/count", {})
    with pytest.raises(RuntimeError) as refused:
        up.ask(f"{up.demo}/create_flow_run", {"parameters": parameters})
    message = json.loads(str(refused.value))["detail"]
    assert f"'{field}'" in message
    assert reason in message
    assert up.ask("flow_runs/count", {}) == before


def test_a_schedule_makes_runs(up: Up) -> None:
    """Newer SQLAlchemy lets Prefect schedule nothing, and say so nowhere."""
    schedule = {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}
    (made,) = up.ask(f"{up.demo}/schedules", [{"active": True, "schedule": schedule}])
    scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    up.command.wait_for(lambda: up.ask("flow_runs/count", scheduled) > 0, "a scheduled run", seconds=150)
    found = up.ask("flow_runs/filter", scheduled)
    assert all(run["auto_scheduled"] for run in found), found
    assert made["schedule"]["cron"] == "0 6 * * *"


def test_a_second_one_is_refused(up: Up) -> None:
    ended = up.home.run("up", RECSYS_PREFECT_PORT=str(_free_port()))
    assert (ended.status, "`recsys up` is running for this home already" in ended.err) == (2, True), ended.said
    elsewhere = Workplace(up.home.folder / "elsewhere")
    ended = elsewhere.run("up", **up.env)
    assert (ended.status, f"port {up.ports[0]} for Prefect is taken" in ended.err) == (2, True), ended.said
    assert "RECSYS_PREFECT_PORT" in ended.err
    elsewhere.assert_empty()


def test_term_in_mid_run_ends_runs_worker_and_servers_in_this_order(up: Up) -> None:
    up.begin_and_hold(models("popularity", "{name: faulty, epochs: 3}"))
    # A fit can be gone before the first look at what is left.
    last_seen = {kind: time.monotonic() for process in up.home.processes() if (kind := _kind(process)) == "fit"}
    assert last_seen
    up.command.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    while (left := up.home.processes()) and time.monotonic() - began < 60:
        last_seen |= {kind: time.monotonic() for process in left if (kind := _kind(process))}
    ended = up.command.wait(10)
    assert ended.status == 0, ended.said
    assert "Traceback" not in ended.said
    up.home.assert_empty()
    assert sorted(last_seen, key=lambda kind: last_seen[kind]) == ["fit", "run", "worker", "mlflow", "prefect"]
    assert flow_runs(up.home.home).count("Crashed") == 2  # this one, and the direct run that was killed
    assert parents(up.home)[-1].status == "KILLED"
    assert "RUNNING" not in {run.status for run in recorded(up.home.home)}


def test_killed_in_mid_run_it_leaves_nothing_and_a_direct_run_goes_on(up: Up) -> None:
    again = Up(up.home)
    overrides = models("popularity", "ease", "{name: faulty, epochs: 4}")
    again.begin_and_hold(overrides)
    again.command.kill(with_children=False)
    up.home.assert_empty()

    ended = direct(up.home, overrides).wait()
    assert ended.status == 0, ended.said
    assert ended.out.count("fitted before") == 3  # the random control too
    parent = parents(up.home)[-1]
    assert parent.status == "FINISHED"
    assert children(up.home, parent.run_id) == dict.fromkeys(("popularity", "ease", "faulty", "random"), "FINISHED")
    assert "Running" not in flow_runs(up.home.home)
    assert not up.home.sprouted()


KINDS = {
    "prefect.engine": "run",
    "worker start": "worker",
    "mlflow server": "mlflow",
    "flows.server": "prefect",
}


def _kind(process: psutil.Process) -> str | None:
    try:
        if process.name() == child.NAME:
            return "fit"
        words = " ".join(process.cmdline())
    except psutil.Error:
        return None
    return next((kind for word, kind in KINDS.items() if word in words), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
