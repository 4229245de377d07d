"""What a bundle says of itself: its facts, its format, and every file with its hash."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, StringConstraints, field_validator

from recsys.config import Config

FORMAT = 1
ABOUT = "bundle.json"
MODEL, HISTORIES, INDEX, FALLBACK = "model", "histories", "index", "fallback"

Text = Annotated[str, StringConstraints(max_length=1000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Facts(Config):
    """Where a bundle comes from; shown by /version and written beside published lists.

    name: of the experiment. version: of the model in its registry, where it is known by then. created: in UTC.
    exclude_seen: whether lists leave out what the user has seen, as they were evaluated. passport: of the metrics that
    the model was chosen by. digests: of the data, the split, the code, by name. notes: anything else worth showing.
    """

    name: Text
    version: Text | None = None
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    exclude_seen: bool = True
    passport: Text | None = None
    digests: dict[Text, Text] = {}
    notes: dict[Text, Text | int | float | bool | None] = {}

    @field_validator("created")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class File(Config):
    """A file of a bundle."""

    sha256: Sha256
    bytes: NonNegativeInt


class About(Config):
    """The file bundle.json. files: by path below the folder; binary, top: as in Histories."""

    format: int
    facts: Facts
    family: Text
    users: NonNegativeInt
    items: NonNegativeInt
    rows: NonNegativeInt
    binary: bool
    top: float | None
    index: bool
    files: dict[Text, File]

    def shown(self) -> dict[str, Any]:
        """What people are told: everything but the files."""
        return self.model_dump(mode="json", exclude={"files", "binary", "top"})
