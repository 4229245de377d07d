"""The page of a data set alone: what there is, before any model."""

from __future__ import annotations

from typing import Any

from recsys.data.dataset import Dataset
from recsys.report import facts as terms
from recsys.report.explore_words import Facts, duplicates_words, headline, points, problems
from recsys.report.figures.base import Table
from recsys.report.figures.calendar import activity, over_time
from recsys.report.figures.data import data_figures
from recsys.report.figures.explore import levels_table, top_items, values_apart
from recsys.report.fill import fill
from recsys.report.words import MISSING, count, number, percent, plural

STYLES = ("page.css", "operations.css", "explore.css")
FOOT = "One file, no network. How to read it: docs/explore.md."
SECTIONS = (
    ("overview", "Overview"),
    ("items", "Most rated"),
    ("categories", "Categories"),
    ("activity", "Activity"),
    ("gaps", "Gaps"),
    ("drift", "Drift"),
    ("splits", "Splits"),
)


def explore_page(facts: Facts, data: Dataset) -> str:
    """The page. facts: what `recsys.experiment.exploring.exploration` says of the data; the same give the same text."""
    labels, periods = facts["labels"], facts["periods"]
    left_out = {name for name, there in (("categories", labels), ("activity", facts["activity"])) if not there}
    times = facts["times"]
    return fill(
        "explore.html",
        STYLES,
        title=f"{facts['name']}: data",
        eyebrow="The data, before any model",
        name=facts["name"],
        meta=f"{times['first']} to {times['last']}, UTC" if times and times["first"] else "no times",
        headline=headline(facts),
        problems=problems(facts),
        points=points(facts),
        sections=[each for each in SECTIONS if each[0] not in left_out],
        data_facts=terms.data_facts(facts),
        data_figures=data_figures(data, dict(facts)),
        top=top_items(facts["top_items"]),
        categories=[
            (levels_table(name, found), over_time(name, found["levels"], periods) if periods else None)
            for name, found in labels.items()
        ],
        activity=activity(facts["activity"], periods) if facts["activity"] else [],
        unit=periods["unit"] if periods else "",
        gaps=_gaps(facts),
        missing=_missing(facts),
        split=facts["split"] + (f", {facts['fold']}" if facts["fold"] else ""),
        drift=_drift(facts["drift"]),
        drift_values=values_apart(facts["drift"]["values"]) if facts["drift"]["values"] else None,
        splits=_splits(facts["choices"]),
        refused=facts["choices"]["refused"],
        foot=FOOT,
    )


def _gaps(facts: Facts) -> list[tuple[str, str]]:
    cold, listed = facts["cold"], facts["listed"]
    found = [("Duplicates", duplicates_words(facts))]
    for what in ("user", "item"):
        everyone = count(listed[f"{what}s"])
        found.append((f"{what.capitalize()}s without rows", f"{count(cold[f'{what}s_without_rows'])} of {everyone}"))
        if facts[f"{what}_features"]:
            without = f"{count(cold[f'{what}s_without_features'])} of {everyone}"
            found.append((f"{what.capitalize()}s without features", without))
    found += [
        (f"Rows of items without {name}", f"{count(each['without'])} ({percent(each['without'] / facts['rows'])})")
        for name, each in facts["labels"].items()
    ]
    return found


def _missing(facts: Facts) -> Table | None:
    rows = tuple(
        (name, f"{what}s", feature["kind"], count(feature["missing"]), percent(feature["missing"] / listed))
        for what in ("item", "user")
        for name, feature in facts[f"{what}_features"].items()
        if (listed := facts["listed"][f"{what}s"])
    )
    header = ("Feature", "Of", "Kind", "Missing", "Share")
    return Table("Values that are missing", header, rows) if rows else None


def _drift(found: Facts) -> Table:
    """Each number beside what a random draw of as many test rows gives."""
    rows = [("Rows", count(found["train"]["rows"]), count(found["test"]["rows"]), MISSING)]
    rows += [
        (f"{end.capitalize()} row", found["train"][end], found["test"][end], MISSING)
        for end in ("first", "last")
        if found["train"][end]
    ]
    if values := found["values"]:
        rows.append(("Mean value", number(values["train_mean"], 3), number(values["test_mean"], 3), MISSING))
        rows.append(
            ("Rows that would need another value", "", percent(values["distance"]), percent(values["by_chance"]))
        )
    for what in ("items", "users"):
        here, chance = found[what], found[what]["by_chance"]
        rows += [
            (f"{what.capitalize()} without a training row", "", count(here["new"]), count(chance["new"])),
            (f"Test rows of these {what}", "", _rows_of(here), _rows_of(chance)),
            (
                f"Rank correlation, rows by {what[:-1]}",
                "",
                number(here["rank_correlation"], 3),
                number(chance["rank_correlation"], 3),
            ),
        ]
    return Table("Training and test", ("What", "Training", "Test", "By chance"), tuple(rows))


def _rows_of(moved: Facts) -> str:
    return f"{count(moved['rows_on_new'])} ({percent(moved['share_on_new'])})"


def _splits(choices: Facts) -> Table:
    rows = tuple(
        (
            each["kind"] + (" (this experiment)" if each["own"] else ""),
            _settings(each),
            *(count(each[part]) for part in ("train", "validation", "test", "warm_users", "cold_users", "cold_items")),
            MISSING if each["overlap"] is None else percent(each["overlap"]),
        )
        for each in choices["splits"]
    )
    header = (
        "Split",
        "Settings",
        *("Train", "Validation", "Test rows", "Warm users", "Cold users", "Cold items", "Trained on newer rows"),
    )
    return Table(f"Each kind of split on {plural(choices['rows'], 'row')}", header, rows)


def _settings(each: Facts) -> str:
    kept = {name: value for name, value in each["settings"].items() if name not in ("kind", "seed", "validation")}
    last = ["the last fold"] if each["folds"] > 1 else []
    return ", ".join([*(f"{name} {_plain(value)}" for name, value in kept.items()), *last]) or MISSING


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
