"""Run a command or a function several times, and tell what it took."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

LOSS = 1.2


@dataclass(frozen=True)
class Figure:
    """One line of the page. Medians; wall and cpu in seconds, memory in MB or None."""

    what: str
    wall: float
    cpu: float
    target: str
    memory: float | None = None
    note: str = ""
    load: float = 0.0
    runs: int = 1


def command(
    what: str,
    words: Sequence[str],
    target: str,
    *,
    runs: int = 1,
    prepare: Callable[[], None] | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    note: Callable[[], str] | None = None,
) -> Figure:
    """Whole processes, children included: wall time, CPU time and the largest resident size of one process."""
    walls, cpus, peaks, load = [], [], [], os.getloadavg()[0]
    for _ in range(runs):
        if prepare is not None:
            prepare()
        began = time.perf_counter()
        process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(words)} ended with status {process.returncode}")
        walls.append(time.perf_counter() - began)
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1000)
    return Figure(
        what,
        statistics.median(walls),
        statistics.median(cpus),
        target,
        max(peaks),
        note() if note else "",
        load,
        runs,
    )


def yardstick() -> float:
    """CPU seconds of a fixed piece of work, of arrays and of plain Python: what the machine gives in these minutes."""
    values = np.random.default_rng(0).random((400, 400))
    began = time.process_time()
    for _ in range(20):
        values = values @ values
        values /= values.max()
        sorted(range(60_000), key=lambda number: -number % 1009)
    return time.process_time() - began


def slower(now: Mapping[str, float], then: Mapping[str, float]) -> dict[str, float]:
    """How many times as long what takes over a fifth more takes now; both in yardsticks, what stands in both."""
    shared = [what for what in now if then.get(what)]
    return {what: now[what] / then[what] for what in shared if now[what] > LOSS * then[what]}


def function(what: str, body: Callable[[], Any], target: str, *, runs: int = 5, note: str = "") -> Figure:
    """A function in this process, after one run that does not count."""
    body()
    walls, cpus, load = [], [], os.getloadavg()[0]
    for _ in range(runs):
        began, spent = time.perf_counter(), time.process_time()
        body()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - spent)
    return Figure(what, statistics.median(walls), statistics.median(cpus), target, None, note, load, runs)


def beside(ours: Figure, target: str, *others: tuple[str, float | None]) -> Iterator[Figure]:
    """Our line, which says how many times the CPU seconds of others it takes, and a line of each of them.

    others: what each does and its CPU seconds, None where it is not had.
    """
    had = [(what, cpu) for what, cpu in others if cpu]
    note = ", ".join(f"{_times(ours.cpu, cpu)}" for _, cpu in had) or "nothing to hold it against"
    yield replace(ours, target=target, note=note)
    for what, cpu in had:
        yield Figure(what, cpu, cpu, "", None, "", ours.load)


def _times(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f} times" if ours > theirs / 3 else f"{theirs / ours:.1f} times faster"
