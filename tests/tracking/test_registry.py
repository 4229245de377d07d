"""Versions and aliases in a real registry: one promotion at a time, each with its decision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from faults.proxy import mlflow_server

from recsys.errors import InputError, RunError
from recsys.settings import Settings
from recsys.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, OvertakenError, Registry
from recsys.tracking.runs import Tracker


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("1")
    return folder


@pytest.fixture
def add(settings: Settings, registry: Registry, model: Path):
    """Registers a version under a run key; how often a model was logged for it."""
    tracker, logged = Tracker(settings), []

    def registered(key: str, name: str = "shop"):
        run = tracker.open_parent(name, key, {}, {})

        def log() -> str:
            logged.append(key)
            return tracker.log_model(run, run.run_id, "ease", model, {})

        return registry.register(name, key, run.run_id, log, {"label": "ease", "text": "x" * 3000})

    registered.logged = logged
    return registered


def numbers(registry: Registry) -> list[int | None]:
    found = [registry.alias("shop", alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)]
    return [version.number if version else None for version in found]


def test_files_that_a_server_keeps_and_loses(
    settings: Settings, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_server(settings.root) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
        there = Settings()
        tracker, registry = Tracker(there), Registry(there)
        run = tracker.open_parent("shop", "key", {}, {})
        made = registry.register(
            "shop", "key", run.run_id, lambda: tracker.log_model(run, run.run_id, "ease", model, {}), {}
        )
        assert (registry.folder(made) / "weights").read_text() == "1"
        shutil.rmtree(settings.artifacts)
        with pytest.raises(InputError, match=r"version 1: MLflow has no files at .*\(recsys champion rollback shop\)"):
            registry.folder(made)
        # A server that is away is another matter.
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RunError, match="MLflow's registry at"):
        registry.folder(made)


class TestRegistering:
    def test_nothing_is_registered(self, registry):
        assert registry.alias("shop", CHAMPION) is None
        assert registry.versions("shop") == []
        assert registry.names() == []

    def test_a_version_with_its_files_and_tags(self, registry, add):
        made = add("a")
        assert (made.number, made.name) == (1, "shop")
        assert registry.version("shop", 1).tags["label"] == "ease"
        assert (registry.folder(made) / "weights").read_text() == "1"
        assert numbers(registry) == [None, 1, None]
        assert registry.names() == ["shop"]

    def test_the_same_run_again_makes_no_other(self, registry, add):
        assert add("a").number == add("a").number == 1
        assert add.logged == ["a"]
        assert [version.number for version in registry.versions("shop")] == [1]

    def test_one_whose_answer_was_lost_goes(self, registry, add, monkeypatch):
        """MLflow's client asked again, and the registry made a second one; with a name it stays."""
        make = registry.client.create_model_version
        monkeypatch.setattr(
            registry.client, "create_model_version", lambda *args, **more: (make(*args, **more), make(*args, **more))
        )
        assert add("a").number == 1
        assert [version.number for version in registry.versions("shop")] == [1]
        assert add("b").number == 3
        assert [version.number for version in registry.versions("shop")] == [1, 3]
        monkeypatch.undo()
        run = registry.version("shop", 3)
        make("recsys-shop", run.source, run.run_id, {"run_key": "b"})
        registry.promote("shop", 5, None, {})
        assert add("b").number == 3
        assert numbers(registry) == [5, 3, None]

    def test_versions_of_others_do_not_count(self, registry, add):
        add("a")
        add("b", name="shop-2")
        assert [version.number for version in registry.versions("shop")] == [1]
        assert registry.names() == ["shop", "shop-2"]

    def test_a_version_that_is_not_there(self, registry, add):
        add("a")
        with pytest.raises(InputError, match="version 7 of shop: there is no such version; there are: 1"):
            registry.version("shop", 7)


class TestPromoting:
    def test_one_after_the_other(self, registry, add):
        add("a")
        registry.promote("shop", 1, None, {"verdict": "promoted"})
        assert numbers(registry) == [1, None, None]
        add("b")
        registry.promote("shop", 2, 1, {})
        assert numbers(registry) == [2, None, 1]
        assert registry.version("shop", 1).tags["verdict"] == "promoted"

    def test_twice_is_once(self, registry, add):
        add("a")
        add("b")
        for _ in range(2):
            registry.promote("shop", 1, None, {})
        for _ in range(2):
            registry.promote("shop", 2, 1, {})
        assert numbers(registry) == [2, None, 1]

    def test_the_second_of_two_that_were_about_one_champion_has_lost(self, registry, add):
        for key in "abc":
            add(key)
        registry.promote("shop", 1, None, {})
        registry.promote("shop", 2, 1, {})
        with pytest.raises(OvertakenError, match="version 2 is champion, the decision was about 1"):
            registry.promote("shop", 3, 1, {})
        assert numbers(registry) == [2, 3, 1]

    def test_back_and_forth(self, registry, add):
        add("a")
        add("b")
        registry.promote("shop", 1, None, {})
        registry.promote("shop", 2, 1, {})
        registry.promote("shop", 1, 2, {})
        assert numbers(registry) == [1, None, 2]


def test_a_registry_that_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RunError, match=r"registry at http://127\.0\.0\.1:9"):
        Registry(Settings()).versions("shop")
