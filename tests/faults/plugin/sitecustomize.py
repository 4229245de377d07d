"""Every Python process of a test keeps to this machine: other addresses are refused, and noted in its home.

FAULTS_HOLD names a moment at which such a process stops and waits, so that it can be ended there: `before` or `after`
a call, its module, its function, as in `before recsys.tracking.registry Registry.promote`; a word more stands for a
call with this argument alone. The note `held` in its home says that it is there; it goes on once the file FAULTS_GO_ON
exists.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
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


class Holder(importlib.abc.MetaPathFinder):
    """Changes one function of one module as that is imported, before anybody else has taken it from there."""

    def __init__(self, moment: str) -> None:
        self.when, self.module, self.function, *self.only = moment.split()

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            *outer, last = self.function.split(".")
            owner: Any = functools.reduce(getattr, outer, module)
            setattr(owner, last, self.held(getattr(owner, last)))

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def held(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            meant = all(word in args for word in self.only)
            if meant and self.when == "before":
                hold()
            result = function(*args, **kwargs)
            if meant and self.when == "after":
                hold()
            return result

        return call


def hold() -> None:
    """Note that the moment has come, and wait."""
    (Path(os.environ["RECSYS_HOME"]) / "held").touch()
    while not Path(os.environ.get("FAULTS_GO_ON", "/for/ever")).exists():
        time.sleep(0.02)


if "RECSYS_HOME" in os.environ:
    sys.addaudithook(keep_here)
if "FAULTS_HOLD" in os.environ:
    sys.meta_path.insert(0, Holder(os.environ["FAULTS_HOLD"]))
