"""docs/tutorial.md and docs/library.ipynb run in their order, and print what they say that they print."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.harness import Workplace, environment

from recsys.settings import Settings
from recsys.tracking.runs import Tracker

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, NOTEBOOK = DOCS / "tutorial.md", DOCS / "library.ipynb"


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: its language, and its lines."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """In their order."""
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.M | re.S)]


def is_said(line: str, said: str) -> bool:
    """Whether a line of the page stands in what was said: spaces count once, and `…` for anything within a line."""
    words = [r"\s+".join(map(re.escape, part.split())) for part in line.split("…")]
    return re.search(r"^\s*" + r"\s*.*".join(words) + r"\s*$", said, flags=re.M) is not None


def test_what_counts_as_said() -> None:
    said = "done in 3 s\nease   0.4265 a  1.5\n"
    assert is_said("ease 0.4265 a …", said)
    assert is_said("done in … s", said)
    assert not is_said("ease 0.4265", said)
    assert not is_said("ease 0.4266 …", said)


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_the_page(tmp_path: Path, databases: Path, server: str) -> None:
    """Against a Prefect server that is there, as those who keep one do it: seven starts of one are spared."""
    place = Workplace(tmp_path / "place").seed(databases)
    env = environment(place.home, PREFECT_API_URL=server, OMP_NUM_THREADS="1")
    said, commands, lines = "", 0, 0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.language == "python":
            (place.folder / "make_shop.py").write_text(block.text)
        elif block.language == "sh":
            said = ""
            for command in block.text.splitlines():
                commands += 1
                ended = subprocess.run(
                    ["bash", "-c", command.replace("python ", f"{sys.executable} ", 1)],
                    cwd=place.folder,
                    env=env,
                    capture_output=True,
                    text=True,
                    stdin=subprocess.DEVNULL,
                    check=False,
                    timeout=280,
                )
                assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
                said += ended.stdout
        else:
            for line in block.text.splitlines():
                lines += 1
                assert is_said(line, said), f"{line!r} is not in\n{said}"
    assert commands >= 8
    assert lines >= 12
    for written in ("explored/explore.html", "first/report.html", "events-tuned.html", "tuned/report.html"):
        assert (place.folder / written).stat().st_size > 10_000, written


def saved_search(manifest: dict[str, Any]) -> str:
    """The search that docs/logging.md gives, for the data and the passport of a result."""
    (found,) = (block.text.strip() for block in blocks((DOCS / "logging.md").read_text()) if "PASSPORT" in block.text)
    data, split = manifest["data"]["digest"], manifest["split"]["digest"]
    passport = manifest["passports"]["ndcg@10"]
    return found.replace("'DATA'", f"'{data}'").replace("'SPLIT'", f"'{split}'").replace("'PASSPORT'", f"'{passport}'")


def test_the_notebook_and_the_saved_search(prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/library.ipynb prints what it holds, its code cells run one after another in one process."""
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    for cell in cells:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec("".join(cell["source"]), scope)
        assert said.getvalue() == "".join(cell["outputs"][0]["text"]), "".join(cell["source"])

    experiment, result = scope["experiment"], scope["result"]
    # Another passport: all users count.
    other = scope["compare"](experiment, overrides=["evaluation.users=all", "models=[ease]"])
    client = Tracker(Settings()).client
    places = [each.experiment_id for each in client.search_experiments()]

    def found(manifest: dict[str, Any]) -> list[str]:
        best_first = ["metrics.`test.ndcg_at_10` DESC"]
        runs = client.search_runs(places, saved_search(manifest), order_by=best_first)
        return [run.data.tags["label"] for run in runs]

    assert (
        found(result.manifest) == result.leaderboard["model"].tolist() == ["ease", "item-knn", "popularity", "random"]
    )
    assert found(other.manifest) == other.leaderboard["model"].tolist()
