"""Where torch computes, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recsys.errors import InputError


def device_of(name: str) -> torch.device:
    """The device that a setting names: cpu, cuda, cuda:N, or auto for cuda where there is one.

    Raises InputError where the name means nothing or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError("device", f"'{name}' is no device", "write cpu, cuda or auto") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError("device", f"'{name}' is not supported", "write cpu, cuda or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError("device", f"'{name}' is not on this machine", "write cpu or auto")
    return device


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Torch computes with n threads inside; one thread gives the same numbers to the bit every time."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
