"""The deployments of this project: prefect.yaml, made from the specs in conf/."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.events import CHANGED, DONE, resource_of
from recsys.errors import InputError, RunError
from recsys.experiment.documents import read_document
from recsys.experiment.spec import Experiment

POOL = "local"
# One experiment at a time keeps the cores busy; what only writes lists or tells of trouble must not wait for it.
HEAVY, QUICK = "default", "quick"
AT_ONCE = 4
ROOT = Path(__file__).resolve().parent.parent
FILE = "prefect.yaml"
HEADER = "# Made from conf/ by `recsys deploy --write`; a test holds the two together.\n"

NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
# On the first day of a month, hours after the nightly retraining began.
MONTHLY = {"cron": "0 6 1 * *", "timezone": "Europe/Berlin"}
# On Sundays, hours after the nightly retraining began.
WEEKLY = {"cron": "0 5 * * 0", "timezone": "Europe/Berlin"}
# Longer than any retraining should take, and than any night should go without one, in seconds.
ZOMBIE = 4 * 3600
SILENCE = 36 * 3600
ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")


def prefect_yaml(root: Path = ROOT) -> str:
    """The text of prefect.yaml.

    `compare/<stem>` for every spec in conf/; `retrain/<stem>` for those with a section `retrain`, with
    `tune/monthly`, `backtest/weekly`, `publish/after-promotion` and `notify/trouble` beside them.
    """
    paths = sorted((root / "conf").glob("*.yaml"))
    retrained = [path for path in paths if "retrain" in read_document(path)]
    content = {
        "name": "recsys",
        # The worker's environment says where the project is, so that no path is written down.
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $RECSYS_ROOT }}"}}],
        "deployments": [
            *(_comparison(path) for path in paths),
            *(deployment for path in retrained for deployment in _retraining(path)),
        ],
    }
    return HEADER + yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes the same value twice rather than naming it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _comparison(path: Path) -> dict[str, Any]:
    Experiment.load(path)
    return _heavy("compare", path.stem, path, _first_comment(path))


def _heavy(
    flow: str,
    name: str,
    path: Path,
    description: str | None,
    schedule: Mapping[str, str] | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """A deployment that works on the spec at `path` and keeps the cores busy: never twice at once."""
    return {
        "name": name,
        "entrypoint": f"flows.{flow}.{flow}",
        "description": description,
        "tags": [flow],
        "parameters": {"spec": read_document(path), "overrides": [], **parameters},
        **({} if schedule is None else {"schedules": [dict(schedule)]}),
        "work_pool": {"name": POOL},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


def _retraining(path: Path) -> list[dict[str, Any]]:
    name = Experiment.load(path).name
    champion = {"prefect.resource.id": resource_of(name)}
    flow = {"prefect.resource.role": "flow", "prefect.resource.name": "retrain"}
    run = {"type": "event", "match": {"prefect.resource.id": "prefect.flow-run.*"}, "match_related": flow}
    searched = f"The settings of {name} searched anew; the tuned spec is in the run's artifacts in MLflow."
    aged = f"How fast the models of {name} age, and how often to retrain them."
    retrain = _heavy("retrain", path.stem, path, _first_comment(path), NIGHTLY, as_of=None)
    tune = _heavy("tune", "monthly", path, searched, MONTHLY)
    backtest = _heavy("backtest", "weekly", path, aged, WEEKLY, every=None, periods=None)
    publish = {
        "name": "after-promotion",
        "entrypoint": "flows.publish.publish",
        "description": f"The lists of {name} to RECSYS_PUBLISH_TO whenever its champion changes.",
        "parameters": {"name": name, "to": None},
        "work_pool": {"name": POOL, "work_queue_name": QUICK},
        "triggers": [{"type": "event", "match": champion, "expect": [CHANGED]}],
    }
    notify = {
        "name": "trouble",
        "entrypoint": "flows.notify.notify",
        "description": f"A word to RECSYS_NOTIFY_FILE and RECSYS_NOTIFY_URL when {name} needs a person.",
        "parameters": {"text": "something needs a person"},
        "work_pool": {"name": POOL, "work_queue_name": QUICK},
        "triggers": [
            run
            | {
                "name": "retraining failed",
                "expect": [f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")],
                "parameters": {"text": "a retraining failed: see its flow run, and docs/runbook.md"},
            },
            run
            | {
                "name": "retraining hangs",
                "posture": "Proactive",
                "after": ["prefect.flow-run.Running"],
                "expect": [f"prefect.flow-run.{state}" for state in ENDS],
                "for_each": ["prefect.resource.id"],
                "within": ZOMBIE,
                "parameters": {"text": f"a retraining hangs for {ZOMBIE // 3600} hours: see docs/runbook.md"},
            },
            {
                "name": "no retraining",
                "type": "event",
                "posture": "Proactive",
                "match": champion,
                "expect": [DONE],
                "within": SILENCE,
                "parameters": {"text": f"{name}: no successful retraining for {SILENCE // 3600} hours"},
            },
        ],
    }
    return [retrain, tune, backtest, publish, notify]


def _first_comment(path: Path) -> str | None:
    first = path.read_text().splitlines()[0]
    return first.lstrip("# ") if first.startswith("#") else None


def register(api_url: str, environment: dict[str, str]) -> None:
    """Make work pool and queues, and register every deployment of prefect.yaml. Raises RunError where Prefect
    refuses."""
    file = ROOT / FILE
    if not file.exists():
        raise InputError(str(file), "there is no such file", "write it with `recsys deploy --write`")
    for arguments in (
        ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
        ["work-queue", "set-concurrency-limit", HEAVY, "1", "--pool", POOL],
        ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
    ):
        _prefect(arguments, api_url, environment)


def _prefect(arguments: list[str], api_url: str, environment: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("prefect")), *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PREFECT_API_URL": api_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RunError(
            "prefect " + next(word for word in arguments if word[0] != "-"),
            words[-1] if words else "failed",
            f"is {api_url} answering?",
        )
