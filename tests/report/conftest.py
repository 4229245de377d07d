"""Folders as `recsys.comparison.assemble` leaves them, with made-up lists, and a browser to open reports with."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from installed import browser as installed_browser

from recsys.comparison.leaderboard import OK, Outcome, leaderboard
from recsys.data.dataset import Dataset, Entities
from recsys.data.interactions import DAY
from recsys.data.summary import summarise
from recsys.metrics.passport import passport_hash
from recsys.metrics.registry import METRICS, column, is_primary
from recsys.splits.account import account
from recsys.splits.config import RandomSplit
from recsys.splits.splitting import split

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@dataclass(frozen=True)
class Made:
    """A model with made-up lists: how often it hits, what it cost, why it failed, its steps by epoch."""

    label: str
    skill: float = 0.3
    control: bool = False
    status: str = OK
    seconds: float = 1.0
    steps: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def epochs(n: int, best: int, height: float, metric: str = "ndcg@10") -> list[dict[str, Any]]:
    """Steps of a model that was watched on validation for n epochs and then fitted for the best number."""
    sign = 1 if METRICS[metric.partition("@")[0]].higher_is_better else -1

    def step(phase: str, epoch: int, epochs: int) -> dict[str, Any]:
        return {"phase": phase, "epoch": epoch, "epochs": epochs, "loss": 0.2 + math.exp(-epoch / 6)}

    def value(epoch: int) -> float:
        return height - sign * (0.3 * math.exp(-epoch / 3) + 0.002 * max(0, epoch - best))

    watched = [step("validation", epoch, n) | {metric: value(epoch)} for epoch in range(1, n + 1)]
    return watched + [step("fit", epoch, best) for epoch in range(1, best + 1)]


NINE = (
    Made("ease", 0.44, seconds=1.9, settings={"regularization": 500.0}),
    Made("lightfm-warp", 0.42, seconds=21.0, settings={"embedding_size": 64, "epochs": 30}, steps=epochs(30, 22, 0.33)),
    Made("user-knn", 0.40, seconds=0.8, settings={"neighbors": 60}),
    Made("item-knn", 0.385, seconds=0.5, settings={"neighbors": 100, "shrinkage": 10}),
    Made("two-tower", 0.36, seconds=64.0, settings={"embedding_size": 64, "epochs": 40}, steps=epochs(40, 31, 0.29)),
    Made("popularity", 0.217, control=True, seconds=0.01),
    Made("recent-popularity", 0.20, seconds=0.02, settings={"window": "30d"}),
    Made("mf", 0.06, seconds=38.0, settings={"embedding_size": 32, "epochs": 20}, steps=epochs(20, 14, 0.93, "rmse")),
    Made("random", 0.01, control=True, seconds=0.004),
)


def small_data(n_users: int = 120, n_items: int = 60, values: bool = True, times: bool = True) -> Dataset:
    """A data set of a third of all pairs, popular items first."""
    random = np.random.default_rng(3)
    appeal = np.linspace(0.8, 0.05, n_items)
    user, item = np.nonzero(random.random((n_users, n_items)) < appeal)
    n = len(user)
    return Dataset(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        value=random.choice([1, 2, 3, 4, 5], n, p=[0.06, 0.11, 0.27, 0.34, 0.22]).astype(np.float32)
        if values
        else None,
        timestamp=random.integers(9_000, 9_200, n) * DAY if times else None,
        part=None,
        users=Entities(np.arange(n_users) + 1, pd.DataFrame(index=range(n_users)), {}),
        items=Entities(np.arange(n_items) + 1, pd.DataFrame({"title": ["<i>"] * n_items}), {"title": "text"}),
        sessions=None,
        clock="time",
        account={"read": n + 4, "dropped_duplicates": 4, "kept": n},
        columns={},
    )


def write_board(
    folder: Path,
    models: tuple[Made, ...] = NINE,
    data: Dataset | None = None,
    *,
    name: str = "small",
    n_users: int = 120,
    metrics: tuple[str, ...] = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage", "novelty"),
    ks: tuple[int, ...] = (5, 10, 50),
    primary: str = "ndcg@10",
    seeds: tuple[int, ...] = (42,),
    warnings: tuple[str, ...] = (),
) -> tuple[Path, Path]:
    """Write a board and its data set below a folder, and return both places."""
    board, dataset = folder / "board", folder / "dataset"
    board.mkdir()
    dataset.mkdir()
    data = data or small_data()
    data.save(dataset)
    columns = list(dict.fromkeys(column(name, k) for name in metrics for k in ks))
    per_user = _per_user(models, seeds, n_users, [each for each in columns if is_primary(each)], max(ks))
    random = np.random.default_rng(8)
    outcomes = [_outcome(model, columns, seeds, random) for model in models]
    shown = [each for each in columns if is_primary(each)]
    found = leaderboard(per_user, outcomes, columns, primary, intervals=shown, resamples=500)
    found.frame.to_csv(board / "leaderboard.csv", index=False)
    found.intervals.to_csv(board / "intervals.csv", index=False)
    found.differences.to_csv(board / "differences.csv", index=False)
    per_user.to_parquet(board / "per_user.parquet", index=False)
    running = [model for model in models if model.status == OK]
    curves = {f"{model.label}/{seed}/0": model.steps for model in running for seed in seeds}
    (board / "curves.json").write_text(json.dumps(curves))
    spec = _spec(models, name, metrics, ks, primary, seeds)
    (board / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True))
    choices = {"exclude_seen": True, "users": "warm", "candidates": "train", "positive": 4.0, "refit": True}
    manifest = {
        "run_key": "f3" * 16,
        "name": name,
        "data": {"digest": "a1" * 32, "inputs": {"u.data": "06" * 32}, "account": data.account, **summarise(data)},
        "split": {"digest": "b2" * 32, "folds": [account(data, each, 4.0) for each in split(data, RandomSplit())]},
        "code": "c3" * 32,
        "source": {"git.commit": "d4" * 20, "git.dirty": "true"},
        "choices": choices,
        "passports": {each: passport_hash(each, **choices) for each in columns},
        "versions": {"python": "3.11.7", "numpy": "2.3.0", "torch": "2.13.0"},
        "seeds": list(seeds),
        "threads": 1,
        "warnings": list(warnings),
        "mlflow_run_id": "e5" * 16,
        "best": found.best,
        "note": found.note,
        "failures": {model.label: model.status for model in models if model.status != OK},
        "cold": {},
    }
    (board / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return board, dataset


def _per_user(
    models: tuple[Made, ...], seeds: tuple[int, ...], n_users: int, columns: list[str], longest: int
) -> pd.DataFrame:
    """Metrics of drawn hits: the same taste behind all models of a user, the first ranks hit most."""
    taste = np.random.default_rng(1).beta(2, 2.2, n_users) * 1.1
    relevant = np.maximum(np.random.default_rng(2).poisson(20, n_users), 1)
    by_rank = np.arange(1, longest + 1) ** -0.35
    tables = []
    for number, model in enumerate(models):
        for seed in seeds if model.status == OK else ():
            random = np.random.default_rng([number, seed])
            chance = np.clip(2.6 * model.skill * taste[:, None] * by_rank, 0, 0.98)
            hits = random.random((n_users, longest)) < chance
            hits &= np.cumsum(hits, axis=1) <= relevant[:, None]
            values = {each: _value(each, hits, relevant, random) for each in columns}
            about = {"model": model.label, "seed": seed, "fold": 0, "user": np.arange(n_users) + 1}
            tables.append(pd.DataFrame(about | values))
    empty = {name: [] for name in ("model", "seed", "fold", "user", *columns)}
    return pd.concat(tables) if tables else pd.DataFrame(empty)


def _value(name: str, hits: np.ndarray, relevant: np.ndarray, random: np.random.Generator) -> np.ndarray:
    metric, _, k = name.partition("@")
    if METRICS[metric].needs == "hits":
        return METRICS[metric].compute(hits, relevant, int(k))
    return random.normal(4, 1, len(hits)) if metric == "novelty" else random.gamma(8, 0.115, len(hits))


def _outcome(model: Made, columns: list[str], seeds: tuple[int, ...], random: np.random.Generator) -> Outcome:
    if model.status != OK:
        return Outcome(model.label, model.control, status=model.status)
    whole = [each for each in columns if not is_primary(each)]
    return Outcome(
        model.label,
        model.control,
        seeds=len(seeds),
        overall={each: float(0.05 + 0.002 * int(each.partition("@")[2])) for each in whole},
        measured={
            "fit_seconds": model.seconds,
            "recommend_seconds": float(random.gamma(2, 0.2)),
            "cpu_seconds": model.seconds * 1.3 + 1,
            "peak_memory_mb": float(random.integers(180, 620)),
            "model_bytes": int(random.integers(20_000, 12_000_000)),
            "mlflow_run_id": "0a" * 16,
        },
    )


def _spec(
    models: tuple[Made, ...],
    name: str,
    metrics: tuple[str, ...],
    ks: tuple[int, ...],
    primary: str,
    seeds: tuple[int, ...],
) -> dict[str, Any]:
    return {
        "name": name,
        "data": {"source": "movielens-100k", "duplicates": "error", "min_user_count": 0},
        "split": {"kind": "random", "test": 0.2, "validation": 0.1, "seed": 42},
        "positive": 4.0,
        "models": [{"name": "ease", "label": model.label, **model.settings} for model in models],
        "evaluation": {
            "metrics": list(metrics),
            "k": list(ks),
            "primary": primary,
            "exclude_seen": True,
            "candidates": "train",
        },
        "seeds": list(seeds),
        "refit": True,
        "runner": {"kind": "local", "workers": "auto"},
    }


@pytest.fixture
def boards():
    """The builder of boards."""
    return write_board


@pytest.fixture
def made():
    """The class of a made-up model."""
    return Made


@pytest.fixture
def data():
    """The builder of small data sets."""
    return small_data


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium browser; the test is skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = installed_browser()
    if found is None:
        pytest.skip("no Chromium browser is installed")
    return found


@pytest.fixture(scope="module")
def browser(chromium):
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        yield launched
        launched.close()


@pytest.fixture
def opened(browser):
    """Opens a page with context options; nothing may be said on the console, nothing else be asked for."""
    visits = []

    def open_page(address, **options):
        page = browser.new_context(**options).new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        visits.append((page, said, asked, address))
        return page

    yield open_page
    for page, said, asked, address in visits:
        page.context.close()
        assert said == []
        assert asked == [address]


@pytest.fixture
def shown(opened, tmp_path):
    """Opens the text of a page with context options."""

    def open_text(text, **options):
        path = tmp_path / f"{len(list(tmp_path.glob('*.html')))}.html"
        path.write_text(text, encoding="utf-8")
        return opened(path.as_uri(), **options)

    return open_text
