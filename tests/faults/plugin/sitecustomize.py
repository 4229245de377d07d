"""Every Python process of a test keeps to this machine: other addresses are refused, and noted in its home."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

HERE = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname()}


def keep_here(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, which the interpreter calls before each connection and look-up."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host in HERE or str(host).startswith("127."):
        return
    home = Path(os.environ["RECSYS_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    with (home / "outgoing.log").open("a") as log:
        log.write(f"{event} {host} by {sys.argv}\n")
    raise ConnectionRefusedError(f"a test keeps to this machine, and {host} is another")


if "RECSYS_HOME" in os.environ:
    sys.addaudithook(keep_here)
