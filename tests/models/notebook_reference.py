"""The classical notebook's algorithms in plain Python, after its description: slow, exact, and independent of ours.

Ratings are counted in tenths, so that means, variances and ties are decided in whole numbers. Every function gives the
score of an item for a user, or the list itself where the notebook has no scores.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from functools import cache


@dataclass(frozen=True, eq=False)
class World:
    """ratings: user → item → tenths, in the order of rows. texts: item → words. sessions: lists of items."""

    ratings: dict[int, dict[int, int]]
    texts: dict[int, str]
    sessions: list[list[int]]

    @property
    def users(self):
        return sorted(self.ratings)

    @property
    def items(self):
        return sorted(self.texts)

    def by_item(self):
        found = defaultdict(dict)
        for user, given in self.ratings.items():
            for item, rating in given.items():
                found[item][user] = rating
        return found

    def mean(self, user):
        return Fraction(sum(self.ratings[user].values()), len(self.ratings[user]))


def top(world, user, score, k=10):
    """The k unseen items with the highest score, the smaller id among equals."""
    unseen = [item for item in world.items if item not in world.ratings[user]]
    return sorted(unseen, key=lambda item: (-score(item), item))[:k]


def popularity(world):
    counts = Counter(item for given in world.ratings.values() for item in given)
    return lambda user, item: counts[item]


def content(world):
    """Words counted by rarity as scikit-learn does it by default; the descriptions hold no stop words."""
    words = {item: Counter(text.split()) for item, text in world.texts.items()}
    having = Counter(word for own in words.values() for word in own)
    rarity = {word: math.log((1 + len(words)) / (1 + n)) + 1 for word, n in having.items()}
    vectors = {}
    for item, own in words.items():
        weights = {word: n * rarity[word] for word, n in own.items()}
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        vectors[item] = {word: weight / length for word, weight in weights.items()}

    @cache
    def profile(user):
        total = Counter()
        for item in world.ratings[user]:
            for word, weight in vectors[item].items():
                total[word] += weight
        length = math.sqrt(sum(weight**2 for weight in total.values()))
        return {word: weight / length for word, weight in total.items()}

    return lambda user, item: sum(weight * profile(user).get(word, 0) for word, weight in vectors[item].items())


def co_visitation(world, user, neighbors=50, k=10):
    """The list of a user."""
    shared = defaultdict(Counter)
    for session in world.sessions:
        seen = list(dict.fromkeys(session))
        for place, one in enumerate(seen):
            for other in seen[place + 1 :]:
                shared[one][other] += 1
                shared[other][one] += 1
    last = list(world.ratings[user])[-1]
    near = [item for item, _ in shared[last].most_common(neighbors) if item not in world.ratings[user]]
    count = popularity(world)
    return near[:k] or top(world, user, lambda item: count(user, item), k)


def pearson(one, other):
    """Correlation over the common keys as its sign and its square."""
    common = one.keys() & other.keys()
    n = len(common)
    if n < 2:
        return 0, Fraction(0)
    x, y = sum(one[key] for key in common), sum(other[key] for key in common)
    product = n * sum(one[key] * other[key] for key in common) - x * y
    spread = (n * sum(one[key] ** 2 for key in common) - x * x) * (n * sum(other[key] ** 2 for key in common) - y * y)
    return (0, Fraction(0)) if spread == 0 else ((product > 0) - (product < 0), Fraction(product * product, spread))


def cosine(one, other):
    """Cosine over the common keys as its sign and its square."""
    common = one.keys() & other.keys()
    if len(common) < 2:
        return 0, Fraction(0)
    product = sum(one[key] * other[key] for key in common)
    length = sum(one[key] ** 2 for key in common) * sum(other[key] ** 2 for key in common)
    return 1, Fraction(product * product, length)


def user_knn(world, neighbors=30):
    by_item = world.by_item()

    @cache
    def alike(one, other):
        return pearson(world.ratings[one], world.ratings[other])

    def score(user, item):
        others = sorted((other for other in by_item[item] if other != user), key=lambda v: (-alike(user, v)[1], v))
        weights = {other: signed(alike(user, other)) for other in others[:neighbors]}
        size = sum(abs(weight) for weight in weights.values())
        moved = sum(weight * float(by_item[item][v] - world.mean(v)) for v, weight in weights.items())
        return (float(world.mean(user)) + (moved / size if size else 0)) / 10

    return score


def item_knn(world, neighbors=50):
    by_item = world.by_item()

    @cache
    def alike(one, other):
        return cosine(by_item[one], by_item[other])

    def score(user, item):
        rated = sorted(world.ratings[user], key=lambda other: (-alike(item, other)[1], other))[:neighbors]
        weights = {other: signed(alike(item, other)) for other in rated}
        size = sum(abs(weight) for weight in weights.values())
        total = sum(weight * world.ratings[user][other] for other, weight in weights.items())
        return (total / size if size else float(world.mean(user))) / 10

    return score


def signed(alike):
    sign, square = alike
    return sign * math.sqrt(square)
