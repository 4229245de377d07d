"""Digests change with what they are of, and with nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.store import code_digest, digest
from recsys.store.keys import _home_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "paquet"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "stage.py").write_text("from paquet import near\nimport json\n")
    (folder / "near.py").write_text("def f():\n    from .far import g\n    return g()\n")
    (folder / "far.py").write_text("def g():\n    return 1\n")
    (folder / "other.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code_digest.cache_clear()
    _home_of.cache_clear()
    yield folder
    sys.modules.pop("paquet", None)
    code_digest.cache_clear()
    _home_of.cache_clear()


def test_every_way_to_import_is_followed(package: Path) -> None:
    from recsys.store.keys import _imported

    for number in range(5):
        (package / f"m{number}.py").write_text("")
    (package / "all.py").write_text(
        "import paquet.m0, json\nfrom . import m1 as x, nothing\nfrom .m2 import *\nclass C:\n"
        "    def f(self):\n        return lambda: __import__('paquet.m4')\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import paquet.m3\n"
    )
    assert _imported("paquet.all", package / "all.py") == {"paquet", *(f"paquet.m{number}" for number in range(4))}


def test_no_syntax_tree_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 fails where two threads make one at the same time, and we do not own the other thread."""
    import ast

    from recsys.store.keys import _imported

    _imported.cache_clear()
    code_digest.cache_clear()
    monkeypatch.setattr(ast, "parse", None)
    assert len(code_digest("recsys.experiment.fit")) == 64


@pytest.mark.parametrize(("changed", "matters"), [("stage", True), ("near", True), ("far", True), ("other", False)])
def test_closure_of_imports(package: Path, changed: str, matters: bool) -> None:
    before = code_digest("paquet.stage")
    path = package / f"{changed}.py"
    path.write_text(path.read_text() + "# changed\n")
    code_digest.cache_clear()
    assert (code_digest("paquet.stage") != before) == matters


def test_the_registry_is_no_code_of_a_stage() -> None:
    from recsys.store.keys import _imported, _source

    path = _source("recsys.experiment.fit")
    assert path is not None
    assert "recsys.models.registry" in _imported("recsys.experiment.fit", path)
    assert code_digest("recsys.experiment.fit") == code_digest("recsys.experiment.fit", "recsys.models.registry")


def closure(*modules: str) -> set[str]:
    from recsys.store import keys

    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = keys._source(name)
        if name not in seen and name not in keys.NOT_CODE_OF_A_STAGE and path is not None:
            seen.add(name)
            waiting += keys._imported(name, path)
    return seen


def test_a_model_is_not_in_the_key_of_another() -> None:
    """Editing one model refits that one."""
    seen = closure("recsys.experiment.fit", "recsys.models.ease")
    assert "recsys.models.ease" in seen
    assert not seen & {f"recsys.models.{name}" for name in ("popularity", "mf", "two_tower", "user_knn")}


def test_a_message_of_the_spec_refits_nothing() -> None:
    seen = closure("recsys.experiment.fit")
    assert not seen & {"recsys.experiment.spec", "recsys.experiment.trouble", "recsys.comparison.leaderboard"}


def test_a_template_is_code(package: Path) -> None:
    (package / "page.html").write_text("<p>")
    before = code_digest("paquet.stage")
    (package / "page.html").write_text("<b>")
    code_digest.cache_clear()
    assert code_digest("paquet.stage") != before


def test_unknown_module() -> None:
    with pytest.raises(ModuleNotFoundError):
        code_digest("recsys.no_such_module")


def test_digest_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


def test_a_module_that_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_model.py").write_text("import json\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _home_of.cache_clear()
    code_digest.cache_clear()
    before = code_digest("lonely_model")
    (tmp_path / "lonely_model.py").write_text("import json  # changed\n")
    code_digest.cache_clear()
    assert code_digest("lonely_model") != before
