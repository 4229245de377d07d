"""The splits of MovieLens-100K that everybody has: u1 to u5, ua and ub, ours and other libraries' models side by side.

    RECSYS_DATA_DIR=/data python scripts/public_splits.py FOLDER      writes the splits, and a spec for each
    recsys compare FOLDER/u1.yaml                                     and so on
    python scripts/public_splits.py FOLDER --write                    puts what they found into docs/public-splits.md

GroupLens makes them of u.data with a script that comes with the data (README of ML-100K): the test part of u1 is its
first fifth, of u5 its last; that of ua is the first ten rows of every user, of ub the second ten. A spec has the models
of RecTools, implicit and LensKit that examples/rectools and examples/lenskit run, in the environments made there.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "public-splits.md"
BEGIN, END = "<!-- splits: scripts/public_splits.py FOLDER --write -->", "<!-- /splits -->"
NAMES = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")
COLUMNS = ("user", "item", "rating", "timestamp")
OURS = (
    *("slim", "ease", "ials", "pure-svd", "gf-cf", "lightfm-warp", "two-tower", "rp3beta", "item-knn", "user-knn"),
    *("mult-vae", "lightgcn", "mf", "popularity"),
)
TUNED = ("ials", "mult-vae", "item-knn", "rp3beta")
"""Those that gain by the settings in conf/tuned/ml-100k, found on the validation part of another split."""
THEIRS = {
    "rectools-ease": ("rectools", "ease"),
    "implicit-als": ("rectools", "als"),
    "rectools-pure-svd": ("rectools", "pure-svd"),
    "implicit-item-knn": ("rectools", "item-knn"),
    "lenskit-user-knn": ("lenskit",),
}


def parts_of(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which rows of u.data are the test part of each split, (100000,) bool by name."""
    place, fifth = np.arange(len(rows)), len(rows) // 5
    of_user = rows.groupby("user").cumcount().to_numpy()
    fifths = {f"u{number + 1}": place // fifth == number for number in range(5)}
    return fifths | {"ua": of_user < 10, "ub": (of_user >= 10) & (of_user < 20)}


def write_splits(data: Path, folder: Path) -> None:
    """Both parts of each split as tables, and the spec that compares on it."""
    rows = pd.read_csv(data / "ml-100k" / "u.data", sep="\t", names=COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    for name, test in parts_of(rows).items():
        rows[~test].to_csv(folder / f"{name}.base.csv", index=False)
        rows[test].to_csv(folder / f"{name}.test.csv", index=False)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec(name), sort_keys=False))


def spec(name: str) -> dict[str, Any]:
    """An experiment on one split: everything as it comes, epochs chosen on a tenth of the training rows."""
    return {
        "name": f"ml-100k-{name}",
        "data": {"source": "table", "interactions": f"{name}.base.csv", "columns": {"value": "rating"}},
        "split": {"kind": "predefined", "test": f"{name}.test.csv", "validation": 0.1},
        "models": [
            *OURS,
            *(tuned(name) for name in TUNED),
            *(external(label, *words) for label, words in THEIRS.items()),
        ],
        "evaluation": {
            "metrics": ["ndcg", "recall", "precision", "map", "rmse", "mae"],
            "k": [10],
            "primary": "ndcg@10",
        },
    }


def tuned(name: str) -> dict[str, Any]:
    """The entry of a model with the settings that a search found."""
    found = yaml.safe_load((ROOT / "conf" / "tuned" / "ml-100k" / f"{name}.yaml").read_text())["models"]
    return {**found[0], "label": f"{name} tuned"}


def external(label: str, example: str, *words: str) -> dict[str, Any]:
    """The entry of a model of another library."""
    folder = ROOT / "examples" / example
    command = [str(folder / ".venv" / "bin" / "python"), str(folder / "score.py"), "{folder}", *words]
    return {"name": "external", "label": label, "command": command}


def table(folder: Path) -> str:
    """NDCG@10 of every model on every split that was compared, and the RMSE of those that predict values."""
    boards = {name: board(folder, name) for name in NAMES}
    boards = {name: rows for name, rows in boards.items() if rows}
    lines = []
    for metric in ("ndcg@10", "rmse"):
        found = {name: values_of(rows, metric) for name, rows in boards.items()}
        models = {model for values in found.values() for model in values}
        means = {model: np.mean([values[model] for values in found.values() if model in values]) for model in models}
        lines += [f"| {metric} | {' | '.join(boards)} |", "|---" * (len(boards) + 1) + "|"]
        for model in sorted(models, key=lambda model: means[model], reverse=metric != "rmse"):
            cells = (f"{values[model]:.3f}" if model in values else "" for values in found.values())
            lines.append(f"| {model if model in THEIRS else f'`{model}`'} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines).strip()


def values_of(rows: dict[str, dict[str, str]], metric: str) -> dict[str, float]:
    """The value of each model that has one."""
    return {model: float(row[metric]) for model, row in rows.items() if row.get(metric)}


def board(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """The leaderboard of a split by model; empty where it was not compared."""
    path = folder / "out" / name / "leaderboard.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        return {row["model"]: row for row in csv.DictReader(file) if row["status"] == "ok"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Public splits of MovieLens-100K.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="put FOLDER/out/<split>/leaderboard.csv into the page")
    asked = parser.parse_args()
    if asked.write:
        from models_table import written

        PAGE.write_text(written(PAGE.read_text(), table(asked.folder), BEGIN, END))
    else:
        write_splits(Path(os.environ["RECSYS_DATA_DIR"]), asked.folder)


if __name__ == "__main__":
    main()
