"""The state of a fit on disk, so that a killed one goes on exactly where it was."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recsys.data.interactions import Interactions
from recsys.store import digest

log = logging.getLogger(__name__)

NAME = "checkpoint.safetensors"


@dataclass
class Reached:
    """How far a fit has come. best: the parameters of the best epoch, empty where nothing watches the epochs."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    best: dict[str, Tensor] = field(default_factory=dict)


def identity(settings: dict[str, Any], seed: int, train: Interactions) -> str:
    """What a checkpoint belongs to: the settings, the seed, the training rows and the version of torch."""
    rows = hashlib.sha256()
    for array in (train.user, train.item, train.value, train.positive, train.weight):
        if array is not None:
            rows.update(array.tobytes())
    parts = {"settings": settings, "seed": seed, "rows": rows.hexdigest(), "torch": torch.__version__}
    return digest({**parts, "users": train.n_users, "items": train.n_items})


def save(
    folder: Path,
    belongs_to: str,
    reached: Reached,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Write everything the next epoch depends on, as one file that replaces the last one in a single step."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in reached.best.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    tensors["generator"] = generator.get_state()
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    about = {key: value for key, value in asdict(reached).items() if key != "best"}
    about["belongs_to"] = belongs_to
    about["checksum"] = _checksum(about, tensors)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{NAME}.{os.getpid()}.tmp"
    save_file(tensors, temporary, metadata={"about": json.dumps(about)})
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)


def restore(
    folder: Path,
    belongs_to: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Reached:
    """Put a saved state back into its places; where there is none for this very fit, leave them and start anew."""
    path = folder / NAME
    if not path.is_file():
        return Reached()
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no mapping
        if about.pop("checksum") != _checksum(about, tensors):
            raise ValueError("it is damaged")
        if about.pop("belongs_to") != belongs_to:
            log.info("%s belongs to another fit and is not used", path)
            return Reached()
        reached = Reached(**about, best=_below("best", tensors))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read and is not used: %s", path, error)
        return Reached()
    network.load_state_dict(_below("network", tensors))
    by_parameter: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer", tensors).items():
        index, _, part = name.partition(".")
        by_parameter.setdefault(int(index), {})[part] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": by_parameter})
    generator.set_state(tensors["generator"])
    return reached


def _checksum(about: dict[str, Any], tensors: dict[str, Tensor]) -> int:
    found = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(name.encode(), found))
    return found


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
