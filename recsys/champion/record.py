"""The record of one decision: everything it was made from, written before anything changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, FiniteFloat, ValidationError

from recsys.champion.behaviour import Finding
from recsys.champion.drift import Drift
from recsys.champion.gate import Guard, Kind, Verdict
from recsys.champion.sides import Pairing
from recsys.comparison.bootstrap import Interval
from recsys.config import Config
from recsys.data.interactions import DAY
from recsys.errors import InputError, remedy_by_format
from recsys.experiment.retrain import Mode
from recsys.experiment.trouble import explain
from recsys.store import KeyTwiceError, digest, is_format, plain_json

FORMAT: Final = 1
RESTORE = "put it back as it was, or delete that run in MLflow: the decision counts no more then"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Guards that speak of the new rows: where one fell, these rows have not been found good.
OF_THE_DATA = frozenset({"drift", "anomalous rows"})

Moment = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]


class Contender(Config):
    """One of the two models of a decision.

    settings: of the model. version: in the registry; None where it has none. data: digest of the data it was fitted on
    as it serves; newest: time of their newest row; rows: how many. stand_in: why its own settings, fitted on the rows
    before the window, were scored in its place; None where it was scored itself.
    """

    label: str
    settings: dict[str, Any]
    version: int | None = None
    data: str | None = None
    newest: Moment | None = None
    rows: int | None = None
    stand_in: str | None = None


class Window(Config):
    """What both were scored on. users: who counted."""

    start: Moment
    end: Moment
    users: int
    rows: int


class Bounded(Config):
    """A number with its 95 % interval, None where there were too few users for one."""

    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @classmethod
    def of(cls, interval: Interval) -> Bounded | None:
        """The interval as it is recorded; None where there is no value."""
        value, low, high = (None if number != number else number for number in interval)
        return None if value is None else cls(value=value, low=low, high=high)


class DecisionRecord(Config):
    """One decision, whatever came of it.

    name: of the experiment. time: when it was made. as_of: up to when data were looked at. verdict, kind, reasons: as
    in Decision; kind is None where nothing was compared. version: what this decision made champion, None for nothing;
    serving: the champion after it. challenger, champion: the two as they stood before it. newest, rows, new_rows, data:
    newest row, rows and digest of the data looked at. primary: the column that decided, with the value of each and the
    gain, positive where the challenger is better. decided_by: schedule, command, backfill or person; person: who. runs:
    ids of the runs behind it, by what they are.
    """

    format: Literal[1] = FORMAT
    name: str
    time: Moment
    as_of: Moment
    verdict: Verdict
    kind: Kind | None = None
    reasons: tuple[str, ...]
    version: int | None = None
    serving: int | None = None
    challenger: Contender | None = None
    champion: Contender | None = None
    newest: Moment | None = None
    rows: int | None = None
    new_rows: int | None = None
    data: str | None = None
    window: Window | None = None
    primary: str | None = None
    challenger_value: Bounded | None = None
    champion_value: Bounded | None = None
    gain: Bounded | None = None
    guards: tuple[Guard, ...] = ()
    drift: Drift | None = None
    behaviour: tuple[Finding, ...] = ()
    mode: Mode = "enforce"
    decided_by: Literal["schedule", "command", "backfill", "person"] = "command"
    person: str | None = None
    runs: dict[str, str] = {}

    def to_json(self) -> str:
        """Canonical JSON: the same record gives the same text."""
        plain = self.model_dump(mode="json")
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON's content."""
        return digest(self.model_dump(mode="json"))

    @property
    def changes_champion(self) -> bool:
        """Whether another version serves after it."""
        return self.verdict in ("promoted", "rolled back")

    @property
    def fallen(self) -> tuple[Guard, ...]:
        """The guards that fell."""
        return tuple(guard for guard in self.guards if guard.fell)

    @classmethod
    def from_json(cls, text: str, place: str = "decision record") -> Self:
        """The record that was written. Raises InputError where it is none, or of a format not known here.

        Every version has written the format: a record without one was made by something else.
        """
        try:
            document = plain_json(text)
            found = document.get("format") if isinstance(document, dict) else FORMAT
            if not is_format(found, FORMAT):
                said = "does not say its format" if found is None else f"describes format {found!r:.100}"
                older = "read it with the version that wrote it"
                raise InputError(place, f"{said}, and {FORMAT} is known", remedy_by_format(found, FORMAT, older))
            return cls.model_validate(document)
        except ValidationError as error:
            raise explain(error, cls, place) from error
        except KeyTwiceError as error:
            raise InputError(place, str(error), RESTORE) from error
        except ValueError as error:
            raise InputError(place, f"is no JSON ({error})", RESTORE) from error


def moment(microseconds: int) -> datetime:
    """A time of the data as records hold it, UTC.

    >>> moment(1_700_000_000_000_000).isoformat()
    '2023-11-14T22:13:20+00:00'
    """
    return EPOCH + timedelta(microseconds=int(microseconds))


def microseconds_of(time: datetime) -> int:
    """The other way round.

    >>> microseconds_of(moment(1_700_000_000_000_001))
    1700000000000001
    """
    return (time - EPOCH) // MICROSECOND


def numbers(pairing: Pairing) -> dict[str, Any]:
    """The fields of a record that a pairing fills."""
    return {
        "primary": pairing.column,
        "challenger_value": Bounded.of(pairing.challenger),
        "champion_value": Bounded.of(pairing.champion),
        "gain": Bounded.of(pairing.gain),
    }


def accepted_until(records: Iterable[DecisionRecord]) -> int | None:
    """Time of the newest row that a decision has looked at and found good, in microseconds; None without any.

    Rows that drift or looking made has caught stay new, night after night, until they are mended, one run with wider
    limits finds them good, or a person promotes what was trained on them: a rejected night must not slip in with the
    next good one. So do rows that nobody judged, since they or the users of the window were too few: what comes in by
    handfuls is judged all the same.
    """
    good = [record for record in records if record.newest is not None and _found_good(record)]
    return max((microseconds_of(record.newest) for record in good if record.newest is not None), default=None)


def _found_good(record: DecisionRecord) -> bool:
    if record.verdict in ("skipped", "rolled back"):
        return False
    if record.verdict == "promoted" and record.decided_by == "person":
        return True
    judged = record.drift is not None and record.drift.note is None
    return judged and not any(guard.name in OF_THE_DATA for guard in record.fallen)


def usual_step(records: Iterable[DecisionRecord], otherwise: int = DAY) -> int:
    """What lies between the newest rows of one decision and the next, as a rule, in microseconds."""
    times = sorted({microseconds_of(record.newest) for record in records if record.newest is not None})
    steps = [later - earlier for earlier, later in pairwise(times)]
    return int(median(steps)) if steps else otherwise


def logbook(records: Sequence[DecisionRecord]) -> list[str]:
    """The records as one reads a logbook, oldest first: a line each, and below it the reasons."""
    lines = []
    for record in sorted(records, key=lambda record: record.time):
        lines.append(f"{record.time:%Y-%m-%d %H:%M} UTC  {record.verdict:<11}  {_about(record)}")
        lines += [f"    {reason}" for reason in record.reasons]
    return lines


def _about(record: DecisionRecord) -> str:
    """Which model, on which data, and who decided."""
    who = record.challenger
    parts = [] if who is None else [who.label]
    if record.version is not None:
        parts.append(f"version {record.version}")
    elif record.serving is not None:
        parts.append(f"version {record.serving} goes on serving")
    if record.newest is not None:
        parts.append(f"data up to {record.newest:%Y-%m-%d %H:%M}")
    if record.new_rows is not None:
        n = record.new_rows
        parts.append(f"{n:,} new rows" if n >= 0 else f"{-n:,} rows fewer")
    by = record.person if record.decided_by == "person" and record.person else record.decided_by
    return "; ".join([*parts, f"by {by}"])
