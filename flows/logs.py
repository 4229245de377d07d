"""What a run tells where no terminal listens: the log of its flow run, as the Prefect UI shows it."""

from __future__ import annotations

from prefect.logging import get_run_logger

from tasks.context import Cell, Reporter


class LogReporter(Reporter):
    """Tells the log of the flow run that it was made in."""

    def __init__(self) -> None:
        self._log = get_run_logger()

    def stage(self, name: str, text: str, cached: bool = False) -> None:
        """A stage is done."""
        self._log.info("%s: %s%s", name, text, " (done before)" if cached else "")

    def warn(self, text: str) -> None:
        """Something the reader should know."""
        self._log.warning(text)

    def begin(self, cell: Cell) -> None:
        """A model starts to fit."""
        self._log.info("%s: fitting", cell.name)

    def end(self, cell: Cell, text: str, failed: bool = False, cached: bool = False) -> None:
        """A model is done."""
        (self._log.error if failed else self._log.info)("%s: %s", cell.name, text)
