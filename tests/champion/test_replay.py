"""Feeds replayed night by night: clean nights pass, poisoned ones are caught.

Three feeds: the made world and MovieLens-100K, where most rows of a day are a newcomer's and days differ tenfold, and a
steady shop whose people come back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from made.feeds import DAY, POISONS, added, entities_of, feed, flood, made_feed, nights, random_rows, until, values

from recsys.champion.drift import drift
from recsys.champion.guards import drift_guards
from recsys.data.traffic import Plan, Poison, Traffic
from recsys.experiment.retrain import Guards

FEEDS = ["made_world", pytest.param("movielens", marks=pytest.mark.data), "steady"]


def alarm(data, newest, since):
    """What the guards of the new rows say where one falls, or an empty string."""
    return "; ".join(guard.text for guard in drift_guards(drift(data, newest, since), Guards()) if guard.fell)


def alarms(data, **which):
    """Clean nights that were judged, and what was said of those that would be stopped."""
    judged, found = 0, []
    for since, newest in nights(data, **which):
        seen = drift(data, newest, since)
        judged += seen.note is None
        found += [guard.text for guard in drift_guards(seen, Guards()) if guard.fell]
    return judged, found


@pytest.mark.parametrize("name", FEEDS)
def test_clean_nights_pass(name, request):
    judged, found = alarms(request.getfixturevalue(name), every=3)
    assert judged >= 28
    assert found == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_one_clean_night_in_a_hundred_is_stopped_at_most(seed):
    judged, found = alarms(made_feed(seed))
    assert judged >= 180
    assert len(found) <= 0.01 * judged, found


@pytest.mark.soak
@pytest.mark.data
def test_no_clean_night_of_movielens_is_stopped(movielens):
    judged, found = alarms(movielens)
    assert judged >= 190
    assert found == []


def again(times):
    """Every row of the night comes so many times."""

    def poison(data, new, random):
        rows = np.repeat(new, times - 1)
        return added(data, new, data.user[rows], data.item[rows], data.value[rows], random)

    return poison


def more_of_the_kind(times):
    """So many times the rows, of people drawn at random who take the same items."""

    def poison(data, new, random):
        rows = np.repeat(new, times - 1)
        return added(
            data, new, random.integers(0, len(data.users), len(rows)), data.item[rows], data.value[rows], random
        )

    return poison


def one_user_hammers(share, n_items):
    """So many of the night's rows are one known user's, on this many items."""

    def poison(data, new, random):
        n = int(np.ceil(len(new) * share / (1 - share)))
        taken = random.permutation(len(data.items))[:n_items]
        item = taken[np.arange(n) % len(taken)]
        return added(data, new, np.full(n, random.choice(data.user)), item, np.full(n, 5.0), random)

    return poison


def new_user_ids(data, new, random):
    """All people of the night go by ids as nobody did before."""
    user = np.array(data.user)
    user[new] += len(data.users)
    return replace(data, user=user, users=entities_of(2 * len(data.users)))


def a_tenth(data, new, random):
    """Nine rows of ten are lost."""
    kept = np.ones(len(data), dtype=bool)
    kept[new] = random.random(len(new)) < 0.1
    return replace(data, **{name: getattr(data, name)[kept] for name in ("user", "item", "value", "timestamp")})


# What days that differ much may hide: now and then, and often.
NOW_AND_THEN = ("one user", "values turned round")
OFTEN = ("values shuffled",)
# What must be caught on any feed.
EVERYWHERE = {
    **{name: poison for name, poison in POISONS.items() if name not in (*NOW_AND_THEN, *OFTEN)},
    "15 % on one item by strangers": flood(0.15, strangers=True),
    "values two higher": values(lambda value, random: np.minimum(value + 2, 5)),
    "every row twice": again(2),
    "every row five times": again(5),
    "five times the rows": random_rows(5),
    "one user hammers one item": one_user_hammers(0.3, 1),
}
# And where people come back and days are alike.
WHERE_IT_IS_STEADY = {
    **{name: POISONS[name] for name in NOW_AND_THEN},
    "values one higher": values(lambda value, random: np.minimum(value + 1, 5)),
    "values one higher, beyond the scale": values(lambda value, random: value + 1),
    "six times the rows of the same kind": more_of_the_kind(6),
    "nine rows of ten are lost": a_tenth,
    "one user hammers all items": one_user_hammers(0.5, 10**6),
    "new user ids": new_user_ids,
}


def caught(data, poison, how_many=5):
    """On how many of so many nights, spread over the second half, an alarm is given."""
    usual = [(since, newest) for since, newest in nights(data, first=50) if len(rows_of(data, since, newest)) >= 100]
    chosen = [usual[place] for place in np.linspace(0, len(usual) - 1, how_many).astype(int)]
    return sum(bool(poisoned(data, poison, night)) for night in chosen)


def rows_of(data, since, newest):
    return np.flatnonzero((data.timestamp > since) & (data.timestamp <= newest))


def poisoned(data, poison, night):
    since, newest = night
    known = until(data, newest)
    changed = poison(known, rows_of(known, since, newest), np.random.default_rng(newest % 2**32))
    return alarm(changed, newest, since)


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("what", EVERYWHERE)
def test_poisoned_nights_are_caught(name, what, request):
    data = request.getfixturevalue(name)
    assert caught(data, EVERYWHERE[what]) == 5


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("what", NOW_AND_THEN)
def test_most_nights_of_subtler_poison_are_caught(name, what, request):
    assert caught(request.getfixturevalue(name), POISONS[what]) >= 4


@pytest.mark.parametrize("what", WHERE_IT_IS_STEADY)
def test_finer_poison_is_caught_on_a_steady_feed(what, steady):
    assert caught(steady, WHERE_IT_IS_STEADY[what]) == 5


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        ("30 % on one item by known users", {"top item"}),
        ("values turned round", {"values"}),
        ("values all 3", {"values"}),
        ("one user", {"top user", "rows a user"}),
        ("other item ids", {"new items", "popularity"}),
        ("new user ids", {"new users"}),
        ("nine rows of ten are lost", {"rows"}),
        ("ten times the rows", {"rows", "popularity"}),
    ],
)
def test_the_number_that_tells(what, numbers, steady):
    since, newest = next(nights(steady, first=90))
    known = until(steady, newest)
    changed = (POISONS | WHERE_IT_IS_STEADY)[what](known, rows_of(known, since, newest), np.random.default_rng(0))
    found = drift(changed, newest, since)
    assert {measure.name for measure in found.measures if measure.units > 5} >= numbers


@pytest.mark.parametrize("name", ["made_world", "steady"])
def test_hammered_traffic_is_caught(name, request):
    """The poison that simulated traffic brings, on its own day."""
    data = request.getfixturevalue(name)
    day = 80
    date = dt.date(1970, 1, 1) + dt.timedelta(days=int(data.timestamp[0] // DAY) + day)
    arriving = Plan(data, Traffic(poison=(Poison(day=date, share=0.3),))).day(date)
    assert arriving.made > 0.25 * arriving.rows.num_rows
    midnight = (data.timestamp[0] // DAY + day) * DAY
    old = until(data, midnight - 1)
    rows = arriving.rows
    both = feed(
        *(np.concatenate([getattr(old, column), rows[column].to_numpy()]) for column in ("user", "item", "value")),
        np.concatenate([old.timestamp, rows["timestamp"].cast("int64").to_numpy()]),
    )
    said = alarm(both, int(both.timestamp[-1]), int(old.timestamp[-1]))
    assert "top item" in said


def test_a_poisoned_night_does_not_slip_in_with_the_next_good_ones(steady):
    """Rows that were caught stay new; three good nights later they are caught all the same."""
    chosen = list(nights(steady, first=80))
    since, newest = chosen[0]
    bad = POISONS["30 % on one item by known users"](steady, rows_of(steady, since, newest), np.random.default_rng(0))
    order = np.argsort(bad.timestamp, kind="stable")
    bad = replace(bad, **{name: getattr(bad, name)[order] for name in ("user", "item", "value", "timestamp")})
    for later in range(4):
        assert "top item" in alarm(until(bad, chosen[later][1]), chosen[later][1], since)
    # Once somebody has accepted it, one night among sixty does not make the next ones look unusual.
    assert not alarm(until(bad, chosen[1][1]), chosen[1][1], newest)
