"""Where torch computes, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recsys.errors import InputError

# Where matrix products in bfloat16 gain: on a processor they seldom do, and its results are to be those of float32.
MIXED = ("cuda",)


def device_of(name: str) -> torch.device:
    """The device that a setting names: cpu, cuda, cuda:N, or auto for cuda where there is one.

    Raises InputError where the name means nothing or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError("runner.device", f"'{name}' is no device", "write cpu, cuda or auto") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError("runner.device", f"'{name}' is not supported", "write cpu, cuda or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError("runner.device", f"'{name}' is not on this machine", "write cpu or auto")
    return device


def mixed_precision(device: torch.device) -> torch.autocast:
    """Inside, the matrix products of a GPU are in bfloat16 and what autocast holds to be delicate in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type in MIXED)


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Torch computes with n threads inside; one thread gives the same numbers to the bit every time."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
