"""A digest that the database computes of its own rows, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BIT

from recsys.data.sql.connection import Transaction
from recsys.data.sql.relation import Relation, column
from recsys.store import digest


def database_digest(
    transaction: Transaction, relation: Relation, names: Sequence[str], where: sa.ColumnElement[bool] | None
) -> str:
    """SHA-256 that changes when these columns of these rows do, and not with the order of rows. PostgreSQL alone.

    Each row is written as text and hashed with SHA-256; the first 128 bits of the hashes are added up, as two words, so
    that rows that occur twice count twice. Against somebody who plants rows to keep a sum as it is that would not be
    enough; whoever may write the table needs no such trick.
    """
    names = list(dict.fromkeys(names))
    transaction.place = relation.place
    text = sa.cast(sa.func.row(*map(column, names)), sa.Text)
    row = sa.func.encode(sa.func.sha256(sa.func.convert_to(text, "UTF8")), "hex").label("hash")
    hashes = relation.select([], where).add_columns(row).subquery("hashes")
    words = [_word(hashes.c.hash, first) for first in (1, 17)]
    found = transaction.first(sa.select(sa.func.count(), *(sa.func.sum(word) for word in words)))
    types = [[name, relation.types[name]] for name in names]
    return digest({"columns": types, "rows": int(found[0]), "sums": [str(total) for total in found[1:]]})


def _word(hexadecimal: sa.ColumnElement, first: int) -> sa.ColumnElement:
    """16 hexadecimal digits as a 64-bit integer."""
    digits = sa.func.substr(hexadecimal, first, 16)
    return sa.cast(sa.cast(sa.literal("x", sa.Text).concat(digits), BIT(64)), sa.BigInteger)
