"""What the tasks of one retraining share: the run, what was decided before, and who serves now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from recsys.champion.record import Contender, DecisionRecord, moment
from recsys.data.newest import Freshness
from recsys.data.shown import quoted
from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.settings import Settings
from recsys.store import digest
from recsys.tracking.decisions import Decided, Decisions
from recsys.tracking.registry import CHAMPION, Registry, Version
from recsys.tracking.runs import Tracker
from tasks.context import Run

VERSION_TAGS = ("label", "settings", "data", "rows", "newest")
ANOTHER = "promote another: recsys champion promote NAME --version N"
DecidedBy = Literal["schedule", "command", "backfill", "person"]


class Office:
    """MLflow as decisions need it: runs, registered versions, records. next_run: when retraining runs again."""

    def __init__(self, settings: Settings, next_run: datetime | None = None) -> None:
        self.settings, self.next_run = settings, next_run
        self.tracker = Tracker(settings)
        self.registry = Registry(settings)
        self.decisions = Decisions(self.tracker, settings)

    def champion(self, name: str) -> Contender | None:
        """Who serves now."""
        version = self.registry.alias(name, CHAMPION)
        return None if version is None else contender_of(version)


class Night:
    """One retraining. Plain, so that Prefect looks for nothing in it.

    asked: the time that was asked for, microseconds since 1970; None: that of the newest row. past: earlier decisions,
    oldest first. fresh: what the source holds up to then. rehearsal: nothing is registered or promoted; the champion
    is one that only the rehearsal knows.
    """

    def __init__(
        self,
        run: Run,
        office: Office,
        *,
        asked: int | None,
        fresh: Freshness,
        past: Sequence[Decided],
        champion: Contender | None,
        decided_by: DecidedBy,
        rehearsal: bool = False,
    ) -> None:
        self.run, self.office, self.asked, self.fresh = run, office, asked, fresh
        self.past, self.champion, self.decided_by, self.rehearsal = past, champion, decided_by, rehearsal

    @property
    def spec(self) -> Experiment:
        return self.run.spec

    @property
    def as_of(self) -> int:
        """The logical time of this retraining."""
        newest = self.fresh.newest
        assert newest is not None
        return newest if self.asked is None else self.asked

    @property
    def records(self) -> list[DecisionRecord]:
        """Earlier decisions about data up to the same time or before."""
        return [each.record for each in self._earlier]

    @property
    def seen(self) -> DecisionRecord | None:
        """The last decision that looked at the rows, and not only at their number."""
        return None if self._seen is None else self._seen.record

    @property
    def asks_anew(self) -> bool:
        """Whether another experiment asked for that decision: another model, other limits, another mode."""
        return self._seen is not None and self._seen.asked not in ("", self.asks)

    @property
    def asks(self) -> str:
        """Digest of all in the experiment that a decision goes by."""
        left_out: Any = {"runner": True, "retrain": {"min_new_rows"}}
        return digest(self.spec.model_dump(mode="json", exclude=left_out))

    @property
    def _earlier(self) -> list[Decided]:
        return [each for each in self.past if each.record.as_of <= moment(self.as_of)]

    @property
    def _seen(self) -> Decided | None:
        return _last_look(self._earlier)

    @property
    def new_rows(self) -> int:
        """Rows that came since the last decision, whatever their own time; negative where fewer are there."""
        last = _last_look(self.past)
        return self.fresh.rows - (last.record.rows or 0 if last is not None else 0)

    @property
    def challenger(self) -> ModelConfig:
        return self.spec.models[0]

    def record(self, verdict: str, reasons: Sequence[str], **about: Any) -> DecisionRecord:
        """A record of this night; about: its other fields."""
        newest = self.fresh.newest
        known: dict[str, Any] = {
            "name": self.spec.name,
            "time": time_of_decision(self.past),
            "as_of": moment(self.as_of),
            "verdict": verdict,
            "reasons": tuple(reasons),
            "serving": None if self.champion is None else self.champion.version,
            "champion": self.champion,
            "newest": None if newest is None else moment(newest),
            "rows": self.fresh.rows,
            "new_rows": self.new_rows,
            "mode": self.spec.retrain.mode,
            "decided_by": self.decided_by,
        }
        return DecisionRecord.model_validate(known | about)


def _last_look(past: Sequence[Decided]) -> Decided | None:
    """The last of these that looked at the rows, and not only at their number."""
    looked = (each for each in reversed(past) if each.record.rows is not None)
    return next((each for each in looked if each.record.verdict != "skipped"), None)


def time_of_decision(past: Sequence[Decided]) -> datetime:
    """Now, and in any case after the decisions before, oldest first: their times are their order, and a clock may be
    set back."""
    now = datetime.now(UTC)
    return max(now, past[-1].record.time + timedelta(microseconds=1)) if past else now


def rehearsed(records: Sequence[DecisionRecord]) -> tuple[Contender | None, tuple[Decided, ...]]:
    """The champion and the past that these nights would have left."""
    champion = next((record.challenger for record in reversed(records) if record.verdict == "promoted"), None)
    return champion, tuple(Decided(record, "", "", settled=True) for record in records)


def version_tags(contender: Contender) -> dict[str, str]:
    """What the registry keeps of a contender, so that it can be named and fitted again."""
    settings = json.dumps(contender.settings, sort_keys=True)
    about = {"label": contender.label, "settings": settings, "data": contender.data, "rows": contender.rows}
    about["newest"] = None if contender.newest is None else contender.newest.isoformat()
    return {name: str(about[name]) for name in VERSION_TAGS if about[name] is not None}


def contender_of(version: Version) -> Contender:
    """The contender that a version was registered as.

    Raises InputError where a tag of it was changed to what none can be.
    """
    known: dict[str, Any] = {name: version.tags[name] for name in VERSION_TAGS if name in version.tags}
    try:
        known["settings"] = json.loads(known.get("settings", "{}"))
        return Contender.model_validate({"label": f"version {version.number}", "version": version.number} | known)
    except ValueError as error:
        wrong = error.errors()[0]["loc"][0] if isinstance(error, ValidationError) else "settings"
        raise InputError(
            f"version {version.number} of {version.name}, tag {wrong}",
            f"{quoted(version.tags[str(wrong)])} was not written by a retraining",
            f"put it back in MLflow, or promote another: recsys champion promote {version.name} --version N",
        ) from error


def model_of(settings: Mapping[str, Any], label: str) -> ModelConfig:
    """A model by its recorded settings, under another label.

    Raises InputError where it is not installed any more, has other settings by now, or none are recorded.
    """
    if not settings:
        raise InputError(label, "its version in MLflow has no tag 'settings'", f"put it back, or {ANOTHER}")
    try:
        config = model_class(settings["name"]).Config.model_validate(dict(settings))
    except (KeyError, ValidationError) as error:
        name = settings.get("name", "unknown")
        message = f"was made with settings that '{name}' has not: another version made it"
        raise InputError(label, message, ANOTHER) from error
    return config.model_copy(update={"label": label})
