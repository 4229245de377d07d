"""Whose turn it is to keep a core busy."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator

# Work that was announced comes within a fraction of a second; it may also have failed on its way, so nobody waits long.
PATIENCE_SECONDS = 2.0


class Turns:
    """So many at once. Next is whoever has most work to do, then who came first: no core is idle at the end while the
    longest work, begun last, goes on alone."""

    def __init__(self, at_once: int) -> None:
        self._free, self._waiting = at_once, list[tuple[float, int]]()
        self._coming, self._patience_ends = list[float](), 0.0
        self._numbers, self._changed = itertools.count(), threading.Condition()

    def announce(self, works: Iterable[float]) -> None:
        """These come at about the same time in any order; works: seconds that each is expected to be busy."""
        with self._changed:
            self._coming = [*works]
            self._patience_ends = time.monotonic() + PATIENCE_SECONDS

    @contextlib.contextmanager
    def one(self, work: float) -> Iterator[None]:
        """A turn; work: seconds it is expected to be busy."""
        with self._changed:
            mine = (-work, next(self._numbers))
            self._waiting.append(mine)
            if work in self._coming:
                self._coming.remove(work)
                self._changed.notify_all()
            try:
                while not self._is_next(mine):
                    self._changed.wait(self._patience_ends - time.monotonic() if self._still_coming() else None)
                self._free -= 1
            finally:  # whoever is stopped while waiting keeps no turn from the others
                self._waiting.remove(mine)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _is_next(self, mine: tuple[float, int]) -> bool:
        longest = max(self._still_coming(), default=0.0)
        return self._free > 0 and min(self._waiting) == mine and longest <= -mine[0]

    def _still_coming(self) -> list[float]:
        if time.monotonic() >= self._patience_ends:
            self._coming.clear()
        return self._coming
