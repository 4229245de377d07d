"""Several processes that train one model together, as each of them sees the others."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from recsys.errors import RunError

if TYPE_CHECKING:
    import torch

# Process 0 looks at the validation part while the others wait; one that is lost is noticed at once, by its connection.
PATIENCE: Final = timedelta(minutes=30)


class PartedError(RunError):
    """The connection to another process is gone: why, that process knows better."""


class Peers:
    """Process `rank` of `size` that train a model together; 0 leads: it alone validates, tells, keeps and serves.

    Each method is called by all of them, in the same order, and waits for all; it raises PartedError where one is gone.
    What is on the CPU travels over gloo, what is on a GPU over NCCL.
    """

    def __init__(self, rank: int, size: int, meet: str, own: str, listening: int | None = None) -> None:
        """meet: host:port where process 0 listens, with the socket of the descriptor `listening`. own: the address of
        this machine that the others reach; nothing listens on another one. Waits until all are there."""
        from torch._C._distributed_c10d import PrefixStore, ProcessGroupGloo, TCPStore

        self.rank, self.size = rank, size
        host, _, port = meet.rpartition(":")
        # Both libraries take the name of an interface, and else whatever address the name of the machine stands for.
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = _interface(own)
        with self._together():
            self._store = TCPStore(
                host,
                int(port),
                size,
                is_master=rank == 0,
                timeout=PATIENCE,
                wait_for_workers=False,
                master_listen_fd=listening,
            )
            gloo = ProcessGroupGloo(PrefixStore("gloo", self._store), rank, size, PATIENCE)
        self._groups: dict[str, Any] = {"cpu": gloo}

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def add(self, tensor: torch.Tensor) -> None:
        """Put the sum over all processes in the place of the tensor; the same to the bit in each."""
        with self._together():
            self._group(tensor).allreduce([tensor]).wait()

    def follow(self, tensor: torch.Tensor) -> None:
        """Put what process 0 has in the place of the tensor."""
        if tensor.numel():
            with self._together():
                self._group(tensor).broadcast(tensor, 0).wait()

    def follow_value(self, value: float) -> float:
        """What process 0 gives."""
        import torch

        told = torch.tensor(value, dtype=torch.float64)
        self.follow(told)
        return float(told)

    def follow_file(self, path: Path) -> None:
        """Have the file of process 0 at this path, or none where that has none; the path is each process' own."""
        import torch

        content = path.read_bytes() if self.leads and path.is_file() else b""
        size = int(self.follow_value(len(content)))
        held = (
            torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(size, dtype=torch.uint8)
        )
        self.follow(held)
        if self.leads:
            return
        path.unlink(missing_ok=True)
        if size:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held.numpy().tobytes())

    def _group(self, tensor: torch.Tensor) -> Any:
        kind = tensor.device.type
        if kind not in self._groups:
            from torch._C._distributed_c10d import PrefixStore, ProcessGroupNCCL

            options = ProcessGroupNCCL.Options()
            options._timeout = PATIENCE
            self._groups[kind] = ProcessGroupNCCL(PrefixStore(kind, self._store), self.rank, self.size, options)
        return self._groups[kind]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            message = f"process {self.rank} of {self.size} lost another one ({first})"
            raise PartedError("runner.processes", message, "see the log of the fit, then run again") from error


def _interface(address: str) -> str:
    """The name of the network interface that has this address. Raises RunError where none has."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address.partition("%")[0] == address for each in addresses):
            return name
    raise RunError("runner.processes", f"no network interface of {socket.gethostname()} has the address {address}")
