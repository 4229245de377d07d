"""What the pages about models say is so."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from worlds import checkerboard, fitted, of_histories

from recsys.models import registry
from recsys.models.registry import BUILT_IN, installed, model_class, open_model
from recsys.retrieval.lists import recommend

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def together(monkeypatch):
    """The module that docs/add-a-model.md shows, installed as its entry point says."""
    page = (DOCS / "add-a-model.md").read_text()
    source = re.search(r"```python\n(.*?)```", page, flags=re.S).group(1)
    module = ModuleType("my_package.together")
    monkeypatch.setitem(sys.modules, "my_package.together", module)
    exec(compile(source, "docs/add-a-model.md", "exec"), module.__dict__)
    name, value = re.search(r'^(together) = "(my_package\S*)"', page, flags=re.M).groups()
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(name, value, group)])
    installed.cache_clear()
    yield module.Together
    installed.cache_clear()


def test_the_model_shown_works(together, tmp_path):
    train, held_out = checkerboard()
    model = fitted(together.Config(), train)
    items, _ = recommend(model, train, np.arange(train.n_users), 2)
    assert np.array_equal(np.sort(items, axis=1), held_out)
    model.save(tmp_path)
    assert type(open_model(tmp_path)) is together


def test_its_known_answer(together):
    train = of_histories([[0, 1], [0, 1], [1, 2]])
    assert fitted(together.Config(least=1), train).counts.toarray().tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]


def test_every_model_has_its_paragraph():
    page = (DOCS / "models.md").read_text()
    assert re.findall(r"^## `(.*)`", page, flags=re.M) == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_setting_is_described_with_its_default(name):
    page = (DOCS / "models.md").read_text()
    paragraph = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", page, flags=re.S | re.M).group(1)
    for setting, field in model_class(name).Config.model_fields.items():
        if setting not in ("name", "label"):
            assert f"`{setting}{'' if field.is_required() else f': {shown(field.default)}'}`" in paragraph


def shown(default):
    """A default as the page writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)
