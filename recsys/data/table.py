"""The user's own tables: columns by the roles that the spec gives them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys.config import FloatArray, IntArray
from recsys.data.as_of import refuse_no_times, rows_until
from recsys.data.config import Columns, TableData
from recsys.data.features import TITLE
from recsys.data.raw import Clock, Origin, Raw
from recsys.data.shown import quoted, short
from recsys.data.tables import Table
from recsys.data.values import Column, ids, numbers, order, refuse_beyond_numbers, times
from recsys.errors import InputError


class Headed(Protocol):
    """Something with named columns: a table in files, or in a database."""

    def has(self, name: str) -> bool: ...

    def require(self, name: str, role: str, hint: str = "") -> str: ...


Part = tuple[pd.DataFrame, tuple[Origin, ...]]
"""Rows of a table and where they came from, both as in Raw."""


def read(config: TableData, as_of: int | None = None) -> Raw:
    """The tables of `source: table`. as_of: leave out interactions later than it, whatever else is wrong with them.

    Raises InputError where a file is missing or cannot be read, where a column that the spec names is not in its file,
    and for the first value that does not fit its role.
    """
    columns = config.columns
    if config.sessions is None:
        refuse_roles_of_sessions(columns)
    table = Table(config.interactions, "data.interactions")
    role_of = roles(table, columns)
    frames: dict[str, pd.DataFrame] = {}
    origins: dict[str, tuple[Origin, ...]] = {}
    frames["interactions"], origins["interactions"] = _interactions(table, role_of, as_of=as_of)
    for kind, path in (("item", config.items), ("user", config.users)):
        if path is not None:
            frames[f"{kind}s"], origins[f"{kind}s"] = _entities(path, kind, columns)
    if config.sessions is not None:
        frames["sessions"], origins["sessions"] = _sessions(config.sessions, columns)
    return Raw(
        frames["interactions"],
        frames.get("items"),
        frames.get("users"),
        frames.get("sessions"),
        place=config.interactions,
        origins=origins,
        columns=role_of,
    )


def read_times(config: TableData) -> IntArray:
    """The times of all interactions, in the order of the source, (n,) microseconds since 1970; nothing else is read.

    Raises InputError where there are none, and as `read` does.
    """
    table = Table(config.interactions, "data.interactions")
    role_of = roles(table, config.columns)
    if "timestamp" not in role_of:
        refuse_no_times(table.name)
    return times(table.read([role_of["timestamp"]])[role_of["timestamp"]])


def read_part(path: str, field: str, columns: Columns, like: Raw, as_of: int | None = None) -> Part:
    """The rows of a predefined test or validation file, with the columns of the interactions.

    field: the setting that names the file. Raises InputError as `read` does.
    """
    table = Table(path, field)
    role_of = {role: table.require(getattr(columns, role), f"data.columns.{role}") for role in ("user", "item")}
    for role in ("value", "timestamp"):
        if role in like.interactions:
            role_of[role] = table.require(getattr(columns, role) or role, field)
    return _interactions(table, role_of, like.clock, as_of)


def read_pairs(path: str, field: str = "evaluation.candidates") -> pd.DataFrame:
    """A table of pairs: columns user and item. Raises InputError as `read` does."""
    table = Table(path, field)
    return _interactions(table, {role: table.require(role, field) for role in ("user", "item")})[0]


def roles(table: Headed, columns: Columns) -> dict[str, str]:
    """The column of a table of interactions that plays each role; value and timestamp only where there is one.

    Raises InputError where a column that the spec names is not there.
    """
    role_of = {role: table.require(getattr(columns, role), f"data.columns.{role}") for role in ("user", "item")}
    for role in ("value", "timestamp"):
        wanted = getattr(columns, role)
        if wanted is not None:
            role_of[role] = table.require(wanted, f"data.columns.{role}")
        elif table.has(role):
            role_of[role] = role
    return role_of


def refuse_roles_of_sessions(columns: Columns) -> None:
    for role in ("session", "order"):
        name = getattr(columns, role)
        if name is not None:
            raise InputError(
                f"data.columns.{role}",
                f"'{name}' names a column of the sessions, and no file of them is given",
                "add data.sessions: FILE",
            )


def _interactions(table: Table, role_of: dict[str, str], clock: Clock = "time", as_of: int | None = None) -> Part:
    if as_of is not None and "timestamp" not in role_of:
        refuse_no_times(table.name, as_of)
    found = table.read(list(role_of.values()), encoded=[role_of["user"], role_of["item"]])
    if not len(found[role_of["user"]]):
        raise InputError(table.name, "there are no rows below the header", "at least a few interactions are needed")
    origins = found[role_of["user"]].origins
    timestamp: IntArray | FloatArray | None = None
    if "timestamp" in role_of and clock == "order":
        timestamp = order(found[role_of["timestamp"]])
    elif "timestamp" in role_of:
        timestamp = times(found[role_of["timestamp"]])
        if as_of is not None:
            kept = rows_until(timestamp, as_of, table.name)
            timestamp, found = timestamp[kept], {name: column.take(kept) for name, column in found.items()}
            origins = found[role_of["user"]].origins
    return frame_of(found, role_of, timestamp), origins


def frame_of(found: dict[str, Column], role_of: dict[str, str], timestamp: Any) -> pd.DataFrame:
    """Columns of interactions under the names of their roles; timestamp: (n,), or None where there is none.

    found: emptied on the way, so that memory holds a column as strings or as numbers, not as both. Raises InputError
    for the first value that does not fit its role.
    """
    frame: dict[str, Any] = {}
    left = {role: role_of[role] for role in ("user", "item", "value") if role in role_of}
    while left:
        for name in found.keys() - left.values():
            del found[name]
        role = next(iter(left))
        column = found[left.pop(role)]
        frame[role] = numbers(column) if role == "value" else ids(column)
        del column
    if timestamp is not None:
        frame["timestamp"] = timestamp
    return pd.DataFrame(frame, copy=False)


def _entities(path: str, kind: str, columns: Columns) -> Part:
    """Items or users: the id column under the name of its kind, features under their own."""
    table = Table(path, f"data.{kind}s")
    hint = "; ids have the same name as in the interactions"
    id_column = table.require(getattr(columns, kind), f"data.columns.{kind}", hint)
    found = table.read(table.header)
    return entities_of(found, kind, id_column), found[id_column].origins


def entities_of(found: dict[str, Column], kind: str, id_column: str) -> pd.DataFrame:
    """Users or items as in Raw, from all columns of their table.

    Raises InputError where an id is missing or none, and for a feature that cannot be read.
    """
    frame: dict[str, pd.Series] = {kind: ids(found[id_column])}
    for name, column in found.items():
        if name != id_column:
            # The id has taken the name of its kind; a feature of that name gets a longer one.
            own = name
            while own == kind or (own != name and own in found):
                own = f"{own}_"
            frame[own] = _feature(column)
    return pd.DataFrame(frame)


def _feature(column: Column) -> pd.Series:
    data, kind = column.data, column.data.type
    if not _is_flat(kind):
        message = f"column {quoted(column.name)} of type {short(str(kind))} holds values within values"
        raise InputError(column.file(), message, "write each as a column of its own, or leave the column out")
    refuse_beyond_numbers(column)
    try:
        if _is_binary(kind) or (column.name == TITLE and not pa.types.is_nested(kind)):
            data = data.cast(pa.string())
        elif pa.types.is_date(kind):
            data = data.cast(pa.timestamp("s" if pa.types.is_date32(kind) else "ms"))
        if _is_list(kind) and pa.types.is_integer(kind.value_type):
            # Beside a missing one, pandas would make them 1.0.
            data = data.cast(pa.list_(pa.string()))
        return data.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0][:200]
        message = f"column {quoted(column.name)} of type {short(str(kind))} holds values that cannot be read ({reason})"
        raise InputError(column.file(), message, "mend them, or leave the column out") from error


def _is_flat(kind: pa.DataType) -> bool:
    """Whether values of a type are one value each, or lists of such."""
    if not pa.types.is_nested(kind):
        return True
    inner = kind.value_type if _is_list(kind) else kind
    return not pa.types.is_nested(inner) and not _is_binary(inner)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _sessions(path: str, columns: Columns) -> Part:
    """Sessions: columns session, item and, where there, user; each session's rows together, in their order."""
    table = Table(path, "data.sessions")
    role_of = {
        "session": table.require(columns.session or "session", "data.columns.session"),
        "item": table.require(columns.item, "data.columns.item"),
    }
    if table.has(columns.user):
        role_of["user"] = columns.user
    if columns.order is not None:
        role_of["order"] = table.require(columns.order, "data.columns.order")
    elif table.has("order"):
        role_of["order"] = "order"
    found = table.read(list(role_of.values()))
    frame = pd.DataFrame(
        {role: ids(found[name], optional=role == "user") for role, name in role_of.items() if role != "order"}
    )
    position = order(found[role_of["order"]]) if "order" in role_of else np.arange(len(frame))
    session, _ = pd.factorize(frame["session"])
    in_order = np.lexsort((position, session))
    return frame.iloc[in_order].reset_index(drop=True), found[role_of["session"]].origins


def join(parts: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Interactions of several parts, one below the other, with the column `part`."""
    frames = [frame.assign(part=np.int8(part)) for part, frame in parts.items()]
    for kind in ("user", "item"):
        if len({str(frame[kind].dtype) for frame in frames}) > 1 or frames[0][kind].dtype == "category":
            texts = [frame[kind].astype("str").astype("category") for frame in frames]
            together = pd.api.types.union_categoricals(texts)
            ends = np.cumsum([len(frame) for frame in frames])[:-1]
            frames = [
                frame.assign(**{kind: codes}) for frame, codes in zip(frames, _split(together, ends), strict=True)
            ]
    return pd.concat(frames, ignore_index=True)


def _split(whole: pd.Categorical, ends: np.ndarray) -> list[pd.Categorical]:
    return [pd.Categorical.from_codes(codes, dtype=whole.dtype) for codes in np.split(whole.codes, ends)]
