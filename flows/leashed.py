"""Run a command that ends with its parent: `python -m flows.leashed COMMAND [ARGUMENT ...]`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

from recsys.processes import end_with_parent, started


def main() -> int:
    """Start the command, hand TERM on to it, and end with its status.

    What it starts in sessions of their own can tell by RECSYS_LEASH whether this process still lives.
    """
    end_with_parent()
    os.environ["RECSYS_LEASH"] = f"{os.getpid()}:{started()}"
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def hand_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
