"""Run by the interpreter of another environment: seconds of an epoch of TFRS' two-tower, ids alone, one thread."""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
folder = Path(sys.argv[1])
user, item = np.load(folder / "rows.npy").T
asked = json.loads((folder / "asked.json").read_text())


class TwoTower(tfrs.models.Model):
    """An embedding a user, an embedding an item; the other items of a batch are the negatives."""

    def __init__(self):
        super().__init__()
        self.user = tf.keras.layers.Embedding(int(user.max()) + 1, asked["embedding_size"])
        self.item = tf.keras.layers.Embedding(int(item.max()) + 1, asked["embedding_size"])
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, pair, training=False):
        return self.task(self.user(pair["user"]), self.item(pair["item"]), compute_metrics=False)


model = TwoTower()
model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
rows = tf.data.Dataset.from_tensor_slices({"user": user, "item": item})
rows = rows.shuffle(100_000).batch(asked["batch_size"])
spent = []
for _ in range(asked["epochs"]):
    began = time.process_time()
    model.fit(rows, epochs=1, verbose=0)
    spent.append(time.process_time() - began)
print(json.dumps({"cpu": min(spent[1:]), "epochs": len(spent)}))
