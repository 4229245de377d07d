"""A ready experiment for a table of one's own: roles, duplicates, split and counts that fit its data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from recsys.config import BoolArray, FloatArray
from recsys.data.build import build
from recsys.data.config import Columns, TableData
from recsys.data.dataset import in_time
from recsys.data.guess import guess_roles, plain
from recsys.data.raw import Raw
from recsys.data.shown import listed
from recsys.data.summary import summarise, summary_lines
from recsys.data.table import read
from recsys.data.tables import Table
from recsys.data.text import count
from recsys.errors import InputError

TEST, VALIDATION, SEED = 0.2, 0.1, 42
LENGTHS = (5, 10, 50)
# Above this EASE needs many gigabytes.
MOST_ITEMS = 20_000
# A user needs rows to learn from and to be tested on.
ENOUGH_ROWS = 3
# Cutting all users at one time is only worth it if many of those who act later acted before: a share of all users,
# but never fewer nor need be more than these.
WARM_SHARE, WARM_USERS, MANY_WARM_USERS = 0.1, 20, 500
# In microseconds, 1973: numbers below are counters and no times.
REAL_TIMES = 100_000_000_000_000
RATINGS = frozenset({"rating", "ratings", "score", "star", "stars", "grade", "overall", "feedback", "bewertung"})
COUNTS = frozenset(
    {"quantity", "qty", "count", "counts", "plays", "playcount", "purchases", "clicks", "views", "listens", "menge"}
)
MOST_RATINGS, LARGEST_RATING = 21, 10
# Of the way from the smallest rating to the largest: 4 of 1 to 5, 8 of 1 to 10.
LIKED = 0.7


@dataclass(frozen=True)
class Proposal:
    """A spec that `recsys compare` runs unchanged, and in words what was understood of the files."""

    spec: dict[str, Any]
    notes: tuple[str, ...]


def propose(events: str, items: str | None = None, users: str | None = None) -> Proposal:
    """A ready experiment on these files. events, items, users: paths as `data` takes them.

    Raises InputError where a file cannot be read, where no column looks like users or items, or where a value does not
    fit its role.
    """
    table = Table(events, "data.interactions")
    roles = guess_roles(table)
    files = {name: path for name, path in (("items", items), ("users", users)) if path is not None}
    raw = read(TableData(source="table", interactions=events, **files, columns=Columns(**roles)))
    constant = "value" in roles and raw.interactions["value"].nunique() == 1
    notes = [_note_of_roles(table, roles, constant)]
    if constant:
        del roles["value"]
        raw = Raw(raw.interactions.drop(columns="value"), raw.items, raw.users, place=raw.place, origins=raw.origins)
    draft = Draft(raw, roles.get("value"), notes)
    data: dict[str, Any] = {"source": "table", "interactions": events, **files, "columns": roles, **draft.options()}
    spec: dict[str, Any] = {"name": _name(events), "data": data, "split": draft.split()}
    positive = draft.positive()
    if positive is not None:
        spec["positive"] = positive
    spec |= {"models": draft.models(), "evaluation": draft.evaluation()}
    return Proposal(spec, (*summary_lines(draft.data), *draft.notes))


class Draft:
    """What is chosen for one source, step by step, and why.

    value: the name of the column of values. data: the data set as the options chosen so far make it.
    """

    def __init__(self, raw: Raw, value: str | None, notes: list[str]) -> None:
        self.raw, self.notes = raw, notes
        self.config = TableData(source="table", interactions=raw.place, duplicates="keep")
        self.data = build(raw, self.config)
        self.rates = value is not None and _are_ratings(plain(value), np.asarray(self.data.value))
        self.counts = value is not None and not self.rates

    def options(self) -> dict[str, Any]:
        """The options of `data` that are not the default."""
        self._settle_duplicates()
        self._drop_rare("min_user_count", self._least_rows_of_a_user())
        self._drop_rare("min_item_count", self._least_rows_of_an_item())
        weight = "log" if self.counts and self.data.value is not None and self.data.value.min() >= 0 else None
        if weight:
            self.notes.append("values are counts: models see the logarithm of 1 + value (weight: log)")
        chosen = {"duplicates": self.config.duplicates, "weight": weight}
        counts = {name: getattr(self.config, name) for name in ("min_user_count", "min_item_count")}
        return {name: value for name, value in (chosen | counts).items() if value}

    def split(self) -> dict[str, Any]:
        """A cut in time where there are times, with people on both sides of it; else a random one."""
        timestamp = self.data.timestamp
        if timestamp is None or np.median(timestamp) < REAL_TIMES or timestamp.min() == timestamp.max():
            self.notes.append(
                f"split: {TEST:.0%} of the rows at random are the test, since there are no times to cut by"
            )
            return {"kind": "random", "test": TEST, "validation": VALIDATION, "seed": SEED}
        warm = self._warm_users()
        n_users = len(np.unique(self.data.user))
        if warm >= min(max(WARM_SHARE * n_users, min(WARM_USERS, n_users / 2)), MANY_WARM_USERS):
            self.notes.append(
                f"split: the newest {TEST:.0%} of all rows are the test ({warm:,} users act before and after)"
            )
            return {"kind": "temporal", "test": TEST, "validation": VALIDATION}
        self.notes.append(
            f"split: each user's newest {TEST:.0%} are the test; one cut for all would leave "
            f"{count(warm, 'user')} on both sides"
        )
        return {"kind": "user-temporal", "test": TEST, "validation": VALIDATION}

    def positive(self) -> float | None:
        """The smallest rating that means liked, or None where values are no ratings."""
        if not self.rates or self.data.value is None:
            return None
        value = np.asarray(self.data.value)
        low, high = float(value.min()), float(value.max())
        liked = value[value >= low + LIKED * (high - low)]
        threshold = float(f"{liked.min():.4g}")
        self.notes.append(
            f"positive: {threshold:g} and above of {low:g} to {high:g}, {np.mean(value >= threshold):.0%} of the rows"
        )
        return threshold

    def models(self) -> list[str]:
        """Models that fit in minutes, the control first."""
        names = ["popularity", "item-knn", "ease", "lightfm-warp"]
        if self._n_items() > MOST_ITEMS:
            names.remove("ease")
            self.notes.append(f"models: ease is left out, its matrix of {self._n_items():,} items would not fit")
        return names

    def evaluation(self) -> dict[str, Any]:
        """List lengths below the number of items."""
        lengths = [k for k in LENGTHS if k < self._n_items()] or [1]
        return {"k": lengths, "primary": f"ndcg@{10 if 10 in lengths else lengths[-1]}"}

    def _settle_duplicates(self) -> None:
        repeats = summarise(self.data)["duplicates"]
        if not repeats:
            self._try(duplicates="error")
            return
        policy, why = "first", "the first of each counts"
        if self.rates:
            policy, why = "last", "the last of each counts"
        elif self.counts:
            policy, why = "sum", "their values are added"
        self._try(duplicates=policy)
        rows = f"{count(repeats, 'row')} repeat{'s' if repeats == 1 else ''} a user and item"
        self.notes.append(f"duplicates: {rows}; {why} ({policy})")

    def _least_rows_of_a_user(self) -> int:
        rows = np.bincount(self.data.user, minlength=len(self.data.users))
        return ENOUGH_ROWS if np.mean(rows[rows > 0] < ENOUGH_ROWS) > 0.3 else 0

    def _least_rows_of_an_item(self) -> int:
        rows = np.bincount(self.data.item, minlength=len(self.data.items))
        if np.count_nonzero(rows) <= MOST_ITEMS:
            return 0
        return next((least for least in (2, 3, 5, 10) if np.count_nonzero(rows >= least) <= MOST_ITEMS), 0)

    def _drop_rare(self, name: str, least: int) -> None:
        """Set a minimum, unless it would cost most of the rows."""
        before = len(self.data)
        if not least or not self._try(**{name: least}, keeping=0.6):
            return
        self.notes.append(f"{name}: {least} leaves out {count(before - len(self.data), 'row')} of {before:,}")

    def _try(self, keeping: float = 0.0, **options: Any) -> bool:
        """Build with more options; False, and nothing changed, where less than this share of the rows would be left."""
        config = self.config.model_copy(update=options)
        try:
            data = build(self.raw, config)
        except InputError:
            if keeping:
                return False
            raise
        if len(data) < keeping * len(self.data):
            return False
        self.config, self.data = config, data
        return True

    def _warm_users(self) -> int:
        """Users who have rows before the cut in time and positives after it."""
        order = in_time(self.data.timestamp, len(self.data))
        cut = round((1 - TEST) * len(order))
        later = order[cut:][self._liked()[order[cut:]]]
        return len(np.intersect1d(self.data.user[order[:cut]], self.data.user[later]))

    def _liked(self) -> BoolArray:
        value = self.data.value
        if not self.rates or value is None:
            return np.ones(len(self.data), bool)
        return np.asarray(value >= value.min() + LIKED * (value.max() - value.min()))

    def _n_items(self) -> int:
        return len(np.unique(self.data.item))


def _are_ratings(name: str, value: FloatArray) -> bool:
    """Whether values say how much somebody liked something, rather than how often he did something."""
    words = set(name.split("_"))
    if words & (RATINGS | COUNTS):
        return bool(words & RATINGS)
    return bool(value.min() >= 0 and value.max() <= LARGEST_RATING and len(np.unique(value)) <= MOST_RATINGS)


def _note_of_roles(table: Table, roles: dict[str, str], constant: bool) -> str:
    unused = [name for name in table.header if name not in roles.values()]
    texts = [f"{role} = {name}" for role, name in roles.items() if not (constant and role == "value")]
    if constant:
        texts.append(f"{roles['value']} is the same in every row and not used")
    if unused:
        texts.append(f"not used: {listed(unused)}")
    return f"{table.name}: " + ", ".join(texts)


def _name(events: str) -> str:
    """A name for the runs, from the file's."""
    path = PurePosixPath(events.rstrip("/"))
    stem = path.name.split(".")[0] if not any(mark in path.name for mark in "*?[") else path.parent.name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:80] or "my-data"
