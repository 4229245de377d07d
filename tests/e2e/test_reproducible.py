"""The same experiment elsewhere: another folder, time zone, locale, hash seed and order of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faults.harness import WORLD, Workplace, assert_same

from recsys.models.registry import BUILT_IN

ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "4711"}
FEW: list[Any] = ["ease", {"name": "two-tower", "epochs": 3}, {"name": "lightfm-warp", "epochs": 3}]
ALL = [name for name in BUILT_IN if name != "external"]


@pytest.mark.parametrize("models", [FEW, pytest.param(ALL, marks=pytest.mark.soak)], ids=["few", "all"])
def test_the_same_everywhere(tmp_path: Path, databases: Path, server: str, models: list[Any]) -> None:
    """To the last bit, on as many threads; the models in reverse order are begun, and end, in another one."""
    evaluation = {"metrics": ["ndcg", "recall", "coverage", "novelty"], "k": [5, 10]}
    spec = {"name": "here", "data": WORLD, "models": models, "evaluation": evaluation}
    spec |= {"split": {"kind": "random", "validation": 0.1}, "runner": {"workers": 2}}
    here = Workplace(tmp_path / "here", spec).seed(databases)
    there = Workplace(tmp_path / "somewhere else" / "ütopia", {**spec, "models": models[::-1]}).seed(databases)
    for place, env in ((here, {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}), (there, ELSEWHERE)):
        ended = place.run(PREFECT_API_URL=server, **env)
        assert ended.status == 0, ended.said
    one, other = (ordered(place.result()) for place in (here, there))
    assert_same(one, other)


def ordered(result: dict[str, Any]) -> dict[str, Any]:
    """The tables of a result in an order that does not depend on that of the models."""
    keys = {"leaderboard": ["model"], "recommendations": ["model", "seed", "fold", "user", "rank"]}
    keys["per_user"] = ["model", "seed", "fold", "user"]
    return {name: table.sort_values(keys[name], ignore_index=True) for name, table in result.items()}
