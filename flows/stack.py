"""The servers of `recsys up`: Prefect, MLflow and a worker, on loopback, started together and ended in order."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from flows.deployments import AT_ONCE, POOL, ROOT, register
from flows.engine import UP, is_healthy, private_server, refusal, require_history
from flows.environment import SWITCHES
from flows.flow_runs import call, mark_just_begun, mark_killed, mark_pool_crashed
from recsys.errors import InputError, RunError
from recsys.processes import end, end_orphans, python, start_leashed, started, wait_until
from recsys.settings import Settings
from recsys.tracking.database import OTHER_SCHEMA, ensure_database, other_mlflow, require_records

HOST = "127.0.0.1"
# What tells Prefect's and MLflow's own commands where to listen.
HOSTS = ("PREFECT_SERVER_API_HOST", "MLFLOW_HOST")
# What could have MLflow's server listen to more than it is told on its command line.
LOOSENING = ("MLFLOW_GUNICORN_OPTS", "MLFLOW_UVICORN_OPTS")
START_SECONDS = 120.0
RUN_SECONDS = 10.0
WORKER_SECONDS = 10.0


class Stack:
    """Prefect server, MLflow server and worker of one home."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self.prefect = f"http://{HOST}:{settings.prefect_port}/api"
        self.mlflow = f"http://{HOST}:{settings.mlflow_port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logged: dict[str, int] = {}  # how long each log was before
        self._lock = FileLock(settings.root / "up.lock")

    def start(self) -> None:
        """Start everything and wait until it is healthy.

        Raises InputError where a port is taken, the environment asks to let others in, or another version of Prefect or
        MLflow has made the home's database; RunError where a server does not come up.
        """
        refuse_open(os.environ)
        self._refuse_second()
        for name, port in (("Prefect", self.settings.prefect_port), ("MLflow", self.settings.mlflow_port)):
            _refuse_taken(name, port)
        end_orphans(self.settings.processes)
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        require_history(self.settings)
        require_records(self.settings)
        ensure_database(self.settings)
        self._start_prefect()
        self._start_mlflow()
        self._wait("prefect", lambda: is_healthy(self.prefect))
        self._mark_crashed()
        register(self.prefect, self.environment)
        self._start_worker()
        self._wait("mlflow", lambda: _answers(f"{self.mlflow}/health"))
        self._wait("worker", self._worker_is_online)
        about = {"prefect_api_url": self.prefect, "mlflow": self.mlflow, "process": [os.getpid(), started()]}
        (self.settings.root / UP).write_text(json.dumps(about))

    @property
    def environment(self) -> dict[str, str]:
        """What servers and worker see."""
        return {
            **{name: value for name, value in os.environ.items() if name not in LOOSENING},
            **SWITCHES,
            "RECSYS_HOME": str(self.settings.root),
            "RECSYS_ROOT": str(ROOT),
            "PREFECT_API_URL": self.prefect,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PYTHONSAFEPATH": "1",  # as `recsys.processes.python` does for what is started here itself
        }

    def watch(self) -> None:
        """Return when a process has ended that should not have; raises what a signal raises."""
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RunError(name, f"ended with status {process.returncode}", f"see {self._log(name)}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End runs, worker, MLflow and Prefect, in this order."""
        if not self._lock.is_locked:
            return
        (self.settings.root / UP).unlink(missing_ok=True)
        worker = self._processes.get("worker")
        if worker is not None and worker.poll() is None:
            self._end_runs(worker)
            self._end_worker(worker)
        for name in ("worker", "mlflow", "prefect"):
            if name == "prefect" and "prefect" in self._processes and is_healthy(self.prefect):
                self._mark_crashed()
            if name in self._processes:
                end(self._processes.pop(name), self.settings.processes, patience=5.0)
        self._lock.release()

    def _refuse_second(self) -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            message = "`recsys up` is running for this home already"
            raise InputError(str(self.settings.root), message, "use that one, or set RECSYS_HOME") from None

    def _mark_crashed(self) -> None:
        mark_killed(self.prefect, self.settings)
        mark_just_begun(self.prefect, self.settings)
        mark_pool_crashed(self.prefect, POOL)

    def _start_prefect(self) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self.settings.prefect_port))
            listener.listen(128)
            environment = {
                **self.environment,
                **private_server(self.settings),
                "RECSYS_SERVER_FULL": "1",
                "PREFECT_UI_ENABLED": "true",
                "PREFECT_UI_API_URL": self.prefect,
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{self.settings.prefect_port}",
            }
            command = python("flows.server", str(listener.fileno()))
            self._start("prefect", command, environment, pass_fds=(listener.fileno(),))

    def _start_mlflow(self) -> None:
        self.settings.artifacts.mkdir(parents=True, exist_ok=True)
        mlflow = [
            *(_tool("mlflow"), "server", "--host", HOST, "--port", str(self.settings.mlflow_port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self.settings.database}"),
            *("--artifacts-destination", self.settings.artifacts.as_uri()),
        ]
        # Its server looks for modules in its working folder whatever it is told.
        self._start("mlflow", python("flows.leashed", *mlflow), self.environment, cwd=self.settings.root)

    def _start_worker(self) -> None:
        worker = [_tool("prefect"), "worker", "start", "--pool", POOL, "--type", "process", "--limit", str(AT_ONCE)]
        environment = {**self.environment, "PREFECT_WORKER_QUERY_SECONDS": "2"}
        self._start("worker", python("flows.leashed", *worker), environment)

    def _start(self, name: str, command: list[str], environment: dict[str, str], **options: Any) -> None:
        with self._log(name).open("ab") as output:
            self._logged[name] = output.tell()
            records = self.settings.processes
            self._processes[name] = start_leashed(command, records, output=output, env=environment, **options)

    def _log(self, name: str) -> Path:
        return self.settings.logs / f"up-{name}.log"

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = self._processes[name]
        # MLflow's server tells of a database that it cannot use, and tries it again and again.
        wait_until(lambda: process.poll() is not None or self._refusal(name) or ready(), START_SECONDS, every=0.2)
        if process.poll() is not None or not ready():
            raise self._refusal(name) or RunError(name, "did not come up", f"see {self._log(name)}")
        self.say(f"{name:<8} ready")

    def _refusal(self, name: str) -> InputError | None:
        """What to say where a server has told its log that it cannot use its database."""
        with self._log(name).open("rb") as log:
            log.seek(self._logged[name])
            said = log.read()
        if name == "mlflow" and OTHER_SCHEMA.encode() in said:
            return other_mlflow(str(self.settings.database), f"sqlite:///{self.settings.database}")
        return refusal(said, self.settings) if name == "prefect" else None

    def _worker_is_online(self) -> bool:
        workers = call(f"{self.prefect}/work_pools/{POOL}/workers/filter", {}) or []
        return any(worker.get("status") == "ONLINE" for worker in workers)

    def _end_runs(self, worker: subprocess.Popen[bytes]) -> None:
        """TERM the flow runs, which have sessions of their own, and wait for them to record how they ended."""
        runs = _flow_runs(worker.pid)
        for run in runs:
            with contextlib.suppress(psutil.Error):
                run.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(runs, timeout=RUN_SECONDS)
        for run in alive:
            with contextlib.suppress(psutil.Error):
                os.killpg(os.getpgid(run.pid), signal.SIGKILL)

    def _end_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """TERM it twice: the first is ignored while it believes that runs are active."""
        for _ in range(2):
            worker.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(WORKER_SECONDS / 2)
                return


def refuse_open(environment: Mapping[str, str]) -> None:
    """Raise InputError where an environment would have the servers listen to other machines: they ask nobody who he is.

    Neither server reads these variables here. Whoever sets them believes so, and would look for the servers elsewhere.
    """
    for name in HOSTS:
        asked = environment.get(name)
        if asked and not _is_loopback(asked):
            message = f"is {asked!r}, and `recsys up` serves this machine alone, without authentication"
            remedy = "unset it; servers for others, with authentication, are told of in docs/security.md"
            raise InputError(name, message, remedy)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _flow_runs(worker: int) -> list[psutil.Process]:
    """The processes in which flow runs go on below a worker."""
    try:
        below = psutil.Process(worker).children(recursive=True)
    except psutil.Error:
        return []
    runs = []
    for process in below:
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and "prefect" in words and "worker start" not in words:
                runs.append(process)
    return runs


def _refuse_taken(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            variable = f"RECSYS_{name.upper()}_PORT"
            message = f"port {port} for {name} is taken ({error.strerror})"
            raise InputError(f"{HOST}:{port}", message, f"end what uses it, or set {variable}") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
