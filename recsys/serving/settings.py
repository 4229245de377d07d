"""How this installation serves, from the environment and never from a spec."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from recsys.errors import InputError


class ServeSettings(BaseSettings):
    """RECSYS_SERVE_…: limits of the HTTP server.

    key: what clients send as `Authorization: Bearer KEY`; needed to listen beyond this machine. hosts: names beside
    those of this machine that a request may be addressed to, separated by commas; with a key all are. forwarded:
    proxies, by address, whose X-Forwarded-For is believed. rate: requests a second of one client, 0 for no limit, and
    burst: how many at once. most: the longest list. longest: items in a history. body: bytes. connections: open at
    once. patience: seconds in which a request has to arrive, be answered and be taken. idle: seconds that a connection
    may wait for its next request.
    """

    model_config = SettingsConfigDict(env_prefix="RECSYS_SERVE_", frozen=True, extra="ignore")

    key: SecretStr | None = Field(default=None, min_length=16)
    hosts: str = ""
    forwarded: str = ""
    rate: NonNegativeFloat = 1000.0
    burst: PositiveInt = 2000
    most: PositiveInt = 200
    longest: PositiveInt = 1000
    body: PositiveInt = 65_536
    connections: PositiveInt = 1000
    patience: PositiveFloat = 10.0
    idle: PositiveFloat = 15.0

    @property
    def secret(self) -> bytes | None:
        """The key as it is sent."""
        return None if self.key is None else self.key.get_secret_value().encode()


def serve_settings() -> ServeSettings:
    """What the environment says. Raises InputError, without the value, where one of them does not fit."""
    try:
        return ServeSettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"RECSYS_SERVE_{str(first['loc'][0]).upper()}"
        if name == "RECSYS_SERVE_KEY":
            raise InputError(name, "is shorter than 16 characters", "set a longer one, or none") from None
        raise InputError(name, str(first["msg"]), "docs/serving.md tells what it is") from None
