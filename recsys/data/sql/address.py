"""Where a database is: an address from the environment, and nothing of its password in any message."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import InputError
from recsys.settings import Settings, user_path

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

FORM = "postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE"
SECRET = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)
# A shorter one would be found in every other word of a message.
SHORTEST = 4


@dataclass(frozen=True, repr=False)
class Address:
    """variable: the name in the environment that holds it. url: with the password; for the driver alone."""

    variable: str
    url: URL

    @property
    def is_postgres(self) -> bool:
        return self.url.get_backend_name() == "postgresql"

    @property
    def file(self) -> Path:
        """The file of a SQLite database."""
        return user_path(self.url.database or "", self.variable)

    def __str__(self) -> str:
        """The address as messages show it: neither user nor password, nor any option."""
        if not self.is_postgres:
            return f"sqlite:///{self.url.database}"
        host = self.url.host or self.url.query.get("host") or "localhost"
        port = f":{self.url.port}" if self.url.port else ""
        return f"postgresql://{host}{port}/{self.url.database or ''}"

    def clean(self, error: BaseException) -> str:
        """What a driver says, in one line and without anything secret."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        text = re.sub(r"\s+", " ", lines[0] if lines else type(error).__name__)
        for secret in self._secrets():
            if secret in text:
                text = text.replace(secret, "***") if len(secret) >= SHORTEST else type(error).__name__
        return text

    def _secrets(self) -> list[str]:
        from urllib.parse import quote, quote_plus

        found = [self.url.password] if self.url.password else []
        for name, value in self.url.query.items():
            if SECRET.search(name):
                found += [value] if isinstance(value, str) else list(value)
        forms = {form for one in found for form in (str(one), quote(str(one), safe=""), quote_plus(str(one)))}
        return sorted(forms - {""}, key=len, reverse=True)


def find_address(settings: Settings, connection: str | None) -> Address:
    """The address that the environment gives a connection; None: RECSYS_SQL_URL.

    Raises InputError where it is not set, is no address, or is of a database that this project does not know.
    """
    variable, secret = settings.sql_address(connection)
    if secret is None or not secret.get_secret_value().strip():
        others = sorted(name for name in os.environ if name.startswith("RECSYS_SQL_URL") and os.environ[name])
        there = f"; set are: {', '.join(others)}" if others else ""
        raise InputError(
            variable, "is not set, and a database is asked for", f"set it in the environment: {FORM}{there}"
        )
    return Address(variable, _parse(variable, secret.get_secret_value().strip()))


def _parse(variable: str, text: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if text.count("@") > 1:
        raise InputError(variable, "holds more than one '@'", "write %40 for an '@' in user or password")
    try:
        url = make_url(re.sub(r"^postgres(?=[+:])", "postgresql", text))
    except (ArgumentError, ValueError):
        # Their words may repeat a piece of the password.
        remedy = f"write {FORM}, with %XX for special characters in user and password"
        raise InputError(variable, "is no address of a database", remedy) from None
    drivers = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}
    backend = url.get_backend_name()
    if backend not in drivers:
        raise InputError(variable, f"{backend!r} is no database that is known here", f"write {FORM}")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise InputError(variable, "names no file", "write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE")
    return url.set(drivername=drivers[backend])
