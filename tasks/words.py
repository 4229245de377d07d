"""Stages in words, for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recsys.data.text import count
from recsys.experiment.trials import Tuned
from recsys.models.base import ModelConfig
from recsys.store import Ref


def split_lines(account: Mapping[str, Any], name: str) -> list[str]:
    """What a fold holds, from `recsys.splits.account.account`."""
    parts = [part for part in ("train", "validation", "test", "history") if account[part]["rows"]]
    rows = ", ".join(f"{account[part]['rows']:,} {part}" for part in parts)
    unused = f", {account['unused']:,} unused" if account["unused"] else ""
    users = count(account["warm_test_users_with_positives"], "warm test user")
    cold = f"{count(account['cold_users'], 'cold user')}, {count(account['cold_items'], 'cold item')}"
    return [f"{name + ': ' if name else ''}{rows}{unused}; {users}, {cold}"]


def tuned_line(tuned: Tuned, model: ModelConfig, cached: bool = False) -> str:
    """What tuning a model came to."""
    if cached:
        return "tuned before"
    others = [f"{n} {state}" for state in ("pruned", "failed", "unfinished") if (n := tuned.count(state))]
    about = f" ({', '.join(others)})" if others else ""
    changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in tuned.changes(model).items())
    gain = f"validation {tuned.metric} {tuned.before:.4f} -> {tuned.after:.4f}"
    trials = count(len(tuned.trials), "trial")
    return f"tuned by {trials}{about} in {tuned.seconds:.1f} s: {gain}; {changes or 'settings as they were'}"


def fit_line(ref: Ref) -> str:
    """What a stored fit took."""
    if ref.cached:
        return "fitted before"
    measured = json.loads((ref.folder / "measured.json").read_text())
    epochs = f", {measured['best_epoch']} epochs chosen on validation" if "best_epoch" in measured else ""
    return f"fitted in {measured['fit_seconds']:.1f} s, {measured['peak_memory_mb']:,.0f} MB{epochs}"
