"""What an exploration says in words: to the terminal, and at the top of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recsys.report.figures.data import bar_name
from recsys.report.words import count, listed, number, percent, plural, short

Facts = Mapping[str, Any]
NAMED = 3
# A test row on an item that is new since is told as drift where it is this much more often than by chance.
MORE = 0.02
FUTURE = 0.1


def headline(facts: Facts) -> str:
    """How much there is."""
    return (
        f"{plural(facts['rows'], 'row')} of {plural(facts['users'], 'user')} and {plural(facts['items'], 'item')}: "
        f"{percent(facts['density'])} of all pairs"
    )


def points(facts: Facts) -> list[str]:
    """What stands out, in sentences."""
    found = [tails(facts) + "."]
    median = facts["rows_per_user"]["median"]
    found.append(f"Half of the users have {short(median)} rows or fewer.")
    for part in ("items", "users"):
        moved = facts["drift"][part]
        if moved["share_on_new"] > moved["by_chance"]["share_on_new"] + MORE:
            found.append(
                f"{percent(moved['share_on_new'])} of the test rows are {'on' if part == 'items' else 'of'} {part} "
                f"without a training row, {percent(moved['by_chance']['share_on_new'])} would be by chance."
            )
    own = next((each for each in facts["choices"]["splits"] if each["own"]), None)
    if own is not None and (own["overlap"] or 0) > FUTURE:
        found.append(
            f"Under the {own['kind']} split of this experiment models learn from the future: in "
            f"{percent(own['overlap'])} of all pairs of a training and a test row the training row is the newer one."
        )
    return found


def problems(facts: Facts) -> list[str]:
    """What the reader should know before anything is trained."""
    found = []
    if facts["duplicates"]:
        found.append(f"{plural(facts['duplicates'], 'row')} repeat a pair of user and item.")
    if facts["choices"]["sampled"]:
        found.append(sampled(facts))
    return found


def sampled(facts: Facts) -> str:
    """What the table of splits was made of, where that is not all."""
    choices = facts["choices"]
    return (
        f"The table of splits is made of {plural(choices['rows'], 'row')}: all of {plural(choices['users'], 'user')} "
        "drawn at random. More of its items are cold than in the whole."
    )


def lines(facts: Facts) -> list[tuple[str, str]]:
    """The main figures for the terminal: (what, how much), a line each."""
    return [(what, text.replace("\xa0", " ")) for what, text in _lines(facts)]


def _lines(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "rows", headline(facts)
    values, times = facts["values"], facts["times"]
    if values:
        top = max(values["histogram"], key=lambda bar: bar["rows"])
        share = percent(top["rows"] / facts["rows"])
        ends = f"{short(values['min'])} to {short(values['max'])}, mean {number(values['mean'], 2)}"
        yield "values", f"{ends}; {share} are {bar_name(top['from'], top['to'])}"
    if times and times["first"]:
        yield "times", f"{times['first']} to {times['last']} ({plural(round(times['days']), 'day')}, UTC)"
    yield "long tail", tails(facts)
    top_items = [f"{item['title']} {count(item['rows'])}" for item in facts["top_items"][:NAMED]]
    yield "most rated", listed(top_items)
    for name, found in facts["labels"].items():
        most = [f"{each['label']} {percent(each['share'])}" for each in found["levels"][:NAMED]]
        yield name, f"{listed(most)} of the rows"
    yield "missing", missing_words(facts)
    yield "duplicates", duplicates_words(facts)
    yield "drift", f"{facts['split']} split: {drift_words(facts)}"
    for each in facts["choices"]["splits"]:
        if each["kind"] in ("random", "temporal") or each["own"]:
            test, users = plural(each["test"], "test row"), plural(each["warm_users"], "warm user")
            cold = f"{plural(each['cold_users'], 'cold user')}, {plural(each['cold_items'], 'cold item')}"
            yield each["kind"], f"{test}, {users}, {cold}" + (" (of a sample)" if facts["choices"]["sampled"] else "")


def tails(facts: Facts) -> str:
    """How much the busiest tenth holds."""
    items, users = (percent(facts["tenth"][part]) for part in ("items", "users"))
    return f"The most popular 10\xa0% of items hold {items} of the rows, the busiest 10\xa0% of users {users}"


def missing_words(facts: Facts) -> str:
    """Which features lack values."""
    found = [
        f"{name} of {count(feature['missing'])} of {count(facts['listed'][f'{what}s'])} {what}s"
        for what in ("item", "user")
        for name, feature in facts[f"{what}_features"].items()
        if feature["missing"]
    ]
    return listed(found) or "nothing"


def duplicates_words(facts: Facts) -> str:
    """Rows that repeat a pair, and those that were left out for it."""
    dropped = facts["account"].get("dropped_duplicates", 0)
    said = f"{plural(facts['duplicates'], 'row')} repeat a pair of user and item" if facts["duplicates"] else "none"
    return said + (f"; {plural(dropped, 'row')} left out" if dropped else "")


def drift_words(facts: Facts) -> str:
    """How the test part of the experiment's split differs from what is trained on."""
    found, items = facts["drift"], facts["drift"]["items"]
    parts = [f"{percent(items['share_on_new'])} of the test rows on new items"]
    if items["rank_correlation"] is not None:
        chance = number(items["by_chance"]["rank_correlation"], 2)
        parts.append(f"rank correlation of popularity {number(items['rank_correlation'], 2)} ({chance} by chance)")
    if found["values"]:
        means = f"{number(found['values']['train_mean'], 2)} → {number(found['values']['test_mean'], 2)}"
        parts.append(f"mean value {means}")
    return ", ".join(parts)
