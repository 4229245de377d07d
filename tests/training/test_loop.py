from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds import taste_world

from recsys.errors import InputError, RunError
from recsys.models.base import WEIGHTS
from recsys.models.mf import Mf
from recsys.models.registry import model_class
from recsys.models.two_tower import TwoTower
from recsys.training import checkpoint, devices
from recsys.training.devices import device_of, torch_threads
from recsys.training.loop import Network, Plan, generator_of, shuffled, train
from recsys.training.run import FitRun


class Line(Network):
    """One weight that is drawn to 10; each epoch is one step."""

    def __init__(self, generator):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def batches(self, generator) -> Iterator[torch.Tensor]:
        yield from shuffled(4, 4, generator)

    def loss(self, batch, generator):
        noise = torch.rand(1, generator=generator) * 0.1
        return ((self.weight - 10 + noise) ** 2).sum() * len(batch), len(batch)


class Mixed(Line):
    """Notes the kind of number that a product gives."""

    @classmethod
    def seen(cls, run: FitRun) -> bool:
        """Whether that is bfloat16; the weight stays what it is."""
        network = cls(generator_of(run))
        train(network, PLAN, run, generator_of(run), lambda: network)
        assert network.weight.dtype == network.weight.grad.dtype == torch.float32
        (kind,) = network.kinds
        return kind == torch.bfloat16

    def __init__(self, generator):
        super().__init__(generator)
        self.kinds = set()

    def loss(self, batch, generator):
        product = self.weight[None] @ torch.ones(1, len(batch))
        self.kinds.add(product.dtype)
        return (product - 10).float().square().sum(), len(batch)


class Toward:
    """A validation part that likes a weight of 3 best."""

    name, higher_is_better = "closeness", True

    def __call__(self, model):
        return -abs(float(model.weight.detach()) - 3)


PLAN = Plan("line", epochs=12, learning_rate=1.0, optimizer="adam", patience=3, belongs_to="this")


def fit(run=FitRun(), plan=PLAN):  # noqa: B008 -- frozen
    generator = generator_of(run)
    network = Line(generator)
    return network, train(network, plan, run, generator, lambda: network)


class TestEarlyStopping:
    def test_the_best_epoch_and_its_parameters(self):
        told = []
        network, best = fit(FitRun(validation=Toward(), tell=told.append))
        values = [step.metrics["closeness"] for step in told]
        assert best == np.argmax(values) + 1
        assert Toward()(network) == max(values)

    def test_it_ends_when_patience_is_out(self):
        told = []
        _, best = fit(FitRun(validation=Toward(), tell=told.append))
        assert told[-1].epoch == best + PLAN.patience
        assert [step.epoch for step in told] == list(range(1, told[-1].epoch + 1))
        assert {step.epochs for step in told} == {12}

    def test_lower_may_be_better(self):
        class Error(Toward):
            higher_is_better = False

            def __call__(self, model):
                return -super().__call__(model)

        assert fit(FitRun(validation=Error()))[1] == fit(FitRun(validation=Toward()))[1]

    def test_the_best_epoch_trained_again_is_the_same(self):
        network, best = fit(FitRun(validation=Toward()))
        again, _ = fit(plan=replace(PLAN, epochs=best))
        assert torch.equal(network.weight, again.weight)

    def test_without_validation_all_epochs(self):
        assert fit()[1] == 12


class TestProgress:
    def test_loss_of_each_epoch(self):
        told = []
        fit(FitRun(tell=told.append))
        losses = [step.metrics["loss"] for step in told]
        assert losses == sorted(losses, reverse=True)
        assert losses[0] == pytest.approx(100, rel=0.05)

    @pytest.mark.parametrize("config", [Mf.Config(epochs=3), TwoTower.Config(epochs=3)])
    def test_models_tell_loss_and_validation(self, config):
        told = []
        world, validation = taste_world()
        model = model_class(config.name)(config)
        model.learn(world, FitRun(tell=told.append, validation=validation))
        assert [step.epoch for step in told] == [1, 2, 3]
        assert all(set(step.metrics) == {"loss", "ndcg@10"} for step in told)
        json.dumps([step.metrics for step in told], allow_nan=False)

    def test_a_loss_that_is_not_finite_names_the_setting(self):
        with pytest.raises(RunError, match=r"the loss is (inf|nan) in epoch \d+; lower learning_rate \(now 1e\+30\)"):
            fit(plan=replace(PLAN, learning_rate=1e30))


class TestRandomness:
    def test_the_global_generator_is_left_alone(self):
        world, _ = taste_world()
        before = torch.get_rng_state()
        for name in ("mf", "two-tower"):
            model = model_class(name)
            model(model.Config(epochs=2)).learn(world, FitRun())
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_global_generator_changes_nothing(self):
        torch.manual_seed(1)
        first, _ = fit()
        torch.manual_seed(2)
        assert torch.equal(fit()[0].weight, first.weight)

    def test_all_of_it_in_a_random_order(self):
        batches = list(shuffled(10, 4, torch.Generator().manual_seed(0)))
        assert [len(batch) for batch in batches] == [4, 4, 2]
        order = torch.cat(batches).tolist()
        assert sorted(order) == list(range(10)) != order


class Interrupted(Exception):  # noqa: N818
    pass


class TestResume:
    def interrupt(self, at, folder, **run):
        def tell(step):
            if step.epoch == at:
                raise Interrupted

        with pytest.raises(Interrupted):
            fit(FitRun(checkpoint=folder, checkpoint_seconds=0, tell=tell, **run))

    @pytest.mark.parametrize("at", [1, 3, 5])
    @pytest.mark.parametrize("validation", [None, Toward()])
    def test_equal_to_the_bit_from_any_epoch(self, tmp_path, at, validation):
        whole, best = fit(FitRun(validation=validation))
        self.interrupt(at, tmp_path, validation=validation)
        told = []
        network, best_again = fit(FitRun(checkpoint=tmp_path, validation=validation, tell=told.append))
        assert torch.equal(network.weight, whole.weight)
        assert best_again == best
        assert told[0].epoch == at

    def test_a_finished_fit_is_not_done_again(self, tmp_path):
        whole, _ = fit(FitRun(checkpoint=tmp_path, checkpoint_seconds=0))
        told = []
        again, _ = fit(FitRun(checkpoint=tmp_path, tell=told.append))
        assert not told
        assert torch.equal(again.weight, whole.weight)

    def test_the_state_of_another_fit_is_left(self, tmp_path):
        self.interrupt(4, tmp_path)
        told = []
        fit(FitRun(checkpoint=tmp_path, tell=told.append), replace(PLAN, belongs_to="another"))
        assert told[0].epoch == 1

    @pytest.mark.parametrize("damage", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"garbage" * 100])
    def test_a_damaged_state_is_left(self, tmp_path, damage, caplog):
        self.interrupt(4, tmp_path)
        (tmp_path / checkpoint.NAME).write_bytes(damage)
        told = []
        fit(FitRun(checkpoint=tmp_path, tell=told.append))
        assert told[0].epoch == 1
        assert "cannot be read" in caplog.text

    def test_a_cut_off_state_is_left(self, tmp_path):
        self.interrupt(4, tmp_path)
        path = tmp_path / checkpoint.NAME
        path.write_bytes(path.read_bytes()[:-5])
        told = []
        fit(FitRun(checkpoint=tmp_path, tell=told.append))
        assert told[0].epoch == 1

    @pytest.mark.parametrize("part", ["epoch", "numbers"])
    def test_a_state_with_other_bits_is_left(self, tmp_path, part, caplog):
        self.interrupt(4, tmp_path)
        path = tmp_path / checkpoint.NAME
        state = bytearray(path.read_bytes())
        name = rb"\"epoch\": "
        at = state.index(name) + len(name) if part == "epoch" else len(state) - 100
        state[at] ^= 1
        path.write_bytes(state)
        told = []
        fit(FitRun(checkpoint=tmp_path, tell=told.append))
        assert told[0].epoch == 1
        assert "cannot be read and is not used: it is damaged" in caplog.text

    def test_it_is_written_every_so_many_seconds(self, tmp_path):
        fit(FitRun(checkpoint=tmp_path, checkpoint_seconds=3600))
        assert not list(tmp_path.iterdir())

    def test_no_temporary_file_stays(self, tmp_path):
        self.interrupt(4, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]

    def test_identity_knows_settings_seed_and_rows(self):
        world, _ = taste_world()
        other = replace(world, value=world.value[::-1].copy())
        asked = [
            ({"epochs": 1}, 1, world),
            ({"epochs": 2}, 1, world),
            ({"epochs": 1}, 2, world),
            ({"epochs": 1}, 1, other),
        ]
        assert len({checkpoint.identity(*one) for one in asked}) == 4

    @pytest.mark.parametrize(
        "config",
        [Mf.Config(epochs=12), TwoTower.Config(epochs=12, optimizer="adam"), TwoTower.Config(epochs=12)],
        ids=["mf", "two-tower-adam", "two-tower-adagrad"],
    )
    def test_killed_in_mid_fit(self, tmp_path, config):
        """A process dies of SIGKILL while it fits; the next one goes on and ends where an undisturbed one does."""
        world, validation = taste_world()
        undisturbed = model_class(config.name)(config)
        undisturbed.learn(world, FitRun(validation=validation))
        undisturbed.save(tmp_path)
        place = tmp_path / "place"
        (place / "model").mkdir(parents=True)
        killed = self.process(config, place)
        for line in killed.stdout:
            if line.strip() == b"epoch 4":
                killed.send_signal(signal.SIGKILL)
                break
        killed.stdout.close()
        assert killed.wait() == -signal.SIGKILL
        told = []
        model = model_class(config.name)(config)
        model.learn(world, FitRun(validation=validation, checkpoint=place, tell=told.append))
        model.save(place / "model")
        assert told[0].epoch > 1
        assert model.best_epoch == undisturbed.best_epoch
        assert (place / "model" / WEIGHTS).read_bytes() == (tmp_path / WEIGHTS).read_bytes()

    @staticmethod
    def process(config, folder):
        code = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from pathlib import Path; from worlds import taste_world\n"
            "from recsys.models.registry import model_class; from recsys.training.run import FitRun\n"
            "kind = model_class(sys.argv[2]); model = kind(kind.Config.model_validate_json(sys.argv[3]))\n"
            "train, validation = taste_world()\n"
            "tell = lambda step: print('epoch', step.epoch, flush=True)\n"
            "run = FitRun(validation=validation, checkpoint=Path(sys.argv[4]), checkpoint_seconds=0, tell=tell)\n"
            "model.learn(train, run)\n"
        )
        worlds = Path(__file__).parent.parent / "models"
        return subprocess.Popen(
            [sys.executable, "-c", code, str(worlds), config.name, config.model_dump_json(), str(folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


class TestDevices:
    def test_cpu_and_auto(self):
        assert device_of("cpu").type == "cpu"
        assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")

    @pytest.mark.parametrize("name", ["gpu", "mps", "", "cuda:99"])
    def test_what_is_not_there_is_refused(self, name):
        with pytest.raises(InputError, match="write cpu"):
            device_of(name)

    def test_threads_are_given_back(self):
        before = torch.get_num_threads()
        with torch_threads(before + 1):
            assert torch.get_num_threads() == before + 1
        assert torch.get_num_threads() == before

    def test_a_processor_computes_in_float32(self):
        assert not Mixed.seen(FitRun())

    def test_mixed_precision(self, monkeypatch):
        """As on a GPU: products in bfloat16, and losses, parameters and what the optimizer keeps in float32."""
        monkeypatch.setattr(devices, "MIXED", ("cpu",))
        assert Mixed.seen(FitRun())

    @pytest.mark.parametrize(
        ("name", "changes"),
        [
            ("sasrec", {}),
            ("sasrec", {"loss": "gbce"}),
            ("two-tower", {"loss": "bce"}),
            ("neural-cf", {}),
            ("mult-vae", {}),
            ("lightgcn", {}),
        ],
    )
    def test_models_learn_as_much_in_mixed_precision(self, monkeypatch, name, changes):
        world, _ = taste_world()
        losses = []
        for mixed in ((), ("cpu",)):
            monkeypatch.setattr(devices, "MIXED", mixed)
            model, told = model_class(name), []
            config = model.Config(epochs=2, batch_size=128, **changes)
            model(config).learn(world, FitRun(tell=lambda step, told=told: told.append(step.metrics["loss"])))
            losses.append(told)
        assert losses[1] == pytest.approx(losses[0], rel=5e-3)
        assert losses[1][1] < losses[1][0]

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_on_a_gpu(self):
        world, validation = taste_world()
        model = TwoTower(TwoTower.Config())
        model.learn(world, FitRun(device="cuda", validation=validation))
        assert validation(model) > 0.25
