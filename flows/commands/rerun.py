"""`recsys rerun`: a finished run made again, and how far its numbers are from what they were."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flows.command import Speech, short
from recsys.errors import InputError
from recsys.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table


def run(run_id: str, out: Path | None, speech: Speech) -> None:
    """Compare again, from the experiment and the data alone, and print every number as it was and as it is."""
    from flows.commands.compare import compared
    from recsys.comparison.differences import differences, largest
    from recsys.comparison.result import require_place
    from recsys.comparison.stored_run import changes
    from recsys.experiment.candidates import candidates_name
    from recsys.experiment.rebuild import same_inputs
    from recsys.tracking.runs import Tracker
    from recsys.tracking.stored import stored_run

    settings, began = Settings(), time.monotonic()
    with TemporaryDirectory() as folder:
        then = stored_run(run_id, settings, Path(folder))
        if then.cell is not None:
            parent = then.comparison.run_id
            raise InputError(f"run {run_id}", "is that of one model", f"its comparison is: recsys rerun {parent}")
        same_inputs(then.spec, then.manifest, settings, speech.progress())
        candidates = then.spec.evaluation.candidates
        if candidates_name(candidates) != then.manifest["choices"]["candidates"]:
            message = f"{candidates} is not what the run has read"
            raise InputError("evaluation.candidates", message, "put back the pairs of the run, or compare anew")
        place = out or Path("runs") / then.spec.name / f"rerun-{then.short}"
        require_place(place, then.spec.data)
        now = compared(then.spec, place, True, settings, speech)
        Tracker(settings).tag(now.run_id, {"rerun_of": run_id})
        changed = changes(then.manifest, now.manifest)
        found = differences(then.leaderboard, now.leaderboard)
    speech.say(f"done in {time.monotonic() - began:.0f} s")
    about = {"out": str(now.out), "run_id": now.run_id, "rerun_of": run_id}
    speech.answer({**about, "largest_difference": largest(found), "differences": found, "changed": changed})
    speech.say()
    speech.console.print(_table(found))
    speech.say()
    _say_changed(changed, speech)
    alone = [f"{each['column']} of {each['model']}" for each in found if each["difference"] is None]
    if alone:
        speech.say(f"only then or only now: {', '.join(alone)}")
    speech.say(f"largest difference of {len(found) - len(alone)} numbers: {largest(found):.3g}")
    speech.say(f"report   {short(now.out / 'report.html')}")


def _table(found: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for name in ("model", "number", "then", "now", "difference"):
        table.add_column(name, justify="left" if name in ("model", "number") else "right", no_wrap=True)
    last = None
    for each in found:
        shown = each["model"] if each["model"] != last else ""
        values = ("" if each[name] is None else f"{each[name]:.6f}" for name in ("then", "now"))
        step = "" if each["difference"] is None else f"{each['difference']:+.3g}"
        table.add_row(shown, each["column"], *values, step)
        last = each["model"]
    return table


def _say_changed(changed: Mapping[str, tuple[str, str]], speech: Speech) -> None:
    if not changed:
        speech.say("data, split, code, versions and threads are those of the run")
    for name, (then, now) in changed.items():
        speech.say(f"not as it was: {name}, {_shown(then)} then and {_shown(now)} now")


def _shown(value: str) -> str:
    """A digest by its first digits."""
    return value[:12] + value[64:] if len(value) >= 64 else value
