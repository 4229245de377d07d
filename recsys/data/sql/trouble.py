"""What a database complains of, as input that is wrong, a failure, or a connection to be tried again."""

from __future__ import annotations

import re
import sqlite3

from recsys.data.sql.address import Address
from recsys.errors import ExpectedError, InputError, RunError


class LostError(Exception):
    """The connection is gone, or the server cannot serve just now: the same may work in a moment."""


class MissingError(InputError):
    """A table or schema is not there, or may not be read: the names that are there should be said. state: of SQL."""

    state: str = ""

    @classmethod
    def of(cls, place: str, said: str, state: str) -> MissingError:
        found = cls(place, said)
        found.state = state
        return found


# States of SQL (PostgreSQL, appendix A): connection, serialization failure, deadlock, shutdown, too many connections.
TRY_AGAIN = re.compile(r"08...|40001|40P01|57P0[1-5]|53300")
NOT_THERE = ("42P01", "3F000")
FORBIDDEN = "42501"
# Classes: data that cannot be read, constraints, authorization, names and syntax, a wrong database.
OUR_FAULT = re.compile(r"(0A|21|22|23|25|26|28|3D|42|44)...")
# When a connection is refused, psycopg gives the server's words and no state.
REFUSED = re.compile(
    r"password|authentication|role .* does not exist|database .* does not exist|pg_hba|permission denied", re.IGNORECASE
)
SQLITE_DAMAGED = re.compile(
    r"not a database|unable to open|malformed(?! JSON)|unsupported file format|codec can't decode"
)
SQLITE_FAULT = re.compile(
    r"no such column|syntax error|incomplete input|could not decode|readonly|no such function"
    r"|constraint failed|no column named",
    re.IGNORECASE,
)
# Codes of SQLite: a statement that is wrong, or does what is not allowed.
SQLITE_OUR_FAULT = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG)


def explain(error: Exception, address: Address, place: str, connecting: bool = False) -> ExpectedError | LostError:
    """The exception to raise for what a driver raised. place: the setting that is at fault if it is ours."""
    cause = getattr(error, "orig", None) or error
    said = address.clean(cause)
    if not address.is_postgres:
        return _of_sqlite(cause, said, address, place)
    state = str(getattr(cause, "sqlstate", None) or "")
    if connecting:
        message = f"cannot connect to {address} ({said})"
        remedy = "check the address, user and password in it"
        return InputError(address.variable, message, remedy) if REFUSED.search(said) else LostError(said)
    if getattr(error, "connection_invalidated", False) or TRY_AGAIN.fullmatch(state):
        return LostError(said)
    if state in NOT_THERE or state == FORBIDDEN:
        return MissingError.of(place, said, state)
    if OUR_FAULT.fullmatch(state) or not state:
        return InputError(place, f"{address} refuses it ({said})")
    return RunError(place, f"{address} failed ({said})", "run again when the database can serve it")


def _of_sqlite(cause: BaseException, said: str, address: Address, place: str) -> ExpectedError:
    if "no such table" in said.lower():
        return MissingError.of(place, said, NOT_THERE[0])
    if SQLITE_DAMAGED.search(said):
        remedy = "name a file that SQLite wrote and nothing has changed since"
        return InputError(address.variable, f"{address} cannot be opened ({said})", remedy)
    if isinstance(cause, sqlite3.ProgrammingError):
        return InputError(place, f"{address} refuses it ({said})", "write values in place of ? and :NAME")
    if getattr(cause, "sqlite_errorcode", None) in SQLITE_OUR_FAULT or SQLITE_FAULT.search(said):
        return InputError(place, f"{address} refuses it ({said})")
    return RunError(place, f"{address} failed ({said})", "run again when nobody writes to it")
