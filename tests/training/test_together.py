"""Several processes that train one model together; here each is a thread, and they talk over loopback all the same."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from worlds import taste_world

from recsys.errors import RunError
from recsys.models.registry import model_class
from recsys.training import checkpoint
from recsys.training.loop import Network, Plan, generator_of, shuffled, train
from recsys.training.peers import PartedError, Peers
from recsys.training.run import FitRun

PATIENCE = 60.0


def together(size: int, work: Callable[[Peers], object]) -> list[object]:
    """What each of so many processes gives, or raises."""
    listening = socket.create_server(("127.0.0.1", 0))
    meet, given = f"127.0.0.1:{listening.getsockname()[1]}", [None] * size

    def run(rank: int) -> None:
        try:
            given[rank] = work(Peers(rank, size, meet, "127.0.0.1", listening.detach() if rank == 0 else None))
        except Exception as error:
            given[rank] = error.with_traceback(None)  # whose frames hold the connections, which end with a process
            error.__cause__ = error.__context__ = None
            gc.collect()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return given


class Mean(Network):
    """One weight that is drawn to the numbers 0..n-1; its buffer counts what this process did."""

    def __init__(self, n: int, size: int) -> None:
        super().__init__()
        self.n, self.size = n, size
        self.weight, self.idle = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(0))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def batches(self, generator) -> Iterator[torch.Tensor]:
        yield from shuffled(self.n, self.size, generator)

    def loss(self, batch, generator):
        self.steps += 1
        return (self.weight - batch.float()).square().sum(), len(batch)


class Noisy(Mean):
    """The same with randomness of its own in each process."""

    def loss(self, batch, generator):
        loss, count = super().loss(batch, generator)
        return loss + self.weight[0] * torch.randn(1, generator=generator)[0] * count, count


class Toward:
    """A validation part that likes one weight best, and knows who asked."""

    name, higher_is_better = "closeness", True

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, model):
        self.asked += 1
        return -abs(float(model.weight.detach()) - 2)


PLAN = Plan("mean", epochs=6, learning_rate=0.5, optimizer="adam", patience=2, belongs_to="this")


def fit(network: Network, run: FitRun, plan: Plan = PLAN) -> tuple[Network, int]:
    generator = generator_of(run)
    return network, train(network, plan, run, generator, lambda: network)


class TestAStep:
    @pytest.mark.parametrize("n", [12, 10, 9, 2], ids="{} rows".format)
    @pytest.mark.parametrize("size", [2, 3])
    def test_is_that_of_one_process_with_all_their_rows(self, n, size):
        """Batches of 2: also where the last ones are too few for all, or too small."""
        told: list[float] = []
        alone, _ = fit(Mean(n, 2 * size), FitRun(tell=lambda step: told.append(step.metrics["loss"])))
        losses: list[float] = []
        tell = lambda step: losses.append(step.metrics["loss"])  # noqa: E731
        networks = together(size, lambda peers: fit(Mean(n, 2), FitRun(peers=peers, tell=tell))[0])
        for network in networks:
            torch.testing.assert_close(network.weight, alone.weight, rtol=1e-5, atol=1e-6)
            assert torch.equal(network.weight, networks[0].weight)
        assert losses == pytest.approx(told, rel=1e-5)

    def test_of_a_model(self):
        world, _ = taste_world()

        def factors(peers: Peers | None, batch_size: int) -> np.ndarray:
            kind = model_class("mf")
            model = kind(kind.Config(epochs=3, batch_size=batch_size, optimizer="adam"))
            model.learn(world, FitRun(peers=peers))
            return model.item_factors

        alone, (one, other) = factors(None, 64), together(2, lambda peers: factors(peers, 32))
        assert np.array_equal(one, other)
        np.testing.assert_allclose(one, alone, rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("name", ["two-tower", "neural-cf", "mult-vae", "sasrec"])
    def test_every_model_learns(self, name):
        world, validation = taste_world()

        def learn(peers: Peers) -> list[float]:
            kind, losses = model_class(name), list[float]()
            model = kind(kind.Config(epochs=3, batch_size=64))
            model.learn(
                world, FitRun(peers=peers, validation=validation, tell=lambda s: losses.append(s.metrics["loss"]))
            )
            return [*losses, validation(model)]

        (leads, follows), (again, _) = together(2, learn), together(2, learn)
        assert leads == again
        assert leads[0] > leads[2]
        assert follows == leads[3:]

    def test_each_process_has_randomness_of_its_own(self):
        """With the same noise in both, the steps would be those of one process that draws it for all rows."""
        one, again = (together(2, lambda peers: fit(Noisy(8, 2), FitRun(peers=peers))[0].weight) for _ in range(2))
        assert torch.equal(one[0], one[1])
        assert torch.equal(one[0], again[0])
        drawn: list[torch.Tensor] = []

        class Heard(Noisy):
            def loss(self, batch, generator):
                drawn.append(torch.randn(1, generator=generator.clone_state()))
                return super().loss(batch, generator)

        together(2, lambda peers: fit(Heard(8, 2), FitRun(peers=peers)))
        assert len({float(each) for each in drawn}) == len(drawn) == 2 * 2 * PLAN.epochs


class TestWhoLeads:
    def test_one_validates_and_tells_and_all_stop(self, tmp_path):
        parts, told = {}, {0: [], 1: []}

        def work(peers: Peers) -> tuple[int, float]:
            parts[peers.rank] = Toward()
            folder = tmp_path / str(peers.rank)
            run = FitRun(
                peers=peers,
                validation=parts[peers.rank],
                tell=told[peers.rank].append,
                checkpoint=folder,
                checkpoint_seconds=0,
            )
            network, best = fit(Mean(8, 2), run)
            return best, float(network.weight.detach())

        one, other = together(2, work)
        assert one == other
        assert (parts[0].asked, parts[1].asked) == (len(told[0]), 0)
        assert told[1] == []
        assert told[0][-1].epoch < PLAN.epochs
        assert (tmp_path / "0" / checkpoint.NAME).is_file()
        assert not (tmp_path / "1").exists()

    def test_what_is_known_of_the_steps_so_far_is_the_leaders(self):
        """Three batches for two: the second process has one less in each epoch."""
        networks = together(2, lambda peers: fit(Mean(6, 2), FitRun(peers=peers))[0])
        assert int(networks[0].steps) == 2 * PLAN.epochs
        assert int(networks[1].steps) == 2 * (PLAN.epochs - 1) + 1


class TestTrouble:
    @pytest.mark.parametrize("at", [1, 4])
    def test_resumed_equal_to_the_bit(self, tmp_path, at):
        """The second process comes from elsewhere, with nothing or an old state."""

        def work(peers: Peers, folder: Path, until: int = 0) -> torch.Tensor:
            def tell(step) -> None:
                if step.epoch == until:
                    raise InterruptedError

            run = FitRun(peers=peers, checkpoint=folder / str(peers.rank), checkpoint_seconds=0, tell=tell)
            return fit(Noisy(10, 2), run)[0].weight

        whole = together(2, lambda peers: work(peers, tmp_path / "whole"))
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / checkpoint.NAME).write_bytes(b"of another time")
        one, other = together(2, lambda peers: work(peers, tmp_path, at))
        assert (type(one), type(other)) == (InterruptedError, PartedError)
        resumed = together(2, lambda peers: work(peers, tmp_path))
        assert all(torch.equal(weight, whole[0]) for weight in resumed)

    def test_one_that_fails_ends_the_others(self):
        class Failing(Mean):
            def loss(self, batch, generator):
                if threading.current_thread().name == "fails":
                    raise ValueError("no way")
                return super().loss(batch, generator)

        def work(peers: Peers) -> object:
            if peers.rank == 1:
                threading.current_thread().name = "fails"
            return fit(Failing(8, 2), FitRun(peers=peers))

        lost, failed = together(2, work)
        assert str(failed) == "no way"
        assert isinstance(lost, PartedError)
        assert "process 0 of 2 lost another one" in str(lost)

    def test_a_loss_that_explodes_is_the_same_for_all(self):
        plan = Plan("mean", epochs=6, learning_rate=1e30, optimizer="adam", patience=2, belongs_to="this")
        one, other = together(2, lambda peers: fit(Mean(8, 2), FitRun(peers=peers), plan))
        assert isinstance(one, RunError)
        assert str(one) == str(other)
        assert "lower learning_rate" in str(one)

    def test_nobody_listens_on_another_address(self):
        listening: set[str] = set()

        def work(peers: Peers) -> None:
            peers.follow_value(1.0)
            mine = psutil.Process(os.getpid()).net_connections("inet")
            listening.update(each.laddr.ip for each in mine if each.status == psutil.CONN_LISTEN)
            peers.follow_value(1.0)

        assert together(2, work) == [None, None]
        assert listening == {"127.0.0.1"}

    def test_an_address_of_another_machine(self):
        with pytest.raises(RunError, match=r"has the address 192\.0\.2\.1"):
            Peers(1, 2, "127.0.0.1:9", "192.0.2.1")
