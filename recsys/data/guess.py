"""Which column plays which role, from its name and its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.shown import listed
from recsys.data.tables import Table
from recsys.data.values import NUMBER, Column
from recsys.errors import InputError

# The likeliest name first. A column is compared as a whole, without marks and endings such as _id, and then by words.
NAMES = {
    "user": """user customer visitor member client account reviewer buyer shopper subscriber listener viewer reader
        patient student player person profile u uid cust usr username login kunde benutzer session""",
    "item": """item product sku movie article asin isbn track song artist album book film video game anime show content
        listing offer recipe restaurant business place venue poi news post page url course job hotel app ad good goods
        material parent_asin i iid mid pid produkt artikel title name""",
    "value": """rating score stars star value overall grade feedback preference quantity qty count counts plays
        playcount weight hours purchases clicks views listens frequency points amount bewertung menge""",
    "timestamp": """timestamp time ts datetime date created_at created event_time event_timestamp occurred_at occurred
        updated_at updated when at day unix_review_time review_time order_date purchase_date purchased_at rated_at zeit
        datum t""",
}
ENDING = re.compile(r"(_?(id|ids|key|code|nr|no|num|number|idx|index|hash|uuid|ref))$")
# Text that can only be a time: a date, with or without what follows; wrong ones are refused by their row later.
DATE = r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4})"
SHOWN = 1000


def guess_roles(table: Table) -> dict[str, str]:
    """The column that plays each role: user and item always, value and timestamp where one does.

    Raises InputError where no column looks like users or items, with the columns there are and how to name them.
    """
    table.refuse_headless()
    columns = {name: column.head(SHOWN) for name, column in table.read(table.header).items()}
    found: dict[str, str] = {}
    for role in ("user", "item", "timestamp", "value"):
        free = [name for name in table.header if name not in found.values()]
        fitting = [name for name in _by_name(role, free) if FITS[role](columns[name])]
        if fitting:
            found[role] = fitting[0]
    if "timestamp" not in found:
        dates = [name for name in table.header if name not in found.values() and _is_date(columns[name])]
        found.update(zip(["timestamp"], dates, strict=False))
    for role in ("user", "item"):
        if role not in found:
            found[role] = _the_only_other(role, found, table, columns)
    return {role: found[role] for role in NAMES if role in found}


def _the_only_other(role: str, found: dict[str, str], table: Table, columns: dict[str, Column]) -> str:
    """Where all but one id is accounted for, it is the one that is sought."""
    other = {"user": "item", "item": "user"}[role]
    free = [name for name in table.header if name not in found.values() and _recurs(columns[name])]
    if other in found and len(free) == 1:
        return free[0]
    named = [name for name in _by_name(role, table.header) if name not in found.values()]
    if named:
        raise InputError(
            table.name,
            f"column '{named[0]}' is of type {columns[named[0]].data.type}, which no id is",
            "write its ids as integers or texts",
        )
    raise InputError(
        table.name,
        f"no column looks like the {role}s; it has: {listed(table.header)}",
        f"rename the column to '{role}', or write a spec with data.columns: {{user: NAME, item: NAME}}",
    )


def plain(name: str) -> str:
    """A column name in lower case, words joined by underscores.

    >>> plain("visitorID"), plain("Customer Key"), plain("unixReviewTime")
    ('visitor_id', 'customer_key', 'unix_review_time')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _by_name(role: str, names: Sequence[str]) -> list[str]:
    """The columns whose name speaks for the role, the likeliest first."""
    ranked = []
    for position, name in enumerate(names):
        full = plain(name)
        bare = ENDING.sub("", full) or full
        for rank, known in enumerate(NAMES[role].split()):
            if known in (full, bare):
                ranked.append((0, rank, position, name))
                break
            if len(known) > 2 and known in bare.split("_"):
                ranked.append((1, rank, position, name))
                break
    return [name for *_, name in sorted(ranked)]


def _is_id(column: Column) -> bool:
    kind = column.data.type
    return column.is_text or pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _recurs(column: Column) -> bool:
    """Whether values come again, as those of an id do and those of a number of an event do not."""
    return _is_id(column) and len(column.data.unique()) < len(column) and not _is_fraction(column)


def _is_fraction(column: Column) -> bool:
    """Whether a column holds numbers with decimals."""
    if column.is_text:
        return bool(pc.any(pc.match_substring_regex(column.text(), r"^\s*[+-]?\d*[.,]\d+\s*$")).as_py())
    return pa.types.is_floating(column.data.type)


def _is_number(column: Column) -> bool:
    """Whether most are numbers; one that is not will be refused by its row later, which is better than silence."""
    if column.is_text:
        return _most(pc.match_substring_regex(column.text(), NUMBER))
    kind = column.data.type
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_time(column: Column) -> bool:
    return _is_date(column) or _is_number(column)


def _is_date(column: Column) -> bool:
    if column.is_text:
        return _most(pc.match_substring_regex(column.text(), DATE))
    return pa.types.is_timestamp(column.data.type) or pa.types.is_date(column.data.type)


def _most(matches: pa.ChunkedArray) -> bool:
    return bool(len(matches)) and (pc.sum(matches).as_py() or 0) > len(matches) / 2


FITS: dict[str, Callable[[Column], bool]] = {"user": _is_id, "item": _is_id, "value": _is_number, "timestamp": _is_time}
