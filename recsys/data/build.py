"""From what a source hands over to the Dataset: ids, duplicates, filters, and an account of every row."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.config import IntArray
from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset, Entities
from recsys.data.features import describe
from recsys.data.ids import encode
from recsys.data.raw import Raw
from recsys.data.rows import Rows, drop_rare, settle
from recsys.data.shown import short
from recsys.data.text import count, more_rows
from recsys.errors import InputError

NAMED = 3
LARGEST = float(np.finfo(np.float32).max)
# Models square weights and add them up over all rows, in numbers of 32 bits.
HEAVIEST = 1e12


def build(raw: Raw, options: DataOptions) -> Dataset:
    """The data set that these options make of a source's tables.

    Users are those of the interactions left, of the users table and of the sessions; items likewise.

    Raises InputError where an id is missing, a value is not finite, a pair occurs twice and must not, an id is listed
    twice, no row is left, or all rows are of one user or one item.
    """
    value = _values(raw)
    users, items = Space(raw, "user"), Space(raw, "item")
    rows = Rows(
        users.codes["interactions"],
        items.codes["interactions"],
        value,
        _column(raw, "timestamp", np.int64),
        _column(raw, "part", np.int8),
    )
    account = {"read": len(rows)}
    rows = settle(rows, options.duplicates, lambda again, first: _refuse_duplicates(raw, users, items, again, first))
    account["dropped_duplicates"] = account["read"] - len(rows)
    if rows.value is not None and np.abs(rows.value).max(initial=0) > LARGEST:
        raise InputError("data.duplicates", "a sum of values is too large: 3.4e38 at most", "take first or last")
    rows, dropped = drop_rare(rows, options)
    account |= dropped | {"kept": len(rows)}
    _refuse_too_little(raw, rows, account, users, items)
    users.restrict(rows.user)
    items.restrict(rows.item)
    return Dataset(
        user=users.position[rows.user],
        item=items.position[rows.item],
        value=None if rows.value is None else rows.value.astype(np.float32),
        timestamp=rows.timestamp,
        part=rows.part,
        users=users.entities(),
        items=items.entities(),
        sessions=_sessions(raw, users, items),
        clock=raw.clock,
        account=account,
        columns=dict(raw.columns),
    )


def check_weight(data: Dataset, weight: str | None) -> None:
    """Raise InputError where `data.weight` needs values that the data set does not have, or that are too large.

    Apart from `build`, since the weight changes nothing in the data set, and a stored one is used with any.
    """
    if weight is None:
        return
    if data.value is None:
        raise InputError(
            "data.weight",
            f"'{weight}' needs values, and the data have none",
            "leave weight out, or name the column that holds them: data.columns.value",
        )
    largest = float(data.value.max())
    if weight == "value" and largest > HEAVIEST:
        raise InputError(
            "data.weight",
            f"'value' makes a row weigh {largest:g}, and models can add up to {HEAVIEST:g}",
            "take weight: log, or leave it out",
        )
    n_negative = int(np.count_nonzero(data.value < 0))
    if n_negative:
        raise InputError(
            "data.weight",
            f"'{weight}' needs values of 0 or more, and {count(n_negative, 'row')} of {len(data):,} have less, down to "
            f"{data.value.min():g}",
            "leave weight out, or leave those rows out",
        )


class Space:
    """The ids of one kind, users or items, over all tables of a source.

    ids: all that occur anywhere. codes: by table, its rows as positions in ids. position: by position in ids, the
    position among those kept, or -1.
    """

    def __init__(self, raw: Raw, kind: str) -> None:
        tables = {"interactions": raw.interactions, f"{kind}s": getattr(raw, f"{kind}s"), "sessions": raw.sessions}
        columns = {name: table[kind] for name, table in tables.items() if table is not None and kind in table}
        self.raw, self.kind = raw, kind
        self.ids, coded = encode(list(columns.values()))
        self.codes = dict(zip(columns, coded, strict=True))
        self.position = np.arange(len(self.ids), dtype=np.int32)
        self.listed = self.codes.get(f"{kind}s", np.empty(0, np.int32))
        for table in ("interactions", f"{kind}s"):
            self._refuse_missing(table)
        self._refuse_listed_twice()
        self._refuse_strangers()

    def restrict(self, occurring: IntArray) -> None:
        """Keep what occurs in the rows left, what is listed, and what sessions show."""
        kept = np.zeros(len(self.ids) + 1, bool)
        for codes in (occurring, self.listed, self.codes.get("sessions", self.listed)):
            kept[codes] = True
        kept = kept[:-1]
        self.position = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        self.ids = self.ids[kept]

    def entities(self) -> Entities:
        """The ids kept, with the features of those that are listed."""
        table = getattr(self.raw, f"{self.kind}s")
        if table is None:
            return Entities(self.ids, pd.DataFrame(index=pd.RangeIndex(len(self.ids))), {})
        features, kinds = describe(table.drop(columns=self.kind), self.raw.name(f"{self.kind}s"))
        row = np.full(len(self.ids), -1)
        row[self.position[self.listed]] = np.arange(len(table))
        found = features.reset_index(drop=True).reindex(row).reset_index(drop=True)
        return Entities(self.ids, found, kinds)

    def _refuse_missing(self, table: str) -> None:
        missing = np.flatnonzero(self.codes.get(table, np.empty(0)) < 0)
        if len(missing):
            name, line = self.raw.locate(int(missing[0]), table)
            more = more_rows(len(missing) - 1, line)
            raise InputError(
                f"{name}, row {line:,}", f"{self.kind} is empty, an id is needed{more}", "leave the row out"
            )

    def _refuse_listed_twice(self) -> None:
        again = np.flatnonzero(pd.Series(self.listed).duplicated())
        if len(again):
            name, line = self.raw.locate(int(again[0]), f"{self.kind}s")
            which = self.ids[self.listed].tolist()[again[0]]
            raise InputError(
                f"{name}, row {line:,}",
                f"{self.kind} {short(repr(which))} is listed a second time{more_rows(len(again) - 1, line)}",
                f"leave one row for each {self.kind}",
            )

    def _refuse_strangers(self) -> None:
        """A table of features that describes nobody in the interactions was written with other ids."""
        acting = self.codes["interactions"]
        if not len(self.listed) or np.isin(acting, self.listed).any():
            return
        raise InputError(
            self.raw.name(f"{self.kind}s"),
            f"none of its {count(len(self.listed), self.kind)} ({_some(self.ids[self.listed])}) occurs in "
            f"{self.raw.name('interactions')} ({_some(self.ids[np.unique(acting)])})",
            f"write the {self.kind}s with the same ids in both",
        )


def _some(ids: NDArray[Any]) -> str:
    return ", ".join(short(repr(one)) for one in ids[:NAMED].tolist()) + (", …" if len(ids) > NAMED else "")


def _column(raw: Raw, name: str, kind: type) -> NDArray[Any] | None:
    return raw.interactions[name].to_numpy(dtype=kind) if name in raw.interactions else None


def _values(raw: Raw) -> NDArray[np.float64] | None:
    value = _column(raw, "value", np.float64)
    if value is not None:
        _refuse_value(raw, value, ~np.isfinite(value), "a finite number is needed")
        _refuse_value(raw, value, np.abs(value) > LARGEST, "which is too large: 3.4e38 at most")
    return value


def _refuse_value(raw: Raw, value: NDArray[np.float64], bad: NDArray[np.bool_], why: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        name, line = raw.locate(int(rows[0]))
        more = more_rows(len(rows) - 1, line)
        raise InputError(f"{name}, row {line:,}", f"value is {value[rows[0]]:g}, {why}{more}", "mend that row")


def _refuse_duplicates(raw: Raw, users: Space, items: Space, again: IntArray, first: IntArray) -> NoReturn:
    name, line = raw.locate(int(again[0]))
    before, before_line = raw.locate(int(first[0]))
    user, item = (space.ids[space.codes["interactions"][again[:1]]].tolist()[0] for space in (users, items))
    others = [f"{raw.locate(int(other))[1]:,}" for other in again[1 : NAMED + 1]]
    listed = ", ".join(others) + (", …" if len(again) > NAMED + 1 else "")
    more = f" ({len(again) - 1:,} more such {'row' if len(again) == 2 else 'rows'}: {listed})" if others else ""
    here = "row" if before == name else f"{before}, row"
    raise InputError(
        f"{name}, row {line:,}",
        f"user {short(repr(user))} and item {short(repr(item))} are in {here} {before_line:,} already{more}",
        "say what to do with them, data.duplicates: first, last, sum or keep",
    )


def _refuse_too_little(raw: Raw, rows: Rows, account: dict[str, int], users: Space, items: Space) -> None:
    place = raw.name("interactions")
    if not len(rows):
        if not account["read"]:
            raise InputError(place, "there are no rows", "interactions of at least two users with two items are needed")
        raise InputError(
            "data.min_user_count, data.min_item_count",
            f"of the {count(account['read'], 'row')} of {place} none is left",
            "lower them",
        )
    for space, codes in ((users, rows.user), (items, rows.item)):
        if codes.min() == codes.max():
            other = "item" if space.kind == "user" else "user"
            only = short(repr(space.ids[codes[:1]].tolist()[0]))
            raise InputError(
                place,
                f"all {count(len(rows), 'row')} are of one {space.kind}, {only}",
                f"at least two users and two items are needed; is data.columns.{space.kind} the right column?"
                if account["read"] == account["kept"]
                else f"lower data.min_{other}_count and data.min_{space.kind}_count",
            )


def _sessions(raw: Raw, users: Space, items: Space) -> pd.DataFrame | None:
    table = raw.sessions
    if table is None:
        return None
    columns = {
        "session": pd.factorize(table["session"])[0].astype(np.int64),
        "item": items.position[items.codes["sessions"]],
    }
    if "sessions" in users.codes:
        columns["user"] = np.append(users.position, np.int32(-1))[users.codes["sessions"]]
    return pd.DataFrame(columns)
