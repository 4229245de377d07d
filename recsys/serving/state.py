"""What is served right now, and the watcher that replaces it when there is something newer."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recsys.errors import ExpectedError, InputError
from recsys.retrieval.ann import Allowed
from recsys.serving.allow import AllowList, Stamp
from recsys.serving.bundle import Bundle, open_bundle

log = logging.getLogger(__name__)

Current = Callable[[], tuple[str, Path]]
"""Tells the version that should be served, and the folder of its bundle. May raise ExpectedError."""

LONGEST_WAIT = 60.0


@dataclass(frozen=True, eq=False)
class Live:
    """What requests are answered from: one reference, replaced as a whole. since: seconds since 1970."""

    version: str
    bundle: Bundle
    allowed: Allowed | None
    since: float


@dataclass(frozen=True)
class Trouble:
    """Why something newer is not served. what: "model", "registry" or "items". version: the one refused, if any."""

    what: str
    version: str | None
    error: dict[str, Any]
    since: float


class Serving:
    """Serves what `current` names, and follows it.

    Every `every` seconds a thread asks `current` and looks at the list of allowed items; what is new is opened there
    and then takes the place of the old. Where it cannot be opened the old one stays, `troubles` says why, and the
    next try waits twice as long, up to a minute.
    """

    def __init__(
        self,
        current: Current,
        *,
        allow: AllowList | None = None,
        every: float = 1.0,
        opener: Callable[[Path], Bundle] = open_bundle,
    ) -> None:
        self._current, self._allow, self._every, self._open = current, allow or AllowList(), every, opener
        self._live: Live | None = None
        self._source: tuple[str, Path] | None = None
        self._stamp: Stamp = None
        self._refused: tuple[tuple[str, Path], float, float] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.troubles: dict[str, Trouble] = {}
        self.swaps, self.failures = 0, 0
        self.seconds_to_open = 0.0

    @property
    def live(self) -> Live:
        """What to answer from now. Raises InputError before `start`."""
        if self._live is None:
            raise InputError("serving", "nothing is open yet", "call start first")
        return self._live

    @property
    def ready(self) -> bool:
        return self._live is not None

    def start(self) -> None:
        """Open what is current, then follow it. Raises ExpectedError where it cannot be opened."""
        if self._live is None:
            version, folder = self._current()
            bundle = self._opened(folder)
            self._stamp = self._allow.stamp()
            self._live = Live(version, bundle, self._allow.of(bundle.items), time.time())
            self._source = (version, folder)
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._watch, name="serving-watcher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the watcher; what is open stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def look(self) -> None:
        """Ask once what is current and which items are allowed, and follow. Raises nothing expected."""
        self._follow_model()
        self._follow_items()

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.look()
            except Exception:  # the watcher must outlive what it meets
                log.exception("the watcher failed and goes on")

    def _follow_model(self) -> None:
        try:
            source = self._current()
        except Exception as error:
            self._note("registry", None, error)
            return
        self.troubles.pop("registry", None)
        if source == self._source:
            self.troubles.pop("model", None)
            return
        if self._refused is not None and self._refused[0] == source and time.monotonic() < self._refused[1]:
            return
        version, folder = source
        try:
            bundle = self._opened(folder)
            stamp = self._allow.stamp()
            allowed = self._allow.of(bundle.items)
        except Exception as error:
            waited = self._refused[2] if self._refused is not None and self._refused[0] == source else self._every / 2
            wait = min(LONGEST_WAIT, 2 * waited)
            self._refused = (source, time.monotonic() + wait, wait)
            self.failures += 1
            self._note("model", version, error)
            return
        self._live = Live(version, bundle, allowed, time.time())
        self._source, self._stamp, self._refused = source, stamp, None
        self.swaps += 1
        self.troubles.pop("model", None)
        log.info("now serving version %s", version)

    def _follow_items(self) -> None:
        live = self.live
        try:
            stamp = self._allow.stamp()
            if stamp != self._stamp:
                self._live = replace(live, allowed=self._allow.of(live.bundle.items))
                self._stamp = stamp
        except Exception as error:
            self._note("items", None, error)
            return
        self.troubles.pop("items", None)

    def _opened(self, folder: Path) -> Bundle:
        began = time.perf_counter()
        bundle = self._open(folder)
        # Made now rather than by the first request.
        _ = bundle.item_ids, bundle.titles, bundle.directions
        self.seconds_to_open = time.perf_counter() - began
        # What is open stays for long: later collections need not look through it.
        gc.freeze()
        return bundle

    def _note(self, what: str, version: str | None, error: Exception) -> None:
        expected = isinstance(error, ExpectedError)
        said = error.as_dict() if isinstance(error, ExpectedError) else {"message": f"{type(error).__name__}: {error}"}
        known = self.troubles.get(what)
        if known is None or known.error != said or known.version != version:
            log.warning("%s: %s", what, error, exc_info=None if expected else error)
            self.troubles[what] = Trouble(what, version, said, time.time())
