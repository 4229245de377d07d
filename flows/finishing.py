"""Tasks of several models as they finish: one that fails does not take the others with it."""

from __future__ import annotations

from collections.abc import Iterator

from prefect.futures import PrefectFuture, as_completed

from recsys.errors import ExpectedError, RunError
from recsys.experiment.launch import Stopped
from recsys.store import Ref
from tasks.context import Cell, Run
from tasks.recorder import Recorder


class SomeFailedError(RunError):
    """Some models failed, and the others are done. failures: why, by row."""

    def __init__(self, failures: dict[str, str]) -> None:
        first, reason = next(iter(failures.items()))
        others = f" ({len(failures) - 1} more failed)" if len(failures) > 1 else ""
        super().__init__(first, f"{reason}{others}", "the others are done; run again to try what failed")


def as_they_finish(
    futures: dict[PrefectFuture, Cell], failures: dict[str, str], recorder: Recorder, run: Run
) -> Iterator[tuple[Cell, Ref]]:
    """Cells and results in the order they come. A cell that failed is noted in `failures` and in its run.

    Raises the last failure where nothing is left to compare: controls that nobody asked for do not count.
    """
    asked = {model.row for model in run.spec.models}
    last: Exception | None = None
    succeeded = False
    for future in as_completed(list(futures)):
        cell = futures[future]
        try:
            result = future.result()
        except Exception as error:
            if run.stop or isinstance(error, Stopped):
                raise Stopped from error
            last = error if cell.label in asked else last
            failures[cell.label] = (
                str(error) if isinstance(error, ExpectedError) else f"{type(error).__name__}: {error}"
            )
            recorder.fail(cell, failures[cell.label])
            run.reporter.end(cell, failures[cell.label], failed=True)
        else:
            succeeded = succeeded or cell.label in asked
            yield cell, result
    if last is not None and not succeeded:
        raise last
