"""Seconds of an epoch of a torch model on MovieLens-1M, of one process and of two that train it together.

    python scripts/together.py [MODEL] [EPOCHS] [BATCH_SIZE]        mult-vae, 4 epochs, batches of 512 if left out

Each process has one thread. They talk over loopback, as those of a Ray cluster do over its network. Printed is the
median of the epochs after the first, and the load of the machine then. RECSYS_DATA_DIR names the folder with the data.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import numpy as np

from recsys.data.config import MovieLensData
from recsys.data.interactions import training_view
from recsys.data.load import load
from recsys.models.registry import model_class
from recsys.settings import Settings
from recsys.training.peers import Peers
from recsys.training.run import FitRun

HERE = "127.0.0.1"


def main(name: str = "mult-vae", epochs: str = "4", batch_size: str = "512") -> None:
    """Time one process, then two."""
    for size in (1, 2):
        with socket.create_server((HERE, 0)) as server:
            about = (name, epochs, batch_size, str(size), str(server.getsockname()[1]), str(server.fileno()))
            commands = [[sys.executable, __file__, *about, str(rank)] for rank in range(size)]
            running = [subprocess.Popen(command, pass_fds=[server.fileno()]) for command in commands]
        for process in running:
            process.wait()


def one(name: str, epochs: str, batch_size: str, size: str, port: str, listening: str, rank: str) -> None:
    """Be one of the processes; the first says what an epoch took."""
    data = load(MovieLensData(source="movielens-1m"), None, Settings())
    rows = training_view(data, np.arange(len(data)), None, None, False)
    kind, ended = model_class(name), list[float]()
    model = kind(kind.Config.model_validate({"name": name, "epochs": epochs, "batch_size": batch_size}))
    leads, peers = rank == "0", None
    if size != "1":
        peers = Peers(int(rank), int(size), f"{HERE}:{port}", HERE, int(listening) if leads else None)
    model.learn(rows, FitRun(peers=peers, tell=lambda step: ended.append(time.perf_counter())))
    if leads:
        took, busy = np.median(np.diff(ended)), os.getloadavg()[0]
        print(f"{name}: {size} × {batch_size} rows a step, {took:.2f} s an epoch (load {busy:.0f})", flush=True)


if __name__ == "__main__":
    one(*sys.argv[1:]) if len(sys.argv) > 4 else main(*sys.argv[1:])
