"""What a user waits for: the commands, on empty and warm homes and against running servers."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from recsys.processes import cores, wait_until
from tests.benchmarks.measure import Figure, command

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("dataset", "split", "fit", "evaluation", "comparison", "report")
RECSYS = str(Path(sys.executable).with_name("recsys"))


def figures() -> Iterator[Figure]:
    """All of them, in the order of the page."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _help()
        yield from _demo(Path(folder))
        yield from _movielens_1m(Path(folder))
        yield from _all_of_1m(Path(folder))


def _help() -> Iterator[Figure]:
    yield command("recsys --help", [RECSYS, "--help"], "≤ 0.5 s", runs=5)


def _demo(folder: Path) -> Iterator[Figure]:
    home, out = folder / "home", folder / "out"
    words = [RECSYS, "compare", str(ROOT / "conf" / "demo.yaml"), "--quiet", "--out", str(out)]
    env = {"RECSYS_HOME": str(home)}
    whole = command(
        "recsys compare conf/demo.yaml, nine models, empty home",
        words,
        "≤ 240 s",
        cwd=folder,
        env=env,
        prepare=lambda: shutil.rmtree(home, ignore_errors=True),
    )
    yield whole
    yield _overhead("of it, not fit, scoring or metrics", whole, home, "≤ 30 s")
    yield from _stages(home, out)
    yield command("the same spec again, finished", words, "≤ 3 s", runs=5, cwd=folder, env=env)
    yield from _fresh("the same, everything fitted anew, warm home", words, env, "≤ 15 s")
    with _servers(home) as url:
        yield from _fresh("the same against running servers", words, {**env, "PREFECT_API_URL": url}, "≤ 8 s")


def _fresh(what: str, words: Sequence[str], env: dict[str, str], target: str) -> tuple[Figure, Figure]:
    """The run with the median overhead of three, and that overhead."""
    home = Path(env["RECSYS_HOME"])
    runs = []
    for _ in range(3):
        whole = command(what, [*words, "--fresh"], "", cwd=home.parent, env=env)
        runs.append((whole, _overhead("of it, not fit, scoring or metrics", whole, home, target)))
    runs.sort(key=lambda run: run[1].wall)
    return replace(runs[1][0], runs=3), replace(runs[1][1], runs=3)


def _overhead(what: str, whole: Figure, home: Path, target: str) -> Figure:
    """Wall time less fits, scoring and metrics on as many cores as there are: a core that is idle counts, as it does
    where one fit outlasts the others. Of the run that has just ended: the home may hold what others left."""
    spans = _work(home, since=time.time() - whole.wall)
    work = sum(end - start for start, end in spans)
    rest = whole.wall - work / cores()
    none = whole.wall - _covered(spans)
    idle = f"for {none:.1f} s nothing of it was under way, {none / whole.wall:.1%}"
    note = f"{work:.0f} s of work on {cores()} cores; {idle}"
    return Figure(what, rest, 0.0, target, None, note, whole.load)


def _work(home: Path, since: float) -> list[tuple[float, float]]:
    """Start and end of each fit with its lists, and of the metrics of each, in seconds; those that ended later."""
    spans = []
    for path in (home / "store" / "fit").glob("*/measured.json"):
        measured, end = json.loads(path.read_text()), path.stat().st_mtime
        seconds = sum(measured.get(f"{part}_seconds", 0.0) for part in ("validation", "fit", "recommend"))
        spans.append((end - seconds, end))
    for path in (home / "store" / "evaluation").glob("*/store.json"):
        # Not its own time: that is when it was read last.
        end = max(other.stat().st_mtime for other in path.parent.iterdir() if other != path)
        spans.append((end - json.loads(path.read_text())["seconds"], end))
    return [(start, end) for start, end in spans if end > since]


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one of these was under way.

    >>> _covered([(0, 2), (1, 4), (6, 7)])
    5.0
    """
    covered, until = 0.0, -math.inf
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def _movielens_1m(folder: Path) -> Iterator[Figure]:
    if not os.environ.get("RECSYS_DATA_DIR"):
        return
    spec, out = folder / "ml-1m.yaml", folder / "ml-1m"
    spec.write_text(
        "name: ml-1m\ndata: {source: movielens-1m}\nmodels: [ease, item-knn, popularity]\n"
        "evaluation: {k: [10], primary: ndcg@10}\n"
    )
    home = folder / "home-1m"
    yield command(
        "MovieLens-1M with ease, item-knn and popularity, empty home",
        [RECSYS, "compare", str(spec), "--quiet", "--out", str(out)],
        "≤ 120 s, ≤ 2,000 MB a process",
        cwd=folder,
        env={"RECSYS_HOME": str(home)},
        note=lambda: f"largest child {_largest_child(out):,.0f} MB",
    )


def _all_of_1m(folder: Path) -> Iterator[Figure]:
    """The nine models of the demonstration on ten times as many rows, on the home that it left warm."""
    if not os.environ.get("RECSYS_DATA_DIR"):
        return
    home, out = folder / "home", folder / "nine"
    shutil.rmtree(home / "store")
    spec = [str(ROOT / "conf" / "demo.yaml"), "--set", "data.source=movielens-1m"]
    words = [RECSYS, "compare", *spec, "--quiet", "--out", str(out)]
    whole = command(
        "MovieLens-1M, the nine models of conf/demo.yaml, warm home", words, "", env={"RECSYS_HOME": str(home)}
    )
    yield whole
    rest = _overhead("of it, not fit, scoring or metrics", whole, home, "≤ 5 %")
    yield replace(rest, note=f"{rest.wall / whole.wall:.1%}; {rest.note}")
    yield from _stages(home, out)


def _stages(home: Path, out: Path) -> Iterator[Figure]:
    """What each stage of a run took, all of a kind together; they run side by side."""
    by_model = [
        f"{row['model']} {float(row['fit_seconds']):.1f} + {float(row['recommend_seconds']):.1f}" for row in board(out)
    ]
    for stage in STAGES:
        note = f"fit + lists: {', '.join(by_model)}" if stage == "fit" else ""
        yield Figure(f"stage {stage}", stage_seconds(home, stage), 0.0, "", None, note)


def stage_seconds(home: Path, stage: str) -> float:
    """What all that a home has stored of a stage took."""
    return sum(json.loads(path.read_text())["seconds"] for path in (home / "store" / stage).glob("*/store.json"))


def board(out: Path) -> list[dict[str, str]]:
    """The leaderboard of a comparison."""
    with (out / "leaderboard.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _largest_child(out: Path) -> float:
    return max(float(row["peak_memory_mb"]) for row in board(out))


@contextmanager
def _servers(home: Path) -> Iterator[str]:
    prefect, mlflow = _free_port(), _free_port()
    env = {"RECSYS_HOME": str(home), "RECSYS_PREFECT_PORT": str(prefect), "RECSYS_MLFLOW_PORT": str(mlflow)}
    stack = subprocess.Popen([RECSYS, "up", "--quiet"], env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    try:
        if not wait_until((home / "up.json").exists, 180, every=0.5):
            raise RuntimeError("recsys up did not come up")
        yield f"http://127.0.0.1:{prefect}/api"
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
