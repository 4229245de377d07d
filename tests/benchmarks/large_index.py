"""The bundle of a model of a large comparison, with an index: python -m tests.benchmarks.large_index FOLDER MODEL."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from recsys.data.dataset import Dataset
from recsys.data.interactions import training_view
from recsys.processes import cores
from recsys.serving.about import Facts
from recsys.serving.bundle import write_bundle
from recsys.splits.fold import Fold


def main() -> None:
    """Build it, and leave in FOLDER/found.json what the index finds and how fast."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    store = folder / "home" / "store"
    fits = [path.parent for path in (store / "fit").glob("*/model/model.json")]
    fitted = next(path for path in fits if json.loads((path / "model.json").read_text())["family"] == name)
    dataset, split = (next((store / stage).glob("*/store.json")).parent for stage in ("dataset", "split"))
    data, fold = Dataset.load(dataset), Fold.load(split / "0")
    train = training_view(data, fold.train, None, None)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        bundle = Path(place) / "bundle"
        write_bundle(bundle, fitted, train, Facts(name="large"), index=True, threads=cores())
        quality = json.loads((bundle / "index" / "index.json").read_text())["quality"][0]
    said = (
        f"Recall@{quality['k']} {quality['recall']:.4f} at {quality['median']:.2f} ms a query (p99 {quality['p99']:.2f}"
    )
    said += f"), {quality['exact'] / quality['median']:.0f} times as fast as looking at every item."
    (folder / "found.json").write_text(json.dumps({"items": train.n_items, "said": said}))


if __name__ == "__main__":
    main()
