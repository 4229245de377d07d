"""The users' page: agreement between models, and single users with what every model listed for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.report.board import Board
from recsys.report.figures.agreement import agreement_map
from recsys.report.figures.base import Figure, Table
from recsys.report.words import column_name, count, listed, number, plural

# History and wanted items beyond these are counted and not named.
NAMED = 12


@dataclass(frozen=True)
class Place:
    """An item in a list: its rank is that of its row. hit: the user wanted it. score, because: empty where unknown."""

    title: str
    hit: bool
    score: str
    because: str


@dataclass(frozen=True)
class Shown:
    """A user. models: (label, value of the primary metric). ranks: a row a rank, a place a model, None where a list
    ends early."""

    name: str
    about: str
    history: str
    wanted: str
    models: tuple[tuple[str, str], ...]
    ranks: tuple[tuple[Place | None, ...], ...]
    pairs: Table | None


def users_page(board: Board) -> dict[str, Any] | None:
    """What the template shows: {"figure", "by_activity", "users", "metric", "k", "persistence"}; None where nobody has
    looked at users."""
    agreement: Mapping[str, Any] = board.closer.get("agreement", {})
    if not agreement:
        return None
    controls = {row.label for row in board.rows if row.control}
    labels = [row.label for row in board.ok]
    metric = column_name(board.primary)
    return {
        "figure": _figure(agreement, labels),
        "by_activity": _by_activity(agreement, controls),
        "users": [_shown(user, labels, metric, agreement["k"]) for user in board.closer["users"]],
        "metric": metric,
        "k": agreement["k"],
        "persistence": agreement["persistence"],
    }


def _figure(agreement: Mapping[str, Any], labels: list[str]) -> Figure | None:
    return agreement_map(agreement, labels) if agreement["pairs"] else None


def _by_activity(agreement: Mapping[str, Any], controls: set[str]) -> Table | None:
    """Rank-biased overlap of each pair in each segment, and the mean over pairs of models."""
    there: Mapping[str, int] = agreement["segments"]
    pairs = agreement["pairs"]
    models = [pair for pair in pairs if not {pair["model"], pair["other"]} & controls]
    if not models or len(there) < 2:
        return None
    means = (number(sum(pair["values"][name][2] for pair in models) / len(models), 3) for name in there)
    rows = [
        (f"{pair['model']}, {pair['other']}", *(number(pair["values"][name][2], 3) for name in there)) for pair in pairs
    ]
    header = ("Pair", *(f"{name} ({plural(n, 'user')})" for name, n in there.items()))
    return Table("Rank-biased overlap by activity", header, (("mean over all pairs but controls", *means), *rows))


def _shown(user: Mapping[str, Any], labels: list[str], metric: str, k: int) -> Shown:
    lists = [user["lists"][label] for label in labels]
    longest = max((len(own) for own in lists), default=0)
    pairs = [
        (f"{one}, {other}", f"{shared:.0f}", number(jaccard, 2), number(rbo, 2))
        for one, other, shared, jaccard, rbo in sorted(user["pairs"], key=lambda pair: -pair[4])
    ]
    name = f"User {user['user']}"
    sizes = f"{plural(user['rows'], 'row')} in training, {plural(user['relevant'], 'wanted item')} in the test"
    header = ("Pair", f"Shared items of {k}", "Jaccard", "Rank-biased overlap")
    return Shown(
        name=name,
        about=f"{listed(user['roles'])}: {sizes}",
        history=_some(user["history"], user["rows"]),
        wanted=_some(user["wanted"], user["relevant"]),
        models=tuple((label, number(user["values"][label])) for label in labels),
        ranks=tuple(tuple(_place(own[rank]) if rank < len(own) else None for own in lists) for rank in range(longest)),
        pairs=Table(f"Agreement of the lists of {name.lower()}", header, tuple(pairs)) if pairs else None,
    )


def _place(item: Mapping[str, Any]) -> Place:
    return Place(item["title"], item["hit"], _score(item["score"]), "; ".join(item["why"]))


def _score(value: float | None) -> str:
    if value is None:
        return ""
    return number(value, 0) if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def _some(names: list[str], n: int) -> str:
    """The first names, and how many more there are."""
    shown = names[:NAMED]
    more = n - len(shown)
    return "; ".join(shown) + (f"; and {count(more)} more" if more > 0 and shown else "")
