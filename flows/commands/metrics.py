"""`recsys metrics explain`: what other libraries would call the numbers of a run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flows.command import Speech
from recsys.metrics.elsewhere import LIBRARIES, OURS, difference
from recsys.metrics.registry import parse_column
from recsys.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from recsys.comparison.explain import Line


def explain(run_id: str, speech: Speech) -> None:
    """The lists of a run under every definition: a table of the leaderboard's length; as JSON, of all lengths."""
    from recsys.comparison.explain import explain
    from recsys.experiment.rebuild import rebuilt
    from recsys.tracking.stored import stored_run

    settings = Settings()
    with TemporaryDirectory() as folder:
        run = stored_run(run_id, settings, Path(folder))
        lines = explain(run, rebuilt(run.spec, run.manifest, settings, speech.progress()))
        primary, passports = run.spec.evaluation.primary, run.manifest["passports"]
    differences = {name: {metric: said for metric in OURS if (said := difference(name, metric))} for name in LIBRARIES}
    values = [
        {"model": line.model, "metric": line.metric, "k": line.k, "values": dict(line.values), "spread": line.spread}
        for line in lines
    ]
    speech.answer({"run_id": run_id, "passports": passports, "lines": values, "differences": differences})
    length = parse_column(primary)[1] or max(line.k for line in lines)
    speech.say()
    speech.console.print(_table([line for line in lines if line.k == length]))
    _say_differences(differences, speech)


def _table(lines: Sequence[Line]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for name in ("model", "metric"):
        table.add_column(name, no_wrap=True)
    for name in (*LIBRARIES, "spread"):
        table.add_column(name, justify="right", no_wrap=True)
    last = None
    for line in lines:
        cells = ("" if value is None else f"{value:.4f}" for value in line.values.values())
        shown = line.model if line.model != last else ""
        table.add_row(shown, f"{line.metric}@{line.k}", *cells, f"{line.spread:.4f}")
        last = line.model
    return table


def _say_differences(differences: dict[str, dict[str, Any]], speech: Speech) -> None:
    speech.say("\nthe same lists and the same truth; what differs from recsys:")
    for name, own in differences.items():
        for metric, said in own.items():
            speech.say(f"  {name} {metric}: {said}")
