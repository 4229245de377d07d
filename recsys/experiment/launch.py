"""The parent's side of a model's process: start it, follow it, hold it to its limits, end it."""

from __future__ import annotations

import contextlib
import contextvars
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.errors import RunError
from recsys.experiment.forks import Forks
from recsys.experiment.job import Job, from_failure
from recsys.models.registry import model_class
from recsys.processes import Leashed, end, family_memory, python, start_leashed

POLL_SECONDS = 0.1


@dataclass
class Stop:
    """Set once a run is to end: nothing starts after that, and what runs is killed."""

    _event: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


class Stopped(Exception):  # noqa: N818 -- no error: it was asked for
    """The run was asked to end."""


@dataclass(frozen=True)
class Limits:
    """What one model may take: seconds of wall time, bytes of memory; None: as much as there is."""

    seconds: float | None = None
    n_bytes: int | None = None


def run_child(
    job: Job,
    folder: Path,
    *,
    label: str,
    records: Path,
    log: Path,
    checkpoint: Path,
    limits: Limits,
    stop: Stop,
    tell: Callable[[dict[str, Any]], None],
    forks: Forks | None = None,
) -> None:
    """Do a job in a process of its own, with its own threads, seed, time and memory.

    folder: where the results go; `measured.json` gets the CPU seconds and peak memory of the process and all it
    started. log: keeps what it prints. tell: called with each step of progress. forks: where the process is forked
    from; None: it is a fresh interpreter. Raises what the child raised as InputError or RunError, RunError where it
    broke a limit or was killed, and Stopped where `stop` is set.
    """
    if stop:
        raise Stopped
    log.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.mkdir(parents=True, exist_ok=True)
    job_file = checkpoint / "job.json"
    job_file.write_text(job.model_dump_json())
    reading, writing = os.pipe()
    try:
        process = _started((job_file, folder, checkpoint), writing, job, records, log, forks)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    steps = _Steps(reading, tell, label)
    try:
        largest = _follow(process, steps, limits, stop, label)
    finally:
        end(process, records)
        steps.finish()
    if steps.trouble is not None:
        raise steps.trouble
    if steps.failure is not None:
        raise from_failure(steps.failure, label)
    if process.returncode != 0 or steps.spent is None:
        raise RunError(label, _death(process.returncode), f"its output is in {log}")
    path = folder / "measured.json"
    memory = max(largest, steps.spent["peak_memory"])
    spent = {"cpu_seconds": steps.spent["cpu_seconds"], "peak_memory_mb": memory / 1e6}
    path.write_text(json.dumps(json.loads(path.read_text()) | spent))


def _started(
    files: tuple[Path, ...], progress: int, job: Job, records: Path, log: Path, forks: Forks | None
) -> Leashed:
    with log.open("ab") as output:
        if forks is not None:
            return forks.start(
                model_class(job.settings["name"]).libraries, environment_of(job.threads), files, progress, output
            )
        listening = () if job.peer is None or job.peer.listening is None else (job.peer.listening,)
        return start_leashed(
            python("recsys.experiment.child", *map(str, files), str(progress)),
            records,
            output=output,
            env={**os.environ, **environment_of(job.threads)},
            pass_fds=(progress, *listening),
        )


class _Steps:
    """Reads the child's lines in a thread until it closes its end.

    failure, spent: what the child said at its end. trouble: what went wrong here with one of its lines; the child is
    not to go on then.
    """

    def __init__(self, descriptor: int, tell: Callable[[dict[str, Any]], None], label: str) -> None:
        self.failure: dict[str, Any] | None = None
        self.spent: dict[str, Any] | None = None
        self.trouble: Exception | None = None
        self._tell, self._label = tell, label
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._read, descriptor), daemon=True)
        self._thread.start()

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor) as lines:
            for line in lines:
                try:
                    step = json.loads(line)
                except ValueError:  # the last line of a process that was killed
                    continue
                if "failure" in step:
                    self.failure = step["failure"]
                elif "cpu_seconds" in step:
                    self.spent = step
                elif self.trouble is None:
                    try:
                        self._tell(_finite(step, self._label))
                    except Exception as error:
                        self.trouble = error

    def finish(self) -> None:
        """Wait for the last line."""
        self._thread.join()


def _finite(step: dict[str, Any], label: str) -> dict[str, Any]:
    """The step. Raises RunError where one of its numbers is none: a diverging fit leads nowhere."""
    for name, value in step.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RunError(label, f"its {name} is {value} in epoch {step.get('epoch')}", "try a lower learning_rate")
    return step


def _follow(process: Leashed, steps: _Steps, limits: Limits, stop: Stop, label: str) -> int:
    """Wait for the child's end; the bytes of memory that it and all it started took at most.

    Raises where it is to end before.
    """
    began, largest = time.monotonic(), 0
    while process.poll() is None and steps.trouble is None:
        if stop:
            raise Stopped
        if limits.seconds is not None and time.monotonic() - began > limits.seconds:
            raise RunError(label, f"ran out of its {limits.seconds:g} seconds", "raise runner.timeout or train less")
        largest = max(largest, family_memory(process.pid))
        if limits.n_bytes is not None and largest > limits.n_bytes:
            limit = f"{limits.n_bytes / 1e9:g} GB"
            raise RunError(label, f"ran out of its {limit} of memory", "raise runner.memory or take a smaller model")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
    return largest


def _death(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        name = signal.Signals(-returncode).name
        return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return "its process failed"


def environment_of(threads: int) -> dict[str, str]:
    """What is set in the process of a fit: the threads of all libraries, and one order of sets."""
    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
    return {**dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": "0"}
