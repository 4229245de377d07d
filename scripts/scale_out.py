"""Prints what a comparison of a size takes on a Ray cluster, from the laws of memory and time of the models.

    python scripts/scale_out.py                                     a billion interactions, 100 million users
    python scripts/scale_out.py USERS ITEMS INTERACTIONS [MODEL]...

A model's law says what one fit takes, and the lists of all users, on one core; every model charges `pair_seconds` for
each pair of a user and an item, which is what the lists take at least, and is counted as such. A fit has a machine to
itself; the lists are made in shares of 100,000 users, on as many cores as the memory of the machines has room for
shares. Machines: 64 cores, 512 GB, 4 dollars an hour, an assumption; ten of them.
"""

from __future__ import annotations

import sys

from recsys.experiment.remote import WORKER_BYTES
from recsys.experiment.remote_shares import USERS_A_SHARE
from recsys.models.base import Recommender
from recsys.models.registry import model_class
from recsys.models.requirements import bytes_before

SIZE = (100_000_000, 1_000_000, 1_000_000_000)
MODELS = ("popularity", "pure-svd", "ials", "lightfm-warp", "item-knn", "two-tower", "ease", "sasrec")
MACHINES, CORES, GIGABYTES, DOLLARS = 10, 64, 512, 4.0
HEADER = ("model", "memory of a fit, GB", "fit, h", "lists, core hours", "lists at once", "hours", "dollars")


def row(name: str, size: tuple[int, int, int]) -> tuple[str, ...]:
    """What one model takes; nothing after its memory where no machine has that."""
    kind = model_class(name)
    model = kind(kind.Config.model_construct(name=name))
    child = WORKER_BYTES + bytes_before(size[2])
    gigabytes = (child + model.memory(*size)) / 1e9
    if gigabytes > GIGABYTES:
        return (f"`{name}`", f"{gigabytes:,.0f}", "does not fit", "", "", "", "")
    lists = kind.pair_seconds * size[0] * size[1] / 3600
    fit = model.seconds(*size) / 3600 - lists
    a_share = (child + Recommender.memory(model, *size)) / 1e9
    shares = -(-size[0] // USERS_A_SHARE)
    at_once = min(shares, MACHINES * min(CORES, int(GIGABYTES // a_share)))
    hours = lists / at_once
    dollars = DOLLARS * (fit + MACHINES * hours)
    return (
        f"`{name}`",
        *(
            f"{gigabytes:,.0f}",
            f"{fit:,.0f}",
            f"{lists:,.0f}",
            f"{at_once:,}",
            f"{fit + hours:,.0f}",
            f"{dollars:,.0f}",
        ),
    )


def main() -> None:
    """Print the table as Markdown."""
    numbers, names = sys.argv[1:4], sys.argv[4:] or MODELS
    users, items, rows = (int(number) for number in numbers) if numbers else SIZE
    for cells in (HEADER, ("---",) * len(HEADER), *(row(name, (users, items, rows)) for name in names)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
