"""prefect.yaml: made from conf/, current, and registered by Prefect's own commands."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.events import DeploymentTriggerTypes
from prefect.server.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.schema_tools.validation import validate
from pydantic import TypeAdapter

from flows import deployments
from flows.deployments import FILE, POOL, ROOT, prefect_yaml, register
from recsys.errors import InputError, RunError
from recsys.experiment.documents import read_document


def named() -> list[tuple[str, dict[str, Any]]]:
    """The deployments, each with its whole name."""
    found = yaml.safe_load(prefect_yaml())["deployments"]
    return [(f"{import_object(each['entrypoint']).name}/{each['name']}", each) for each in found]


class TestFile:
    def test_is_current(self):
        written = (ROOT / FILE).read_text()
        assert written == prefect_yaml(), "run: recsys deploy --write"

    def test_a_comparison_a_spec_with_its_very_parameters(self):
        specs = {path.stem: path for path in (ROOT / "conf").glob("*.yaml")}
        comparisons = [each for name, each in named() if name.startswith("compare/")]
        assert {each["name"] for each in comparisons} == set(specs)
        assert {"demo", "movielens-100k", "my-data"} <= set(specs)
        for each in comparisons:
            assert each["parameters"] == {"spec": read_document(specs[each["name"]]), "overrides": []}
            assert each["work_pool"] == {"name": POOL}
            assert each["concurrency_limit"]["limit"] == 1
            assert each["description"]

    def test_what_retrains(self):
        found = dict(named())
        assert set(found) >= {"retrain/nightly", "publish/after-promotion", "notify/trouble"}
        nightly = found["retrain/nightly"]
        assert nightly["schedules"] == [{"cron": "0 3 * * *", "timezone": "Europe/Berlin"}]
        assert nightly["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        expected = [trigger["expect"] for trigger in found["notify/trouble"]["triggers"]]
        assert ["prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"] in expected
        assert ["recsys.retraining.done"] in expected
        assert found["publish/after-promotion"]["triggers"][0]["expect"] == ["recsys.champion.changed"]

    def test_the_weekly_backtest(self):
        """Of what retrains, with its spec, on Sundays; the data say what a period is."""
        weekly = dict(named())["backtest/weekly"]
        assert weekly["schedules"] == [{"cron": "0 5 * * 0", "timezone": "Europe/Berlin"}]
        spec = read_document(ROOT / "conf" / "nightly.yaml")
        assert weekly["parameters"] == {"spec": spec, "overrides": [], "every": None, "periods": None}
        assert weekly["work_pool"] == {"name": POOL}

    def test_what_tunes(self):
        monthly = dict(named())["tune/monthly"]
        assert monthly["schedules"] == [{"cron": "0 6 1 * *", "timezone": "Europe/Berlin"}]
        assert monthly["parameters"]["spec"] == read_document(ROOT / "conf" / "nightly.yaml")

    @pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)], ids=["spring", "autumn"])
    def test_one_night_a_day_where_the_clock_changes(self, change):
        """No hour that is skipped or that comes twice: one tick a day, a day of 23 or 25 hours included."""
        nightly = dict(named())["retrain/nightly"]["schedules"][0]
        begin = datetime.combine(change - timedelta(days=2), time(), ZoneInfo("Europe/Berlin"))
        found = asyncio.run(CronSchedule(**nightly).get_dates(n=5, start=begin))
        local = [tick.astimezone(ZoneInfo("Europe/Berlin")) for tick in found]
        assert [tick.date() for tick in local] == [begin.date() + timedelta(days=n) for n in range(5)]
        assert {tick.hour for tick in local} == {3}

    def test_every_trigger_is_one_that_prefect_takes(self):
        for name, each in named():
            for trigger in each.get("triggers", []):
                TypeAdapter(DeploymentTriggerTypes).validate_python({"name": name, **trigger})

    def test_every_entrypoint_is_a_flow_that_takes_them(self):
        for name, each in named():
            flow = import_object(each["entrypoint"])
            assert flow.name == name.partition("/")[0]
            schema = parameter_schema(flow.fn).model_dump()
            validate(each["parameters"], schema, raise_on_error=True, preprocess=True)

    def test_no_path_of_this_machine_stands_in_it(self):
        assert str(ROOT) not in prefect_yaml()

    def test_a_spec_without_a_first_comment(self, tmp_path):
        (tmp_path / "conf").mkdir()
        text = "name: x\ndata: {source: synthetic}\nmodels: [ease]\n"
        (tmp_path / "conf" / "x.yaml").write_text(text)
        assert yaml.safe_load(prefect_yaml(tmp_path))["deployments"][0]["description"] is None

    def test_a_spec_that_is_wrong(self, tmp_path):
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "x.yaml").write_text("name: x\ndata: {source: synthetic}\nmodels: [easy]\n")
        with pytest.raises(InputError, match="no model is called 'easy'"):
            prefect_yaml(tmp_path)


class TestRegistering:
    @pytest.fixture
    def prefect(self, monkeypatch):
        """Notes Prefect's commands; `fails` at the one with this word."""
        called = SimpleNamespace(commands=[], options=[], fails="")

        def run(command, **options):
            called.commands.append(command)
            called.options.append(options)
            failed = bool(called.fails) and called.fails in command
            return SimpleNamespace(returncode=int(failed), stdout="", stderr="one\nno such pool\n" if failed else "")

        monkeypatch.setattr(deployments.subprocess, "run", run)
        return called

    def test_the_pool_and_then_every_deployment(self, prefect):
        register("http://127.0.0.1:4200/api", {"RECSYS_ROOT": "here"})
        assert {Path(command[0]).name for command in prefect.commands} == {"prefect"}
        assert prefect.commands[0][1:] == ["work-pool", "create", POOL, "--type", "process", "--overwrite"]
        assert prefect.commands[1][1:] == ["work-queue", "set-concurrency-limit", "default", "1", "--pool", POOL]
        assert prefect.commands[2][1:] == ["--no-prompt", "deploy", "--all", "--prefect-file", str(ROOT / FILE)]
        for options in prefect.options:
            assert options["env"] == {"RECSYS_ROOT": "here", "PREFECT_API_URL": "http://127.0.0.1:4200/api"}
            assert options["cwd"] == ROOT

    def test_prefect_refuses(self, prefect):
        prefect.fails = "deploy"
        with pytest.raises(RunError, match=r"no such pool; is http://127\.0\.0\.1:4200/api answering\?"):
            register("http://127.0.0.1:4200/api", {})

    def test_there_is_no_file(self, prefect, tmp_path, monkeypatch):
        monkeypatch.setattr(deployments, "ROOT", tmp_path)
        with pytest.raises(InputError, match="there is no such file; write it with `recsys deploy --write`"):
            register("http://127.0.0.1:4200/api", {})
        assert prefect.commands == []
