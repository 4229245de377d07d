"""The user's own tables: columns by the roles that the spec gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys.data.config import Columns, TableData
from recsys.data.raw import Clock, Origin, Raw
from recsys.data.tables import Table
from recsys.data.values import ids, numbers, order, times
from recsys.errors import InputError


def read(config: TableData) -> Raw:
    """The tables of `source: table`.

    Raises InputError where a file is missing or cannot be read, where a column that the spec names is not in its file,
    and for the first value that does not fit its role.
    """
    columns = config.columns
    if config.sessions is None:
        _refuse_roles_of_sessions(columns)
    table = Table(config.interactions, "data.interactions")
    role_of = roles(table, columns)
    frames: dict[str, pd.DataFrame] = {}
    origins: dict[str, tuple[Origin, ...]] = {}
    frames["interactions"], origins["interactions"] = _interactions(table, role_of)
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


def read_part(path: str, field: str, columns: Columns, like: Raw) -> tuple[pd.DataFrame, tuple[Origin, ...]]:
    """The rows of a predefined test or validation file, with the columns of the interactions, and their origins.

    field: the setting that names the file. Raises InputError as `read` does.
    """
    table = Table(path, field)
    role_of = {role: table.require(getattr(columns, role), f"data.columns.{role}") for role in ("user", "item")}
    for role in ("value", "timestamp"):
        if role in like.interactions:
            role_of[role] = table.require(getattr(columns, role) or role, field)
    return _interactions(table, role_of, like.clock)


def read_pairs(path: str, field: str = "evaluation.candidates") -> pd.DataFrame:
    """A table of pairs: columns user and item. Raises InputError as `read` does."""
    table = Table(path, field)
    return _interactions(table, {role: table.require(role, field) for role in ("user", "item")})[0]


def roles(table: Table, columns: Columns) -> dict[str, str]:
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


def _refuse_roles_of_sessions(columns: Columns) -> None:
    for role in ("session", "order"):
        name = getattr(columns, role)
        if name is not None:
            raise InputError(
                f"data.columns.{role}",
                f"'{name}' names a column of the sessions, and no file of them is given",
                "add data.sessions: FILE",
            )


def _interactions(
    table: Table, role_of: dict[str, str], clock: Clock = "time"
) -> tuple[pd.DataFrame, tuple[Origin, ...]]:
    found = table.read(list(role_of.values()), encoded=[role_of["user"], role_of["item"]])
    if not len(found[role_of["user"]]):
        raise InputError(table.name, "there are no rows below the header", "at least a few interactions are needed")
    frame: dict[str, Any] = {role: ids(found[role_of[role]]) for role in ("user", "item")}
    if "value" in role_of:
        frame["value"] = numbers(found[role_of["value"]])
    if "timestamp" in role_of:
        column = found[role_of["timestamp"]]
        frame["timestamp"] = times(column) if clock == "time" else order(column)
    return pd.DataFrame(frame, copy=False), found[role_of["user"]].origins


def _entities(path: str, kind: str, columns: Columns) -> tuple[pd.DataFrame, tuple[Origin, ...]]:
    """Items or users: the id column under the name of its kind, features under their own."""
    table = Table(path, f"data.{kind}s")
    hint = "; ids have the same name as in the interactions"
    id_column = table.require(getattr(columns, kind), f"data.columns.{kind}", hint)
    found = table.read(table.header)
    frame: dict[str, pd.Series] = {kind: ids(found[id_column])}
    for name, column in found.items():
        if name != id_column:
            # The id has taken the name of its kind; a feature of that name gets a longer one.
            frame[name if name != kind else f"{name}_"] = column.data.to_pandas()
    return pd.DataFrame(frame), found[id_column].origins


def _sessions(path: str, columns: Columns) -> tuple[pd.DataFrame, tuple[Origin, ...]]:
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
