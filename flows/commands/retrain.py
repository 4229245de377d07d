"""`recsys retrain`: a challenger against the champion, now or as it would have been."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from flows.command import Speech
from flows.freshness import rows_until
from flows.orchestration import orchestrated
from recsys.errors import InputError, not_written
from recsys.experiment.external import require_model
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.config import Duration, microseconds

if TYPE_CHECKING:
    from recsys.champion.record import DecisionRecord

MOST_NIGHTS = 1000


def run(spec: Path, overrides: list[str], as_of: str | None, speech: Speech) -> None:
    """Retrain as the spec says. What is wrong with spec, data or time is found before Prefect is imported."""
    settings, began = Settings(), time.monotonic()
    experiment, asked = Experiment.load(spec, overrides), time_of(as_of)
    require_model(experiment.models[0], "retraining")
    rows_until(experiment.data, settings, asked)
    with orchestrated("retrain", settings, speech) as ready:
        from flows.retrain import retrain

        ready()
        record = retrain(experiment, as_of=asked)
    speech.answer(answer_of(record))
    show(record, speech)
    speech.say(f"done in {time.monotonic() - began:.0f} s")
    say_next(record, spec, speech)


def backfill(spec: Path, overrides: list[str], nights: list[datetime], promote: bool, speech: Speech) -> None:
    """Each night as it would have been; nothing is registered or promoted unless `promote` says so."""
    settings, experiment = Settings(), Experiment.load(spec, overrides)
    require_model(experiment.models[0], "retraining")
    rows_until(experiment.data, settings, nights[0])
    with orchestrated("retrain", settings, speech) as ready:
        from flows.night import Rehearsal, rehearsal
        from flows.retrain import retrain
        from tasks.night import rehearsed

        ready()
        records: list[DecisionRecord] = []
        for night in nights:
            known = rehearsal.set(None if promote else Rehearsal(*rehearsed(records)))
            try:
                records.append(retrain(experiment, as_of=night))
            finally:
                rehearsal.reset(known)
            speech.say(f"{night:%Y-%m-%d %H:%M}  {records[-1].verdict}: {records[-1].reasons[0]}")
    out = _written(experiment.name, records)
    n_promoted = sum(record.verdict == "promoted" for record in records)
    speech.answer({"decisions": [answer_of(record) for record in records], "page": str(out)})
    speech.say(f"\n{len(records)} nights, {n_promoted} with a promotion{'' if promote else ', none of them real'}")
    speech.say(f"page     {out}")


def nights_of(
    as_of: str | None, since: str | None, until: str | None, every: str | None, promote: bool
) -> list[datetime]:
    """The nights of a backfill; none where it is none. Raises InputError where the options do not go together."""
    if since is None and until is None:
        for option in [name for name, given in (("--promote", promote), ("--every", every)) if given]:
            raise InputError(option, "belongs to a backfill", "name its nights: --from and --to")
        return []
    if since is None or until is None or as_of is not None:
        raise InputError("--from, --to", "go together, and without --as-of", "give both")
    first, last = (time_of(text, place) for text, place in ((since, "--from"), (until, "--to")))
    assert first is not None
    assert last is not None
    first, last = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in (first, last))
    try:
        step = timedelta(microseconds=microseconds(TypeAdapter(Duration).validate_python(every or "1d")))
    except ValidationError:
        raise InputError("--every", f"'{every}' is no length of time", "write 1d, 12h or 2w") from None
    if last < first:
        raise InputError("--to", f"{until} is before {since}", "name a later time")
    if (last - first) / step > MOST_NIGHTS:
        raise InputError(
            "--every", f"makes more than {MOST_NIGHTS:,} nights", "choose a longer step, or a shorter span"
        )
    return [first + n * step for n in range(int((last - first) / step) + 1)]


def _written(name: str, records: list[DecisionRecord]) -> Path:
    """The page of these nights, and their records."""
    from recsys.report.operations import operations_page

    first, last = records[0].as_of, records[-1].as_of
    out = Path("runs") / name / f"backfill-{first:%Y%m%d}-{last:%Y%m%d}.html"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # As if each decision had been made at its own time.
        then = [record.model_copy(update={"time": record.as_of}) for record in records]
        out.write_text(operations_page(name, then, last), encoding="utf-8")
        out.with_suffix(".jsonl").write_text("".join(record.to_json() + "\n" for record in records), encoding="utf-8")
    except OSError as error:
        raise not_written(error, out) or error from error
    return out


def time_of(text: str | None, place: str = "--as-of") -> datetime | None:
    """A time as people write it, ISO 8601, UTC unless it says otherwise. Raises InputError where it is none."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(place, f"'{text}' is no time", "write 2024-03-01, or 2024-03-01T06:00:00+01:00") from None


def answer_of(record: DecisionRecord) -> dict[str, Any]:
    """What a program is told of a decision."""
    plain = record.model_dump(mode="json")
    names = ("name", "time", "as_of", "verdict", "kind", "version", "reasons", "gain", "primary", "newest", "new_rows")
    about = {name: plain[name] for name in names}
    challenger = plain["challenger"] or {}
    return {
        **about,
        "champion": plain["serving"],
        "challenger": challenger.get("version"),
        "run_id": plain["runs"].get("retraining"),
    }


def show(record: DecisionRecord, speech: Speech) -> None:
    """The decision for people: verdict first, then why."""
    speech.say()
    serving = "no champion yet" if record.serving is None else f"version {record.serving} serves"
    speech.say(f"{record.verdict}: {serving}")
    for reason in record.reasons:
        speech.say(f"  {reason}")


def say_next(record: DecisionRecord, spec: Path, speech: Speech) -> None:
    """The commands that make sense from here."""
    speech.say()
    if record.verdict == "waiting" and record.challenger is not None and record.challenger.version is not None:
        speech.say(f"approve  recsys champion promote {record.name} --reason WHY")
    speech.say(f"logbook  recsys champion history {record.name}")
    if record.serving is not None:
        speech.say(f"serve    recsys serve {record.name}")
        speech.say(f"publish  recsys publish {spec} --to FOLDER")
