"""A command run to its end, with the last it said."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

# What is kept of what a command says: bytes to look at, lines of them.
TAIL_BYTES, TAIL_LINES = 4000, 3
# What a process that ended may have left behind holds its standard error for ever.
PATIENCE_SECONDS = 1.0
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
TRACEBACK = "Traceback (most recent call last):"
STANDARD_ERROR = 2


@dataclass(frozen=True)
class Ended:
    """How a command ended. said: the last lines that it wrote to standard error."""

    returncode: int
    said: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """How it ended, and the last it said."""
        how = f"with status {self.returncode}"
        if self.returncode < 0:
            name = signal.Signals(-self.returncode).name
            how = f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return how + (f": {' | '.join(self.said)}" if self.said else "")


def run_command(args: Sequence[str]) -> Ended:
    """Run a program without a shell, in the process group and to the output of this process; without standard input.

    Raises OSError where it cannot be started.
    """
    # PYTHONSAFEPATH is for our own servers; a program may have modules beside it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    # A leashed process has its leash as standard input.
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    tail = bytearray()
    reader = threading.Thread(target=_pass_on, args=(process.stderr, tail), name="stderr", daemon=True)
    reader.start()
    try:
        process.wait()
    finally:
        process.kill()
    reader.join(PATIENCE_SECONDS)
    return Ended(process.returncode, _last_lines(bytes(tail)))


def _pass_on(said: IO[bytes], tail: bytearray) -> None:
    """Copy what a command says to this process's own standard error, and its last bytes to `tail`."""
    with said:
        while part := os.read(said.fileno(), 1 << 16):
            tail.extend(part)
            del tail[:-TAIL_BYTES]
            with contextlib.suppress(OSError):  # a full disk; the command is not to wait for us
                os.write(STANDARD_ERROR, part)


def _last_lines(said: bytes) -> tuple[str, ...]:
    """The last lines that hold a word, without colours and the marks below the code of a traceback."""
    lines = COLOURS.sub("", said.decode(errors="replace")).splitlines()
    plain = ["".join(letter for letter in line if letter.isprintable()).strip() for line in lines]
    return tuple([line for line in plain if any(map(str.isalnum, line)) and line != TRACEBACK][-TAIL_LINES:])
