"""The installation: folders, ports and switches, from the environment and never from a spec."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from recsys.errors import InputError


def shown_address(uri: str) -> str:
    """An address without user, password and options.

    >>> shown_address("postgresql://me:secret@db:5432/mlflow?sslpassword=secret")
    'postgresql://db:5432/mlflow'
    >>> shown_address("sqlite:////home/me/mlflow.db")
    'sqlite:////home/me/mlflow.db'
    """
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def user_path(text: str | Path, place: str) -> Path:
    """A path with the home folder of a user in the place of ~ at its beginning. Raises InputError where there is no
    such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        message = f"names the home of a user who is not there: {text}"
        raise InputError(place, message, "write the path in full") from None


class Settings(BaseSettings):
    """What the environment says about this installation.

    home: where the database, artifacts, store, cache and logs live. data_dir: a folder with downloaded data sets.
    sql_url: the address of the database that `source: sql` reads. publish_to: where a new champion's lists go.
    notify_file, notify_url: a file that gets a line of each decision and failure, a webhook that gets it as JSON.
    shared: the URI of a place that all machines of a Ray cluster see, for what they read and what they make.
    allow_external: whether a deployment may run the commands of external models.
    """

    model_config = SettingsConfigDict(env_prefix="RECSYS_", frozen=True, extra="ignore")

    def __init__(self, **values: Any) -> None:
        """Read the environment. Raises InputError for the first variable that is wrong."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            variable = f"RECSYS_{first['loc'][0]}".upper()
            raise InputError(variable, f"is {first['input']!r}", first["msg"].lower()) from None
        _require_home(self.home)

    home: Path = Path(".recsys")
    data_dir: Path | None = None
    movielens_url: str = "https://files.grouplens.org/datasets/movielens"
    sql_url: SecretStr | None = None
    publish_to: str | None = None
    notify_file: Path | None = None
    notify_url: SecretStr | None = None
    shared: str | None = None
    allow_external: bool = False
    prefect_port: int = Field(default=4200, ge=1, le=65535)
    mlflow_port: int = Field(default=5000, ge=1, le=65535)
    tracking_uri: str | None = Field(default=None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI"))
    prefect_api_url: str | None = Field(default=None, validation_alias=AliasChoices("PREFECT_API_URL"))

    @cached_property
    def root(self) -> Path:
        """The home as an absolute path."""
        return user_path(self.home, "RECSYS_HOME").absolute()

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def checkpoints(self) -> Path:
        """States of unfinished fits, to go on from after a kill."""
        return self.root / "checkpoints"

    @property
    def operations(self) -> Path:
        """The folder of the operations pages."""
        return self.root / "operations"

    def operations_page(self, name: str) -> Path:
        """The operations page of an experiment."""
        return self.operations / f"{name}.html"

    @property
    def processes(self) -> Path:
        """Where running child processes are noted."""
        return self.root / "processes"

    @property
    def database(self) -> Path:
        """MLflow's SQLite file."""
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The folder of MLflow's artifacts."""
        return self.root / "artifacts"

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """What the home keeps for itself."""
        kept = (self.store, self.cache, self.logs, self.checkpoints, self.operations)
        return (*kept, self.processes, self.artifacts)

    @property
    def mlflow_uri(self) -> str:
        """The tracking URI: the environment's, else this home's database, always absolute."""
        return self.tracking_uri or f"sqlite:///{self.database}"

    @property
    def mlflow_place(self) -> str:
        """The tracking URI as messages and links show it."""
        return shown_address(self.mlflow_uri)

    @property
    def owns_tracking(self) -> bool:
        """True where MLflow's records are this home's own database."""
        return self.tracking_uri in (None, "", f"sqlite:///{self.database}")

    def sql_address(self, connection: str | None) -> tuple[str, SecretStr | None]:
        """The variable that holds the address of a database, and the address; connection: None for RECSYS_SQL_URL."""
        if connection is None:
            return "RECSYS_SQL_URL", self.sql_url
        variable = f"RECSYS_SQL_URL_{connection.upper()}"
        found = os.environ.get(variable)
        return variable, SecretStr(found) if found else None


def _require_home(home: Path) -> None:
    """Raise InputError where the path of a home cannot stand in the address or in the statements of its database."""
    root = user_path(home, "RECSYS_HOME").absolute()
    if "?" in str(root):
        message = f"is {root}, and a question mark ends a path in the address of a database"
        raise InputError("RECSYS_HOME", message, "name another folder")
    if {"'", '"'} <= {*str(root)}:
        message = f"is {root}, and MLflow cannot note a path with both kinds of quotes"
        raise InputError("RECSYS_HOME", message, "name another folder")
