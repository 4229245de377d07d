"""What a closer look found, made up: for pages of comparisons."""

from __future__ import annotations

from itertools import combinations
from typing import Any

SEGMENTS = {"all": 120, "casual": 20, "power": 100}


def closer(
    labels: list[str], users: int = 2, k: int = 5, title: str = "item", primary: str = "ndcg@10", genres: int = 10
) -> dict[str, Any]:
    """Segments of two kinds, and users with lists of k items; models agree the less, the further apart they stand."""
    pairs = list(combinations(range(len(labels)), 2))
    agreed = {pair: 1 / (1 + pair[1] - pair[0]) for pair in pairs}
    values = {label: [0.4 - 0.01 * at, 0.35 - 0.01 * at, 0.45 - 0.01 * at] for at, label in enumerate(labels)}
    few = {label: [mean, None, None] for label, (mean, *_) in values.items()}
    return {
        "segments": [
            {
                "kind": "activity",
                "metric": primary,
                "segments": [
                    {"name": "casual", "users": 20, "values": few},
                    {"name": "power", "users": 100, "values": values},
                ],
            },
            {
                "kind": "genre",
                "metric": "recall@10",
                "segments": [{"name": f"genre {at}", "users": 50, "values": values} for at in range(genres)],
            },
        ],
        "agreement": {
            "k": k,
            "persistence": 0.9,
            "segments": SEGMENTS,
            "pairs": [
                {
                    "model": labels[one],
                    "other": labels[other],
                    "values": {name: [k * agreed[one, other], *[agreed[one, other]] * 2] for name in SEGMENTS},
                }
                for one, other in pairs
            ],
        },
        "users": [_user(at, labels, k, title) for at in range(users)],
    }


def _user(at: int, labels: list[str], k: int, title: str) -> dict[str, Any]:
    return {
        "user": 196 + at,
        "roles": ["chosen", "best served"],
        "rows": 35,
        "relevant": 2,
        "history": [f"{title} {item}" for item in range(20)],
        "wanted": [f"{title} 101", f"{title} 102"],
        "values": dict.fromkeys(labels, 0.25),
        "lists": {
            label: [
                {
                    "item": 100 + rank,
                    "title": f"{title} {100 + rank}",
                    "score": 2.5 - rank,
                    "hit": rank in (1, 2),
                    "why": [f"{title} 3", f"{title} 4"] if number % 2 == 0 else [],
                }
                for rank in range(k if number < len(labels) - 1 else k - 1)
            ]
            for number, label in enumerate(labels)
        },
        "pairs": [[one, other, 3.0, 3 / 7, 0.5] for one, other in combinations(labels, 2)],
    }
