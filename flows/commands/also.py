"""`recsys compare --also`: the same experiment under two protocols, both orders side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.command import Speech, short
from recsys.comparison.protocols import side_by_side
from recsys.experiment.keys import dataset_key
from recsys.report.page import write_report
from recsys.report.protocols import protocols_section
from recsys.settings import Settings
from recsys.store import Ref, Store

if TYPE_CHECKING:
    from flows.commands.compare import Wanted
    from recsys.comparison.result import Comparison
    from recsys.experiment.spec import Experiment

PROTOCOLS = "protocols.json"


def hold_beside(
    done: Sequence[Comparison], wanted: Sequence[Wanted], overrides: Sequence[str], settings: Settings, speech: Speech
) -> dict[str, Any]:
    """Add a section on both protocols to the report of the first, and leave its facts beside it: they are returned.

    done: two comparisons; wanted: what was asked of them. overrides: what makes the second, in the user's words.
    """
    store = Store(settings.store)
    first = wanted[0]

    def stored(stage: str, key: str) -> Ref:
        ref = store.get(stage, key)
        assert ref is not None, f"{stage} {key} was finished and is not in the store"
        return ref

    one, other = (stored("comparison", each.run_key).folder for each in done)
    dataset = stored("dataset", dataset_key(first.experiment, first.inputs)).folder
    protocols = side_by_side(one, other, _names(first.experiment, wanted[1].experiment, overrides))
    write_report(done[0].out / "report.html", one, dataset, protocols)
    facts = protocols.facts()
    (done[0].out / PROTOCOLS).write_text(json.dumps(facts, indent=1))
    section = protocols_section(protocols)
    for line in (section["lead"], *section["points"]):
        speech.say(line.replace("\xa0", " "))
    speech.say(f"report   {short(done[0].out / 'report.html')}")
    return facts


def log_beside(first: Comparison, settings: Settings) -> None:
    """The report on both protocols and its facts as artifacts of the first run, below `also/`."""
    from recsys.tracking.runs import Tracker

    tracker = Tracker(settings)
    for name in ("report.html", PROTOCOLS):
        tracker.log_text(first.run_id, f"also/{name}", (first.out / name).read_text(encoding="utf-8"))


def _names(one: Experiment, other: Experiment, overrides: Sequence[str]) -> tuple[str, str]:
    """What each protocol is called: by its split where that is the difference."""
    if one.split.kind != other.split.kind and len(overrides) == 1:
        return f"{one.split.kind} split", f"{other.split.kind} split"
    return "as specified", ", ".join(overrides)
