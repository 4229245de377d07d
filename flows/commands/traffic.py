"""`recsys simulate-traffic`: a spec's data set, day by day, into a source that grows."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from flows.command import Speech
from recsys.data.traffic import Form, Poison, Replay, Traffic, simulate
from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.settings import Settings


@dataclass(frozen=True)
class Days:
    """Which days arrive, both ends included. most: at most so many that are not there yet."""

    start: dt.date | None = None
    until: dt.date | None = None
    most: int | None = None


def run(spec: Path, overrides: list[str], into: str, days: Days, traffic: Traffic, form: Form, speech: Speech) -> None:
    """Write what arrives on these days and is not there yet; say each day as it is written."""
    experiment = Experiment.load(spec, overrides)
    replay = simulate(
        experiment.data,
        into,
        Settings(),
        traffic,
        start=days.start,
        until=days.until,
        days=days.most,
        form=form,
        progress=speech.progress(),
        written=lambda day: speech.say(str(day)),
    )
    for line in replay.lines():
        speech.say(line)
    duplicates = "last" if traffic.duplicates else "keep" if experiment.data.duplicates == "keep" else "error"
    speech.say(f"a spec reads it with  {_section(into, duplicates)}")
    speech.answer(_answer(replay, into))


def poisons(texts: list[str]) -> tuple[Poison, ...]:
    """Poisoned days as they are typed. Raises InputError where one is none.

    >>> poisons(["2024-01-31=hammer", "2024-02-01=shuffle:0.3"])[1].share
    0.3
    """
    return tuple(map(_poison, texts))


def _poison(text: str) -> Poison:
    day, _, rest = text.partition("=")
    kind, colon, share = rest.partition(":")
    try:
        return Poison.model_validate({"day": day, "kind": kind} | ({"share": share} if colon else {}))
    except ValidationError as error:
        wrong = ", ".join(str(each["loc"][0]) for each in error.errors())
        remedy = "write DAY=hammer or DAY=shuffle, with a share below 1 if need be: 2024-01-31=hammer:0.3"
        raise InputError("--poison", f"'{text}' is no poisoned day ({wrong})", remedy) from None


def _section(into: str, duplicates: str) -> str:
    """The section `data` of a spec that reads what is written, in one line. duplicates: its rule for them."""
    database = re.fullmatch(r"sql(?:\+(\w+))?:(.+)", into)
    data = {"source": "table", "interactions": into}
    if database is not None:
        data = {"source": "sql", "connection": database[1], "table": database[2]}
    if duplicates != "error":
        data["duplicates"] = duplicates
    there = {key: value for key, value in data.items() if value is not None}
    return yaml.safe_dump({"data": there}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000)[
        1:-2
    ]


def _answer(replay: Replay, into: str) -> dict[str, object]:
    written = [
        {
            "day": str(day.day),
            "rows": day.rows.num_rows,
            "late": day.late,
            "repeated": day.repeated,
            "made": day.made,
            "shuffled": day.shuffled,
        }
        for day in replay.written
    ]
    return {"into": into, "written": written, "present": [str(day) for day in replay.present]}
