"""What a run shows in the terminal: a line a stage, a bar a model that is fitting."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.command import visible
from tasks.context import Cell, Reporter

LINE_SECONDS = 10.0


class TerminalReporter(Reporter):
    """Lines for what is done; bars for what is fitting, where the output is a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._last_stage = ""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def start(self) -> None:
        """Show bars from now on."""
        self._progress.start()

    def stop(self) -> None:
        """Take the bars away."""
        self._progress.stop()

    def stage(self, name: str, text: str, cached: bool = False) -> None:
        """A line; the name of a stage stands once."""
        shown = name if name != self._last_stage else ""
        self._last_stage = name
        done_before = " [dim](done before)[/dim]" if cached and shown else ""
        text = escape(visible(text))
        self.console.print(f"[bold]{shown:<8}[/bold] {text}{done_before}", highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A warning, in full."""
        self._last_stage = ""
        self.console.print(f"[yellow]warning[/yellow]  {escape(visible(text))}", highlight=False, soft_wrap=True)

    def begin(self, cell: Cell) -> None:
        """A bar for the model."""
        with self._lock:
            self._began[cell.name] = time.monotonic()
            self._bars[cell.name] = self._progress.add_task(cell.name, total=None, text="")

    def step(self, cell: Cell, step: Mapping[str, Any]) -> None:
        """Move the bar; without a terminal, a line now and then."""
        done, total = step["epoch"], step["epochs"]
        text = f"{step['phase']} {step.get('unit', 'epoch')} {done} of {total}"
        now = time.monotonic()
        with self._lock:
            began = self._began.get(cell.name, now)
            left = (now - began) / max(1, done) * (total - done)
            self._progress.update(
                self._bars[cell.name], completed=done, total=total, text=f"{text}, about {left:.0f} s left at most"
            )
            if not self.console.is_terminal and now - self._said.get(cell.name, began) > LINE_SECONDS:
                self._said[cell.name] = now
                self._line(cell, text)

    def end(self, cell: Cell, text: str, failed: bool = False, cached: bool = False) -> None:
        """A line for the model in place of its bar."""
        with self._lock:
            bar = self._bars.pop(cell.name, None)
            if bar is not None:
                self._progress.remove_task(bar)
            self._line(
                cell, f"[red]{escape(visible(text))}[/red]" if failed else f"[dim]{text}[/dim]" if cached else text
            )

    def _line(self, cell: Cell, text: str) -> None:
        self._last_stage = ""
        self.console.print(f"[bold]model[/bold]    {escape(cell.name):<24} {text}", highlight=False, soft_wrap=True)
