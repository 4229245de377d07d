"""Processes that end with the one that started them, however that one ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import psutil


def start_leashed(
    args: Sequence[str],
    records: Path,
    *,
    output: IO[Any] | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that holds our pipe as standard input.

    The process calls `end_with_parent`, so it ends when the pipe closes: also when this process is killed. records: a
    folder where its id and start time are noted, for `end_orphans`.
    """
    process = subprocess.Popen(
        args,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    note(process.pid, records)
    return process


def end_with_parent() -> None:
    """In a leashed process: end it, and all it started, when the parent's pipe closes."""

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 1024):
                pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="leash", daemon=True).start()
    ask_kernel()


def ask_kernel() -> None:
    """Have Linux itself kill the group when the pipe closes: one long call that keeps the GIL keeps threads waiting."""
    if sys.platform == "linux" and os.getpgrp() == os.getpid():
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


class Leashed(Protocol):
    """What is used of a process that `start_leashed` or another process started for us."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...


def end(process: Leashed, records: Path, patience: float = 0.0) -> None:
    """End a leashed process and all it started: TERM and `patience` seconds where it has something to finish, KILL."""
    if patience and process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    (records / f"{process.pid}.json").unlink(missing_ok=True)


def end_orphans(records: Path) -> list[int]:
    """Kill the recorded processes whose parent is gone, and forget those that are gone themselves; the ids killed."""
    ended = []
    for record in records.glob("*.json"):
        try:
            noted = json.loads(record.read_text())
            child, parent = ((int(noted[name][0]), float(noted[name][1])) for name in ("process", "parent"))
        except (OSError, ValueError, LookupError, TypeError):  # being written, or nothing of ours
            continue
        if is_alive(*parent):
            continue
        if is_alive(*child):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child[0], signal.SIGKILL)
                ended.append(child[0])
        record.unlink(missing_ok=True)
    return ended


def python(module: str, *args: str) -> list[str]:
    """The command that runs a module in a fresh interpreter like this one; files of the working folder, which may be
    named as a library is, are no modules of it."""
    return [sys.executable, "-P", "-m", module, *args]


def peak_memory(pid: int | str = "self") -> int:
    """Largest resident size of a process so far, in bytes; 0 where the system does not tell.

    Read from /proc where there is one: `ru_maxrss` of a child starts at its parent's peak.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(None if pid == "self" else int(pid)).memory_info().rss)
    return 0


def family_memory(pid: int) -> int:
    """Sum of the largest resident sizes so far of a process and all that it started and that still run, in bytes."""
    return peak_memory(pid) + sum(peak_memory(child) for child in _descendants(pid))


def _descendants(pid: int) -> list[int]:
    """The processes below one, read from /proc where there is one: psutil looks at every process of the machine."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        return []
    return found + [other for child in found for other in _descendants(child)]


def note(pid: int, records: Path) -> None:
    """Note a process that this one answers for, until `end`."""
    records.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(psutil.Error):
        noted = {"process": [pid, started(pid)], "parent": [os.getpid(), started()]}
        (records / f"{pid}.json").write_text(json.dumps(noted))


def started(pid: int | None = None) -> float:
    """When a process started, this one by default, in seconds: with its id that names it for good.

    On Linux counted from the boot of the machine, which gives the beginning: the clock may be set while the process
    runs, and psutil's answer changes with it. Raises psutil.NoSuchProcess where there is none.
    """
    with contextlib.suppress(OSError):
        ticks = Path(f"/proc/{pid or 'self'}/stat").read_text().rpartition(")")[2].split()[19]
        boot = int(Path("/proc/sys/kernel/random/boot_id").read_text()[:8], 16)
        return boot + int(ticks) / os.sysconf("SC_CLK_TCK")
    return psutil.Process(pid).create_time()


def is_alive(pid: int, began: float) -> bool:
    """Whether the process with this id is the one that started then, and still runs."""
    try:
        return abs(started(pid) - began) < 1 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_until(true: Any, seconds: float, every: float = 0.05) -> bool:
    """Whether `true()` holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(every)
    return bool(true())


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
