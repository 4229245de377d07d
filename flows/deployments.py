"""The deployments of this project: prefect.yaml, made from the specs in conf/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from recsys.errors import InputError, RunError
from recsys.experiment.documents import read_document
from recsys.experiment.spec import Experiment

POOL = "local"
ROOT = Path(__file__).resolve().parent.parent
FILE = "prefect.yaml"
HEADER = "# Made from conf/ by `recsys deploy --write`; a test holds the two together.\n"


def prefect_yaml(root: Path = ROOT) -> str:
    """The text of prefect.yaml: a deployment `compare/<stem>` for every spec in conf/."""
    content = {
        "name": "recsys",
        # The worker's environment says where the project is, so that no path is written down.
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $RECSYS_ROOT }}"}}],
        "deployments": [_comparison(path) for path in sorted((root / "conf").glob("*.yaml"))],
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _comparison(path: Path) -> dict[str, Any]:
    Experiment.load(path)
    first = path.read_text().splitlines()[0]
    return {
        "name": path.stem,
        "entrypoint": "flows.compare.compare",
        "description": first.lstrip("# ") if first.startswith("#") else None,
        "tags": ["compare"],
        "parameters": {"spec": read_document(path), "overrides": []},
        "work_pool": {"name": POOL},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


def register(api_url: str, environment: dict[str, str]) -> None:
    """Make the work pool and register every deployment of prefect.yaml. Raises RunError where Prefect refuses."""
    file = ROOT / FILE
    if not file.exists():
        raise InputError(str(file), "there is no such file", "write it with `recsys deploy --write`")
    _prefect(["work-pool", "create", POOL, "--type", "process", "--overwrite"], api_url, environment)
    _prefect(["--no-prompt", "deploy", "--all", "--prefect-file", str(file)], api_url, environment)


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
