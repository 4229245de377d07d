"""The made world: exact counts, the seed, the curves of MovieLens-100K, any size, bounded memory."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from recsys.data import synthetic
from recsys.data.build import build
from recsys.data.config import SyntheticData
from recsys.data.synthetic import World, load
from recsys.data.synthetic.law import DAY, OPENING, Law
from recsys.errors import InputError

SEEDS = range(3)
# Of MovieLens-100K, by research: quantiles 0, 25, 50, 75, 90 and 100 % of the rows a user has and an item has.
ACTIVITY = [20, 33, 65, 148, 244, 737]
POPULARITY = [1, 6, 27, 80, 169, 583]
QUANTILES = [0, 0.25, 0.5, 0.75, 0.9, 1]
HISTOGRAM = [6.1, 11.4, 27.1, 34.2, 21.2]


@pytest.fixture(scope="module")
def worlds():
    return [load(SyntheticData(seed=seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def raw(worlds):
    return worlds[0]


def mean_of(worlds, statistic):
    """A statistic of the interactions, mean over the seeds."""
    return np.mean([statistic(world.interactions) for world in worlds], axis=0)


def rows_each(rows, who):
    return rows.groupby(who).size()


def check_counts(raw, users, items, interactions):
    rows = raw.interactions
    assert len(rows) == interactions
    assert not rows.duplicated(["user", "item"]).any()
    assert list(raw.users["user"]) == list(range(1, users + 1))
    assert list(raw.items["item"]) == list(range(1, items + 1))
    assert rows["user"].between(1, users).all()
    assert rows["item"].between(1, items).all()
    assert set(rows["value"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    days = (rows["timestamp"] / 1e6 - OPENING) / DAY
    assert days.between(0, Law().window).all()


# What is promised of every world


def test_default_size_is_exact(raw):
    check_counts(raw, 943, 1682, 100_000)
    assert raw.interactions["user"].nunique() == 943
    assert raw.interactions["item"].nunique() == 1682
    assert rows_each(raw.interactions, "user").min() == 20


def test_types(raw):
    rows = raw.interactions
    assert list(rows) == ["user", "item", "value", "timestamp"]
    assert rows["value"].dtype == np.float32
    assert rows["timestamp"].dtype == np.int64
    assert (rows["timestamp"] % 1_000_000 == 0).all()
    assert raw.clock == "time"


def test_same_seed_same_world(raw):
    again = load(SyntheticData())
    for table in ("interactions", "items", "users", "sessions"):
        pd.testing.assert_frame_equal(getattr(raw, table), getattr(again, table))


def test_same_world_in_another_process_under_another_hash_seed(raw):
    code = (
        "from recsys.data.config import SyntheticData; from recsys.data.synthetic import load\n"
        "import pandas as pd; world = load(SyntheticData(users=50, items=80, interactions=900))\n"
        "print([int(pd.util.hash_pandas_object(table).sum()) for table in (world.interactions, world.items)])"
    )
    here = load(SyntheticData(users=50, items=80, interactions=900))
    expected = [int(pd.util.hash_pandas_object(table).sum()) for table in (here.interactions, here.items)]
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(expected)


def test_global_random_state_is_neither_read_nor_moved():
    config = SyntheticData(users=50, items=80, interactions=900)
    np.random.seed(1)  # noqa: NPY002
    one, state = load(config), np.random.get_state()[1].copy()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    pd.testing.assert_frame_equal(one.interactions, load(config).interactions)
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_other_seed_other_world(worlds):
    pairs = [set(zip(world.interactions["user"], world.interactions["item"], strict=True)) for world in worlds[:2]]
    assert len(pairs[0] & pairs[1]) < 0.3 * 100_000
    assert (worlds[0].items["title"] != worlds[1].items["title"]).mean() > 0.9


def test_rows_come_in_no_order(raw):
    rows = raw.interactions
    for column in ("user", "item", "timestamp"):
        assert abs(rows[column].corr(pd.Series(np.arange(len(rows))))) < 0.02


@pytest.mark.parametrize(
    ("users", "items", "interactions"),
    [(20, 30, 200), (2, 4, 4), (10, 10, 50), (300, 5000, 20_000), (5000, 40, 60_000), (400, 30, 100), (3, 2000, 3000)],
)
def test_other_sizes(users, items, interactions):
    raw = load(SyntheticData(users=users, items=items, interactions=interactions, seed=3))
    check_counts(raw, users, items, interactions)
    if interactions >= 10 * items:
        assert raw.interactions["item"].nunique() == items
    if interactions >= users:
        assert raw.interactions["user"].nunique() == users
    build(raw, SyntheticData())


def test_a_million_rows():
    check_counts(load(SyntheticData(users=10_000, items=8_000, interactions=1_000_000)), 10_000, 8_000, 1_000_000)


def test_too_many_interactions_are_refused():
    with pytest.raises(InputError) as caught:
        load(SyntheticData(users=20, items=30, interactions=301))
    assert caught.value.place == "data.interactions"
    assert "301 interactions are more than half of the 600 pairs" in caught.value.message
    assert "300 at most" in str(caught.value.remedy)
    check_counts(load(SyntheticData(users=20, items=30, interactions=300)), 20, 30, 300)


def test_blocks_cover_all_users_once_and_stay_small(monkeypatch):
    monkeypatch.setattr(synthetic, "BLOCK_ROWS", 2_000)
    monkeypatch.setattr(synthetic, "BLOCK_CELLS", 20_000)
    world = World(SyntheticData(users=700, items=900, interactions=30_000), Law())
    blocks = list(world.blocks())
    users = np.concatenate([np.arange(block.users.start, block.users.stop) for block in blocks])
    np.testing.assert_array_equal(users, np.arange(700))
    assert [block.rows.start for block in blocks[1:]] == [block.rows.stop for block in blocks[:-1]]
    assert blocks[-1].rows.stop == 30_000
    for block in blocks:
        alone = block.users.stop - block.users.start == 1
        assert alone or len(block.user) <= 2_000
        assert alone or (block.users.stop - block.users.start) * len(world.themes) <= 20_000


def test_memory_is_bounded_by_the_block_and_the_rows():
    """A dense users × items array of this world would take 2.5 GB, one of bytes 320 MB."""
    code = (
        "import resource; from recsys.data.config import SyntheticData; from recsys.data.synthetic import load\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "load(SyntheticData()); before = peak()\n"
        "load(SyntheticData(users=4_000, items=80_000, interactions=60_000)); print(peak() - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True)
    assert float(found.stdout) < 250


# Likeness to MovieLens-100K: means over seeds


def test_activity_curve(worlds):
    found = mean_of(worlds, lambda rows: rows_each(rows, "user").quantile(QUANTILES))
    np.testing.assert_allclose(found[:-1], ACTIVITY[:-1], rtol=0.2)
    assert 550 < found[-1] < 1100


def test_popularity_curve(worlds):
    found = mean_of(worlds, lambda rows: rows_each(rows, "item").quantile(QUANTILES))
    np.testing.assert_allclose(found, POPULARITY, rtol=0.25)
    shares = mean_of(worlds, lambda rows: rows_each(rows, "item").nlargest(168).sum() / len(rows))
    assert shares == pytest.approx(0.427, abs=0.04)


def test_rating_histogram(worlds):
    found = mean_of(worlds, lambda rows: rows["value"].value_counts(normalize=True).sort_index() * 100)
    np.testing.assert_allclose(found, HISTOGRAM, atol=3.5)
    assert mean_of(worlds, lambda rows: rows["value"].mean()) == pytest.approx(3.53, abs=0.1)


def test_spread_of_users_and_items(worlds):
    """Standard deviation of users' means .445 and within users 1.02; of items' means, from 20 ratings on, .533."""
    users = mean_of(worlds, lambda rows: rows.groupby("user")["value"].mean().std())
    within = mean_of(worlds, lambda rows: rows.groupby("user")["value"].std().mean())
    known = [world.interactions.groupby("item")["value"].agg(["mean", "size"]).query("size >= 20") for world in worlds]
    assert users == pytest.approx(0.445, abs=0.06)
    assert within == pytest.approx(1.02, abs=0.06)
    assert np.mean([items["mean"].std() for items in known]) == pytest.approx(0.533, abs=0.06)
    assert np.mean([items["mean"].corr(np.log(items["size"])) for items in known]) == pytest.approx(0.47, abs=0.12)


def test_what_simple_rating_models_reach(worlds):
    """RMSE 1.133 of the mean, 1.035 of items' means, .950 of biases."""

    def errors(rows):
        train, test = rows[:80_000], rows[80_000:]
        mean = train["value"].mean()
        item = shrunk(train["value"] - mean, train["item"], 5)
        user = shrunk(train["value"] - mean - train["item"].map(item), train["user"], 15)
        by_item = mean + test["item"].map(item).fillna(0)
        both = by_item + test["user"].map(user).fillna(0)
        return [np.sqrt(((guess - test["value"]) ** 2).mean()) for guess in (mean, by_item, both)]

    def shrunk(residual, who, weight):
        return residual.groupby(who).sum() / (residual.groupby(who).size() + weight)

    np.testing.assert_allclose(mean_of(worlds, errors), [1.133, 1.035, 0.950], atol=0.03)


def test_sittings(worlds):
    """Three quarters of the users have rated all within days, a tenth over two months and more, on shared pages."""
    day = 86_400 * 1e6
    span = [world.interactions.groupby("user")["timestamp"].agg(np.ptp) / day for world in worlds]
    low, middle, high, long = np.mean([spans.quantile([0.1, 0.5, 0.75, 0.9]) for spans in span], axis=0)
    assert 0.003 < low < 0.01
    assert 0.02 < middle < 0.06
    assert 3 < high < 15
    assert 40 < long < 130
    pages = mean_of(worlds, lambda rows: len(rows.drop_duplicates(["user", "timestamp"])) / len(rows))
    assert pages == pytest.approx(0.494, abs=0.04)


def test_popularity_drifts(worlds):
    """Total variation between the first and last third of the rows .177, between random thirds of the users .096."""

    def distance(rows, one, other):
        counts = [np.bincount(rows["item"][part], minlength=1683) / part.sum() for part in (one, other)]
        return 0.5 * np.abs(counts[0] - counts[1]).sum()

    def in_time(rows):
        first, last = rows["timestamp"].quantile([1 / 3, 2 / 3])
        return distance(rows, rows["timestamp"] < first, rows["timestamp"] > last)

    def by_user(rows):
        third = np.random.default_rng(0).integers(3, size=944)[rows["user"]]
        return distance(rows, third == 0, third == 2)

    assert mean_of(worlds, in_time) == pytest.approx(0.177, abs=0.035)
    assert mean_of(worlds, by_user) == pytest.approx(0.096, abs=0.02)


def test_known_items_first(worlds):
    """Mean log count of the items in each fifth of a user's rows: 5.11 4.89 4.80 4.64 4.48."""

    def fifths(rows):
        fame = np.log(rows["item"].map(rows_each(rows, "item")))
        rows = rows.assign(fame=fame).sort_values(["user", "timestamp"], kind="stable")
        place = rows.groupby("user").cumcount() * 5 // rows.groupby("user")["item"].transform("size")
        return rows.groupby(place)["fame"].mean()

    np.testing.assert_allclose(mean_of(worlds, fifths), [5.11, 4.89, 4.80, 4.64, 4.48], atol=0.25)


@pytest.mark.data
def test_figures_are_those_of_movielens(data_dir):
    rows = pd.read_csv(data_dir / "ml-100k" / "u.data", sep="\t", names=["user", "item", "value", "timestamp"])
    assert rows_each(rows, "user").quantile(QUANTILES).round().tolist() == pytest.approx(ACTIVITY, abs=1)
    assert rows_each(rows, "item").quantile(QUANTILES).round().tolist() == pytest.approx(POPULARITY, abs=1)
    histogram = rows["value"].value_counts(normalize=True).sort_index() * 100
    np.testing.assert_allclose(histogram, HISTOGRAM, atol=0.06)
