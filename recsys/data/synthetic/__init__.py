"""A made world, of any size, drawn from a seed: what the project compares models on when nobody has data at hand.

It is shaped like MovieLens-100K (Harper and Konstan, ACM TiiS 5(4), 2015) and shares no word or number with it. Users
have tastes, items have themes, qualities and popularities, all in a space of taste. A user arrives one day, turns the
pages of a catalogue, picks themes by taste and items of a theme by their popularity on that day, and rates by what the
item is, who the user is and how the two agree. The same law holds at every size; only themes grow with the catalogue.
Users are drawn in blocks, each from a random stream of its own, so that memory stays bounded and the seed decides.

    law         the numbers          catalogue   themes and items         exposure   who rates what
    chance      random numbers       people      users and their tastes   ratings    when, in which order, how
    words       the raw material     text        titles, descriptions     sessions   what users look at
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.config import FloatArray, IntArray
from recsys.data.config import SyntheticData
from recsys.data.raw import Raw
from recsys.data.synthetic.catalogue import Catalogue, Items, Themes, draw_items, draw_themes
from recsys.data.synthetic.chance import Lottery, Part, stream
from recsys.data.synthetic.exposure import choose, everything_once
from recsys.data.synthetic.law import DAY, OPENING, Law
from recsys.data.synthetic.people import Demography, Users, draw_users
from recsys.data.synthetic.ratings import lay_out, rate, sittings
from recsys.data.synthetic.sessions import browse
from recsys.data.synthetic.text import Vocabulary, descriptions, genre_labels, titles
from recsys.data.synthetic.words import OCCUPATIONS
from recsys.errors import InputError

MICRO = 1_000_000
ENOUGH = 10  # rows an item, on average, from which on no item stays without any
# A block is as many users as make at most so many rows and so many cells of users × themes.
BLOCK_ROWS = 2**18
BLOCK_CELLS = 2**20


def load(config: SyntheticData) -> Raw:
    """The world of a seed: exactly as many interactions as asked for, no user and item twice, in random order.

    interactions: user and item (int32, from 1), value (float32: 1 to 5), timestamp (int64: microseconds since 1970,
    whole seconds of 215 days from 1 January 2024). Every item is rated at least once where there are ten times as many
    rows as items, every user rates where there are as many rows as users, 20 items or more at the default size. items:
    title, year, genres, description. users: age, gender, occupation. sessions: session, user, item, in viewing order.

    Sessions are drawn from the same tastes on days on which their users rated, and independently of the ratings: a
    session says what somebody likes, never which items were rated, so it holds nothing of a test set beyond that.

    Raises InputError where there are more interactions than half of all pairs.
    """
    if 2 * config.interactions > config.users * config.items:
        raise InputError(
            "data.interactions",
            f"{config.interactions:,} interactions are more than half of the {config.users * config.items:,} pairs of "
            f"{config.users:,} users and {config.items:,} items",
            f"ask for {config.users * config.items // 2:,} at most, or for more users or items",
        )
    world = World(config, Law())
    interactions, sessions = world.history()
    return Raw(interactions, world.items_table(), world.users_table(), sessions, place="synthetic data")


@dataclass(frozen=True)
class Block:
    """Some users: which, their rows in the whole, and the user of each row, counted within the block."""

    number: int
    users: slice
    rows: slice
    user: IntArray


class World:
    """Themes, items and users of a seed, and what they do. law: all that does not depend on size or seed."""

    def __init__(self, config: SyntheticData, law: Law) -> None:
        self.seed, self.law = config.seed, law
        self.themes: Themes = draw_themes(stream(self.seed, Part.THEMES), law, config.items)
        self.items: Items = draw_items(stream(self.seed, Part.ITEMS), law, self.themes, config.items)
        rng = stream(self.seed, Part.USERS)
        self.users: Users = draw_users(rng, law, config.users, config.items, config.interactions)
        self.demography = Demography(stream(self.seed, Part.DEMOGRAPHY), law)
        self.catalogue = Catalogue(self.items, self.themes, law)

    def blocks(self) -> Iterator[Block]:
        """All users, in blocks whose bounds depend on the world alone."""
        ends = np.concatenate([[0], np.cumsum(self.users.count)])
        most, begin, number = max(1, BLOCK_CELLS // len(self.themes)), 0, 0
        while begin < len(self.users):
            full = int(np.searchsorted(ends, ends[begin] + BLOCK_ROWS, side="right")) - 1
            end = min(max(full, begin + 1), begin + most, len(self.users))
            user = np.repeat(np.arange(end - begin), self.users.count[begin:end])
            yield Block(number, slice(begin, end), slice(int(ends[begin]), int(ends[end])), user)
            begin, number = end, number + 1

    def tastes(self, block: Block) -> FloatArray:
        """The tastes of a block's users, the same at every call; (n_users, dimensions)."""
        return self.demography.tastes(stream(self.seed, Part.TASTES, block.number), self.users.part(block.users))

    def history(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Interactions and sessions."""
        n = int(self.users.count.sum())
        item, day = np.empty(n, np.int32), np.empty(n)
        sessions = [self._visit(block, item[block.rows], day[block.rows]) for block in self.blocks()]
        if n >= ENOUGH * len(self.items):
            everything_once(stream(self.seed, Part.FIRSTS), item, day, self.items.release)
        value = np.empty(n, np.float32)
        for block in self.blocks():
            rng, users = stream(self.seed, Part.RATINGS, block.number), self.users.part(block.users)
            value[block.rows] = rate(rng, self.law, users, self.items, self.tastes(block), block.user, item[block.rows])
        return self._interactions(item, value, day), _numbered(sessions)

    def _visit(self, block: Block, item: IntArray, day: FloatArray) -> pd.DataFrame:
        """Fill in the items and days of a block's rows; its sessions."""

        def rng(part: Part) -> np.random.Generator:
            return stream(self.seed, part, block.number)

        users, taste = self.users.part(block.users), self.tastes(block)
        moods = Lottery.of_rows(self.catalogue.demand(taste))
        if len(block.user):
            day[:] = sittings(rng(Part.SITTINGS), self.law, users, block.user)
            chosen = choose(rng(Part.CHOICES), self.catalogue, moods, taste, block.user, day)
            item[:] = lay_out(rng(Part.PAGES), self.law, self.items, self.themes, block.user, chosen)
        first_row = np.cumsum(users.count) - users.count
        session, user, seen = browse(rng(Part.SESSIONS), self.catalogue, users, moods, first_row, day)
        owner = (block.users.start + 1 + user).astype(np.int32)
        return pd.DataFrame({"session": session, "user": owner, "item": (seen + 1).astype(np.int32)})

    def _interactions(self, item: IntArray, value: FloatArray, day: FloatArray) -> pd.DataFrame:
        """One column after the other, so that few copies are held at once."""
        order = np.arange(len(item), dtype=np.int32)
        stream(self.seed, Part.ORDER).shuffle(order)
        user = np.repeat(np.arange(1, len(self.users) + 1, dtype=np.int32), self.users.count)[order]
        seconds = OPENING + np.floor(day[order] * DAY).astype(np.int64)
        columns = {"user": user, "item": item[order] + np.int32(1), "value": value[order], "timestamp": seconds * MICRO}
        return pd.DataFrame(columns, copy=False)

    def items_table(self) -> pd.DataFrame:
        """What is known of the items."""
        rng, theme = stream(self.seed, Part.TEXT), self.items.theme
        words = Vocabulary(rng, self.themes.genres)
        released = np.datetime64(OPENING, "s") + np.floor(self.items.release).astype("m8[D]")
        genres = np.column_stack([self.themes.genres[theme[:, 0]], self.themes.genres[theme[:, 1]][:, :1]])
        genres[theme[:, 1] < 0, 2] = -1
        return pd.DataFrame(
            {
                "item": np.arange(1, len(theme) + 1, dtype=np.int32),
                "title": titles(rng, words, theme[:, 0]),
                "year": released.astype("M8[Y]").astype(np.int64) + 1970,
                "genres": genre_labels(genres),
                "description": descriptions(rng, words, theme),
            }
        )

    def users_table(self) -> pd.DataFrame:
        """What is known of the users."""
        return pd.DataFrame(
            {
                "user": np.arange(1, len(self.users) + 1, dtype=np.int32),
                "age": self.users.age,
                "gender": np.array(["M", "F"], object)[self.users.woman],
                "occupation": np.array(list(OCCUPATIONS), object)[self.users.occupation],
            }
        )


def _numbered(blocks: list[pd.DataFrame]) -> pd.DataFrame:
    """All sessions in one frame, numbered from 1."""
    before = 1
    for block in blocks:
        block["session"] += before
        before = int(block["session"].iloc[-1]) + 1 if len(block) else before
    return pd.concat(blocks, ignore_index=True)
