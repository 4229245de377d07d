"""`recsys init`: a ready spec for one's own table."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from flows.command import Speech, taken, typed, write_new
from recsys.data.propose import propose
from recsys.errors import InputError
from recsys.experiment.spec import Experiment


def run(events: str, items: str | None, users: str | None, out: Path | None, speech: Speech) -> None:
    """Write a spec that `recsys compare` runs unchanged; never over an existing file."""
    if not events.strip():
        raise InputError("EVENTS", "names nothing", "name a table: a file, a folder or an address")
    target = out or Path(f"{_stem(events)}.yaml")
    if target.exists():
        raise taken(target)
    proposal = propose(events, items, users)
    Experiment.parse(proposal.spec, str(target))
    for note in proposal.notes:
        speech.say(note)
    text = yaml.safe_dump(proposal.spec, sort_keys=False, allow_unicode=True)
    write_new(target, f"# Made by `recsys init` from {' '.join(events.split())}; every value may be changed.\n{text}")
    speech.answer({"spec": str(target), "notes": list(proposal.notes)})
    speech.say(f"\nwrote {target}\nnext: {typed('recsys')} compare {shlex.quote(str(target))}")


def _stem(events: str) -> str:
    """The name of the events without folder and endings; that of the folder for a glob."""
    path = Path(events.rstrip("/"))
    if any(mark in path.name for mark in "*?["):
        path = path.parent
    return path.name.split(".")[0] or "events"
