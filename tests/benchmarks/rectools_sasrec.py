"""Run by the interpreter of another environment: CPU seconds of an epoch of RecTools' SASRec, one thread."""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(1)
folder = Path(sys.argv[1])
rows, asked = np.load(folder / "sequence.npy"), json.loads((folder / "asked.json").read_text())
table = pd.DataFrame(rows, columns=[Columns.User, Columns.Item]).assign(**{Columns.Weight: 1.0})
table[Columns.Datetime] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(table)), unit="s")
spent = []


class Watch(Callback):
    """The CPU seconds of each epoch."""

    def on_train_epoch_start(self, trainer, module):
        self.began = time.process_time()

    def on_train_epoch_end(self, trainer, module):
        spent.append(time.process_time() - self.began)


def trainer():
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(
        max_epochs=asked["epochs"], accelerator="cpu", callbacks=[Watch()], enable_model_summary=False, **quiet
    )


model = SASRecModel(
    n_factors=asked["embedding_size"],
    n_blocks=asked["blocks"],
    n_heads=asked["heads"],
    session_max_len=asked["length"],
    dropout_rate=asked["dropout"],
    batch_size=asked["batch_size"],
    loss="softmax",
    dataloader_num_workers=0,
    get_trainer_func=trainer,
    train_min_user_interactions=2,
)
model.fit(Dataset.construct(table))
print(json.dumps({"cpu": min(spent), "epochs": len(spent)}))
