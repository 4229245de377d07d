"""`recsys init`: a ready spec for one's own table."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from flows.command import Speech, typed
from recsys.data.propose import propose
from recsys.errors import InputError
from recsys.experiment.spec import Experiment


def run(events: str, items: str | None, users: str | None, out: Path | None, speech: Speech) -> None:
    """Write a spec that `recsys compare` runs unchanged; never over an existing file."""
    target = out or Path(f"{_stem(events)}.yaml")
    if target.exists():
        raise InputError(str(target), "is there already", "name another file with --out, or remove this one")
    proposal = propose(events, items, users)
    Experiment.parse(proposal.spec, str(target))
    for note in proposal.notes:
        speech.say(note)
    text = yaml.safe_dump(proposal.spec, sort_keys=False, allow_unicode=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(f"# Made by `recsys init` from {events}; every value may be changed.\n{text}")
    except FileExistsError:
        raise InputError(str(target), "is there already", "name another file with --out") from None
    speech.answer({"spec": str(target), "notes": list(proposal.notes)})
    speech.say(f"\nwrote {target}\nnext: {typed('recsys')} compare {shlex.quote(str(target))}")


def _stem(events: str) -> str:
    """The name of the events without folder and endings; that of the folder for a glob."""
    path = Path(events.rstrip("/"))
    if any(mark in path.name for mark in "*?["):
        path = path.parent
    return path.name.split(".")[0] or "events"
