from __future__ import annotations

import re

import numpy as np
import pytest
from worlds import interactions, of_histories

from recsys.errors import InputError
from recsys.models.ease import Ease
from recsys.models.registry import BUILT_IN, model_class
from recsys.models.requirements import free_memory, require_memory
from recsys.models.two_tower import TwoTower
from recsys.models.user_knn import UserKnn


@pytest.fixture(scope="module")
def many_items():
    """60,000 items, of which the first 18,300 have 20 rows and the others one."""
    item = np.concatenate([np.repeat(np.arange(18_300), 20), np.arange(18_300, 60_000)])
    return interactions(np.arange(len(item)) % 70_000, item, n_items=60_000)


def test_the_message_says_need_room_and_ways_out(many_items):
    with pytest.raises(InputError) as caught:
        require_memory(Ease(Ease.Config()), many_items, free=4 * 10**9)
    found = re.fullmatch(
        "model 'ease': needs about 15 GB for 60,000 items and 4.0 GB are free; "
        r"use ([\w-]+) or ([\w-]+), or data.min_item_count: 2 \(18,300 items left\)",
        str(caught.value),
    )
    assert found is not None, str(caught.value)
    size = many_items.n_users, many_items.n_items, len(many_items)
    for name in found.groups():
        assert model_class(name)(model_class(name).Config()).memory(*size) <= 4 * 10**9
    assert caught.value.exit_status == 2


def test_learn_asks_first(many_items, monkeypatch):
    from recsys.training.run import FitRun

    monkeypatch.setattr("recsys.models.requirements.free_memory", lambda: 4 * 10**9)
    with pytest.raises(InputError, match="needs about 15 GB"):
        Ease(Ease.Config()).learn(many_items, FitRun())


def test_where_nothing_helps_it_says_so(many_items):
    with pytest.raises(InputError, match="run it on a machine with more memory"):
        require_memory(TwoTower(TwoTower.Config(user_id=True)), many_items, free=1)


def test_many_users_are_named_too(many_items):
    with pytest.raises(InputError, match=r"for 70,000 users, 60,000 items and 407,700 rows"):
        require_memory(UserKnn(UserKnn.Config()), many_items, free=1)


def test_enough_memory_is_no_error(many_items):
    require_memory(Ease(Ease.Config()), many_items, free=10**12)


def test_no_positive_is_refused():
    from worlds import fitted

    train = of_histories([[0, 1], [1]], positive=[0, 0, 0], value=[1, 2, 3])
    with pytest.raises(InputError, match="none of the 3 training rows is a positive"):
        fitted(Ease.Config(), train)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_law_grows_with_the_data(name):
    model = model_class(name)(model_class(name).Config.model_construct(name=name))
    assert model.memory(1000, 1000, 10**5) < model.memory(2000, 2000, 2 * 10**5)
    assert 0 < model.seconds(1000, 1000, 10**5) < model.seconds(2000, 2000, 2 * 10**5)


class TestFreeMemory:
    def test_is_that_of_the_machine(self, tmp_path):
        assert 10**8 < free_memory(tmp_path) < 10**15

    def test_a_control_group_may_have_less(self, tmp_path):
        self.group(tmp_path, limit="1000000", used="600000", cached=100_000)
        assert free_memory(tmp_path) == 500_000

    def test_a_group_without_limit(self, tmp_path):
        self.group(tmp_path, limit="max", used="600000", cached=0)
        assert free_memory(tmp_path) > 10**8

    def test_a_group_that_is_full(self, tmp_path):
        self.group(tmp_path, limit="1000", used="2000", cached=0)
        assert free_memory(tmp_path) == 0

    @staticmethod
    def group(folder, limit, used, cached):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\nfile {cached}\n")
