"""A process that has imported what fits need, and forks one for each.

`python -m recsys.experiment.fork_server DESCRIPTOR [LIBRARY…]` imports the libraries, then takes messages of `forks`
from the socket. It stays of one thread, and ends when whoever started it does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback

from recsys.experiment import child
from recsys.experiment.forks import BEGAN, ENDED
from recsys.processes import ask_kernel

# The first has what each fit needs at once; the others it imports when it comes to them, a fifth of a second each time.
IMPORTS = ("recsys.experiment.fit", "pandas", "pyarrow.parquet", "pyarrow.dataset", "safetensors.numpy")
MESSAGE_BYTES = 65_536
DESCRIPTORS = 4


def main() -> int:
    """Import, then fork until the socket closes."""
    ask_kernel()
    for name in (*IMPORTS, *sys.argv[2:]):
        with contextlib.suppress(Exception):  # the fit that needs it says what is wrong with it
            importlib.import_module(name)
    gc.freeze()  # or each fit would look through, and so copy, all that was imported
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _serve(control)
    return 0


def _serve(control: socket.socket) -> None:
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reports: dict[int, int] = {}
    watched: list[socket.socket | int] = [control, woken]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if woken in ready:
            _report(woken, reports)
        if control not in ready:
            continue
        text, given, _, _ = socket.recv_fds(control, MESSAGE_BYTES, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        if not text:
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for kept in (woken, wake, *reports.values()):
                os.close(kept)
            _fit(json.loads(text), *given)
        *others, reports[pid] = given
        for other in others:
            os.close(other)


def _report(woken: int, reports: dict[int, int]) -> None:
    """Say of each process that ended how it did."""
    with contextlib.suppress(BlockingIOError):
        os.read(woken, 1024)
    for pid in list(reports):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            report = reports.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(report, f"{ENDED} {os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(report)


def _fit(files: list[str], leash: int, output: int, progress: int, report: int) -> None:
    """Be the process of a fit, as one of `child` with these files is; does not return."""
    status = 1
    try:
        os.setsid()
        for place, descriptor in enumerate((leash, output, output)):
            os.dup2(descriptor, place)
        os.close(leash)
        os.close(output)
        os.write(report, f"{BEGAN} {os.getpid()}\n".encode())
        os.close(report)
        status = child.work(files, progress)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
