"""Writes the table of models in docs/models.md, between its two markers, from the registry.

    python scripts/models_table.py                             print it
    python scripts/models_table.py --write                     put it into docs/models.md
    RECSYS_DATA_DIR=/data python scripts/models_table.py --measure ml-100k [MODEL]...
                                                               fit models on a set and keep the seconds
    python scripts/models_table.py --board leaderboard.csv     keep the NDCG@10 that `recsys compare` left there

What is fitted and measured stands in docs/models.json; everything else is read off the classes. The board is that of
conf/tuned/ml-100k/all.yaml, where each model stands as it comes and, labelled `<name> tuned`, with the settings found.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from recsys.models.base import Recommender
from recsys.models.list_maker import ListMaker
from recsys.models.registry import BUILT_IN, model_class
from recsys.models.vectors import VectorRecommender

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
MEASURED = PAGE.with_name("models.json")
BEGIN, END = "<!-- models: scripts/models_table.py --write -->", "<!-- /models -->"
SIZES = {"ml-100k": (943, 1_682, 100_000), "ml-1m": (6_040, 3_706, 1_000_209)}
HEADER = (
    *("model", "kind", "paper", "needs", "predicts", "new users", "why"),
    *("memory, ML-1M", "time, ML-1M", "measured s, ML-100K", "ML-1M", "NDCG@10, ML-100K", "tuned"),
)
PAPER = re.compile(r'"([^"]+?),?",? ([A-Z][A-Za-z]+ \d{4})')


def table(measured: dict[str, dict[str, float]]) -> str:
    """The table as Markdown; measured: CPU seconds of a fit and all lists, by set and model, and NDCG@10 by label."""
    rows = [HEADER, ("---",) * len(HEADER), *(row(name, measured) for name in BUILT_IN)]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in rows)


def row(name: str, measured: dict[str, dict[str, float]]) -> tuple[str, ...]:
    """The cells of a model."""
    kind = model_class(name)
    model = kind(kind.Config.model_construct(name=name))
    paper = PAPER.search(" ".join((kind.__doc__ or "").split()))
    needs = [field for field in ("values", "sessions", "timestamps") if getattr(kind.needs, field)]
    laws = (memory(model), f"{model.seconds(*SIZES['ml-1m']):,.1f} s")
    return (
        f"`{name}`",
        kind_of(kind),
        f"{paper[1]}, {paper[2]}" if paper else "",
        ", ".join(needs),
        "values" if kind.predicts_values else "",
        new_users(kind),
        "yes" if kind.explain is not Recommender.explain else "",
        *(("", "") if issubclass(kind, ListMaker) else laws),
        *(shown(measured.get(data, {}).get(name), "{:.1f}") for data in SIZES),
        *(shown(measured.get("ndcg@10", {}).get(label), "{:.3f}") for label in (name, f"{name} tuned")),
    )


def shown(value: float | None, form: str) -> str:
    """A number, or nothing where it was not measured."""
    return "" if value is None else form.format(value)


def kind_of(kind: type[Recommender]) -> str:
    """What sort of model a class is."""
    if kind.control:
        return "control"
    if issubclass(kind, ListMaker):
        return "command"
    return "vectors" if issubclass(kind, VectorRecommender) else "scores"


def new_users(kind: type[Recommender]) -> str:
    """What somebody who was not in training gets."""
    if issubclass(kind, ListMaker):
        return "as it does"
    if kind.needs.history and not kind.needs.user:
        return "by history, exactly"
    return "folded in" if kind.needs.user and not kind.control else "as all"


def memory(model: Recommender) -> str:
    """What the law of a model says of MovieLens-1M."""
    return f"{model.memory(*SIZES['ml-1m']) / 1e6:,.0f} MB"


def read_measured() -> dict[str, dict[str, float]]:
    """What was measured so far."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else {}


def written(page: str, block: str, first: str = BEGIN, last: str = END) -> str:
    """The page with a table between its markers. Raises ValueError where it has none."""
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"the page has no lines {first} and {last}")
    return f"{before}{first}\n\n{block}\n\n{last}{after}"


def measure(data: str, names: list[str]) -> dict[str, float]:
    """CPU seconds of fitting each model as it comes on all rows of a set, and of the first ten items of every user."""
    import numpy as np
    import torch  # what is imported does not count
    from choose_defaults import data_set

    from recsys.data.interactions import training_view
    from recsys.errors import InputError
    from recsys.retrieval.lists import recommend
    from recsys.training.run import FitRun

    whole, _, _ = data_set(data, 10**9)
    train = training_view(whole, np.arange(len(whole)), None, None)
    torch.set_num_threads(1)
    found = {}
    for name in names:
        model = model_class(name)(model_class(name).Config.model_construct(name=name))
        began = time.process_time()
        try:
            model.learn(train, FitRun())
        except InputError as error:
            print(f"{name}: {error}")
            continue
        recommend(model, train, np.arange(train.n_users), 10)
        found[name] = round(time.process_time() - began, 2)
        print(f"{name}: {found[name]} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="The table of models in docs/models.md.")
    parser.add_argument("names", nargs="*", metavar="MODEL", help="what to measure; default: all")
    parser.add_argument("--write", action="store_true", help="put the table into docs/models.md")
    parser.add_argument("--measure", metavar="SET", choices=SIZES, help="fit on ml-100k or ml-1m, keep the seconds")
    parser.add_argument("--board", type=Path, metavar="FILE", help="a leaderboard.csv to keep the NDCG@10 of")
    asked = parser.parse_args()
    measured = read_measured()
    if asked.measure:
        names = asked.names or [name for name in BUILT_IN if not issubclass(model_class(name), ListMaker)]
        measured[asked.measure] = measured.get(asked.measure, {}) | measure(asked.measure, names)
        MEASURED.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")
    elif asked.board:
        with asked.board.open(encoding="utf-8") as file:
            measured["ndcg@10"] = {row["model"]: round(float(row["ndcg@10"]), 4) for row in csv.DictReader(file)}
        MEASURED.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")
    elif asked.write:
        PAGE.write_text(written(PAGE.read_text(), table(measured)))
    else:
        print(table(measured))


if __name__ == "__main__":
    main()
