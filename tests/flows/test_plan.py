"""What `--dry-run` says before anything is fitted."""

from __future__ import annotations

import yaml

from flows.command import Speech
from flows.commands.plan import plan_of, say_plan
from recsys.settings import Settings


def test_a_fit_that_needs_more_than_is_free_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    models = [{"name": "popularity"}, {"name": "mf", "embedding_size": 10**9}]
    data = {"source": "synthetic", "users": 60, "items": 30, "interactions": 900}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({"name": "wide", "data": data, "models": models}))
    plan = plan_of(tmp_path / "spec.yaml", [], Settings())
    say_plan(plan, Speech())
    lines = {line.split()[0]: line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["mf"].endswith("more than is free")
    assert "free" not in lines["popularity"]
