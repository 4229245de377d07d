"""A two-tower of TensorFlow Recommenders for `recsys compare`: python two_tower.py FOLDER [--epochs 10] [--corrected].

What is in FOLDER: docs/external.md. The model is that of TFRS's own tutorial on retrieval, with its settings where none
are given; --corrected also tells its loss how often each item is drawn as a negative, which the tutorial leaves out.
"""

import argparse
import json
import os
from pathlib import Path

# TFRS is written for Keras 2, which lives on as the package tf-keras.
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_recommenders as tfrs

OPTIMIZERS = {"adagrad": tf.keras.optimizers.Adagrad, "adam": tf.keras.optimizers.Adam}


class TwoTower(tfrs.models.Model):
    """An embedding a user, an embedding an item; the other items of a batch are the negatives."""

    def __init__(self, n_users: int, n_items: int, size: int) -> None:
        super().__init__()
        self.user = tf.keras.layers.Embedding(n_users, size)
        self.item = tf.keras.layers.Embedding(n_items, size)
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, pair, training=False):
        drawn = pair.get("share")
        return self.task(
            self.user(pair["user"]),
            self.item(pair["item"]),
            candidate_sampling_probability=drawn,
            compute_metrics=False,
        )


def main(folder: Path, settings: argparse.Namespace) -> None:
    asked = json.loads((folder / "spec.json").read_text())
    tf.keras.utils.set_random_seed(asked["seed"])
    tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
    train = pd.read_parquet(folder / "train.parquet")
    items = pd.Index(pd.read_parquet(folder / "items.parquet")["item"])
    serve = pd.Index(pd.read_parquet(folder / "users.parquet")["user"])
    users = pd.Index(train["user"].unique())
    user, item = users.get_indexer(train["user"]), items.get_indexer(train["item"])
    liked = np.full(len(train), True) if asked["positive"] is None else train["value"] >= asked["positive"]

    model = TwoTower(len(users), len(items), settings.embedding_size)
    model.compile(optimizer=OPTIMIZERS[settings.optimizer](settings.learning_rate))
    pairs = {"user": user[liked], "item": item[liked]}
    if settings.corrected:
        pairs["share"] = (np.bincount(pairs["item"]) / len(pairs["item"])).astype(np.float32)[pairs["item"]]
    rows = tf.data.Dataset.from_tensor_slices(pairs)
    model.fit(rows.shuffle(len(train)).batch(settings.batch_size), epochs=settings.epochs, verbose=2)

    known = users.get_indexer(serve)  # -1: nobody knows this user, who gets what is popular
    scores = model.user.embeddings.numpy()[known] @ model.item.embeddings.numpy().T
    scores[known < 0] = np.bincount(item, minlength=len(items))
    if asked["exclude_seen"]:
        taken = pd.concat([train, pd.read_parquet(folder / "history.parquet")])
        row = serve.get_indexer(taken["user"])
        scores[row[row >= 0], items.get_indexer(taken["item"])[row >= 0]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, : asked["k"]]
    score = np.take_along_axis(scores, best, 1)
    rank = np.broadcast_to(np.arange(1, best.shape[1] + 1), best.shape)
    lists = pd.DataFrame({"user": serve.repeat(best.shape[1]), "item": items[best.ravel()]})
    lists = lists.assign(rank=rank.ravel(), score=score.ravel())
    lists[np.isfinite(lists["score"])].to_parquet(folder / "recommendations.parquet")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train and recommend in FOLDER.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--embedding-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=1024, help="rows")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adagrad")
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--corrected", action="store_true")
    arguments = parser.parse_args()
    main(arguments.folder, arguments)
