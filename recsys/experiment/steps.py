"""The epochs of a fit, told as they come; also those of a killed process whose work this one goes on with."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recsys.training.run import Progress

Step = dict[str, Any]
NAME = "steps.jsonl"


class Steps:
    """The steps of a job, phase by phase. all: {phase, epoch, epochs, metrics…}, in their order.

    They are also written beside the checkpoint of their phase. A fit that goes on from there begins at a later epoch:
    the ones before are then read and told again, so that every curve is whole.
    """

    def __init__(self, folder: Path, tell: Callable[[Step], None]) -> None:
        self.all: list[Step] = []
        self._folder, self._tell = folder, tell

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[tuple[Path, Callable[[Progress], None]]]:
        """The folder for the checkpoint of a phase, and whom to tell of its epochs."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        before = _read(folder / NAME)

        def catch_up(epoch: float) -> None:
            for step in [before[number] for number in sorted(before) if number < epoch]:
                self._add(step)
            before.clear()

        def note(progress: Progress) -> None:
            catch_up(progress.epoch)
            step = {"phase": name, "epoch": progress.epoch, "epochs": progress.epochs, **progress.metrics}
            with (folder / NAME).open("a") as file:
                file.write("\n" + json.dumps(step))  # what a kill cut off ends there
            self._add(step)

        yield folder, note
        catch_up(math.inf)

    def _add(self, step: Step) -> None:
        self.all.append(step)
        self._tell(step)


def _read(path: Path) -> dict[int, Step]:
    """The last step of each epoch in a file; a line that a kill cut off does not count."""
    found: dict[int, Step] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                step = json.loads(line)
                found[step["epoch"]] = step
    return found
