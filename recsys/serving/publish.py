"""Publish the lists of all users: to a folder of parquet files, or to a table of a database; all of them or none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

from recsys.data.config import split_table_name
from recsys.data.sql.address import find_address
from recsys.errors import InputError
from recsys.serving.allow import AllowList
from recsys.serving.bundle import Bundle
from recsys.serving.publish_folder import FolderTarget
from recsys.serving.publish_lists import UserLists
from recsys.serving.publish_table import TableTarget
from recsys.settings import Settings, user_path

K = 20
REMEDY = "write a folder, file:///FOLDER, sql:TABLE or sql+NAME:TABLE"


@dataclass(frozen=True)
class Published:
    """What readers find now. users: of training. rows: of their lists and of the fallback. where: for people."""

    users: int
    rows: int
    where: str


class Target(Protocol):
    """A place that holds one set of lists."""

    def check(self, lists: UserLists) -> None:
        """Raises ExpectedError where the lists cannot go there, before they are made."""
        ...

    def put(self, lists: UserLists) -> int:
        """Replace what is there by these lists, in one step; the number of rows."""
        ...


def publish(
    bundle: Bundle,
    version: str,
    to: str,
    settings: Settings,
    k: int = K,
    allow: AllowList | None = None,
    time: datetime | None = None,
) -> Published:
    """Put the k best items of every user of a bundle where others read them, and a list for users it does not know.

    version, time (now): stand in every row. to: a folder, or `sql:TABLE`, `sql+NAME:TABLE`; see target_of. allow: the
    only items listed. A reader sees the set that was there before or this one, never a part; whatever fails or is
    killed leaves the former. Doing it again does no harm.

    Raises InputError where the target cannot hold it, RunError where the disk is full or the database is away.
    """
    if k < 1:
        raise InputError("k", f"is {k}", "a list needs at least one item")
    target = target_of(to, settings)
    allowed = None if allow is None else allow.of(bundle.items)
    lists = UserLists(bundle, version, time or datetime.now(UTC), k, allowed)
    target.check(lists)
    return Published(len(bundle.users), target.put(lists), str(target))


def target_of(to: str, settings: Settings) -> Target:
    """What a URI names: a folder's path or `file:` URI; `sql:TABLE` at RECSYS_SQL_URL, `sql+NAME:TABLE` at
    RECSYS_SQL_URL_NAME.

    Raises InputError where it is neither, or the environment has no such address.
    """
    table = re.fullmatch(r"sql(?:\+([A-Za-z][A-Za-z0-9_]*))?:(?!//)(.+)", to)
    if table:
        try:
            split_table_name(table[2])
        except ValueError as error:
            raise InputError("--to", str(error), REMEDY) from None
        return TableTarget(find_address(settings, table[1]), table[2], settings.cache)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", to)
    if scheme and scheme[1].lower() == "file":
        parts = urlsplit(to)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise InputError("--to", f"{to} is no folder of this machine", REMEDY)
        to = unquote(parts.path)
    elif scheme:
        raise InputError("--to", f"{scheme[1]}: is no target that is known here", REMEDY)
    if not to:
        raise InputError("--to", "names nothing", REMEDY)
    return FolderTarget(user_path(to, "--to").absolute())
