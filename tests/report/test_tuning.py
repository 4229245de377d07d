"""Searches in pictures: what mattered, the best so far, what it took, and what was not tuned."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal
from xml.etree import ElementTree

import numpy as np
import pytest
from made.pages import Page, check, misplaced, sideways

from recsys.experiment.trials import TrialRecord, Tuned
from recsys.experiment.tuning_facts import FEWEST, importance, tuning_facts
from recsys.models.base import ModelConfig
from recsys.models.space import Between
from recsys.report.board import Board
from recsys.report.figures.search import best_so_far, importances, leaders
from recsys.report.page import write_report
from recsys.report.palette import styles
from recsys.report.tuning import tuning_page


class Config(ModelConfig):
    """A model of three settings."""

    name: Literal["made"] = "made"
    strong: Annotated[float, Between(0.0, 1.0)] = 0.5
    weak: Annotated[float, Between(0.0, 1.0)] = 0.5
    idle: Annotated[int, Between(1, 50)] = 10


def trials(n: int, state: str = "done", flat: bool = False, seed: int = 0) -> tuple[TrialRecord, ...]:
    """Trials of made settings: `strong` gives eleven times the variance of `weak`, and `idle` none."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(n):
        settings = {"strong": random.random(), "weak": random.random(), "idle": int(random.integers(1, 51))}
        value = 0.3 if flat else 0.2 + 0.2 * settings["strong"] + 0.06 * settings["weak"]
        found.append(TrialRecord(number=number, state=state, seconds=2.0, value=value, settings=settings))
    return tuple(found)


def facts(n: int = 12) -> dict:
    model = Config()
    return tuning_facts(Tuned.of(model, "ndcg@10", trials(n)), model)


class TestImportance:
    def test_of_a_known_function(self):
        shares = importance(Config, trials(30), "ndcg@10")
        assert next(iter(shares)) == "strong"
        assert shares["strong"] > 0.9
        assert shares["idle"] < 0.05
        assert sum(shares.values()) == pytest.approx(1)

    def test_is_the_same_each_time(self):
        assert importance(Config, trials(12), "ndcg@10") == importance(Config, trials(12), "ndcg@10")

    def test_cannot_be_said(self):
        assert importance(Config, trials(FEWEST - 1), "ndcg@10") is None
        assert importance(Config, trials(FEWEST) * 2, "ndcg@10") is not None  # and the same again is no more
        assert importance(Config, trials(FEWEST - 1) * 2, "ndcg@10") is None
        assert importance(Config, trials(20, flat=True), "ndcg@10") is None
        assert importance(Config, trials(20, "pruned"), "ndcg@10") is None

    def test_settings_outside_the_space_are_left_out(self):
        outside = trials(FEWEST)[0].model_copy(update={"settings": {"strong": 7.0, "weak": 0.1, "idle": 3}})
        assert importance(Config, [*trials(FEWEST - 1), outside], "ndcg@10") is None


@pytest.mark.soak
def test_how_many_trials_it_takes():
    """The figures of docs/tuning.md; `pytest -s` prints them."""
    for n in (FEWEST, 10, 15, 20, 40):
        found = [importance(Config, trials(n, seed=seed), "ndcg@10") for seed in range(20)]
        first = sum(next(iter(shares)) == "strong" for shares in found)
        mean = np.mean([shares["strong"] for shares in found])
        print(f"{n} trials: first in {first} of {len(found)}, mean share {mean:.2f}")
        assert first >= 18
        assert abs(mean - 0.04 / (0.04 + 0.0036)) < 0.25


class TestFigures:
    looks = styles(["made"], [])

    def test_steps_up_where_a_trial_is_better(self):
        about = facts()
        figure = best_so_far({"made": about}, self.looks, "ndcg@10")
        bests = [(at, about["tried"][at - 1]["value"]) for at, _ in leaders(about, "ndcg@10")]
        assert [row[1:3] for row in figure.table.rows] == [(str(at), f"{value:.4f}") for at, value in bests]
        assert bests[-1][1] == about["after"] == max(trial["value"] for trial in about["tried"])
        drawn = ElementTree.fromstring(str(figure.picture))
        (line,) = [each for each in drawn.iter() if each.get("class") == "line"]
        heights = [float(y) for _, y in re.findall(r"[ML](\S+) (\S+?)(?=[MLZ]|$)", line.get("d"))]
        assert heights == sorted(heights, reverse=True)  # pixels are counted from the top
        assert len(set(heights)) == len(bests)

    def test_a_bar_a_setting(self):
        about = facts()
        figure = importances("made", about, self.looks["made"])
        bars = [each for each in ElementTree.fromstring(str(figure.picture)).iter() if each.get("class") == "column"]
        widths = [float(bar.get("width")) for bar in bars]
        assert widths[0] / sum(widths) == pytest.approx(about["importance"]["strong"], abs=0.01)
        assert figure.caption == "From 12 finished trials: so few give a rough picture."
        assert importances("made", about | {"importance": None}, self.looks["made"]) is None


class TestPage:
    def test_of_a_search(self):
        found = {
            "made": facts(),
            "plain": facts(3),
            "popularity": tuning_facts(Tuned(label="p", metric="ndcg@10"), Config()),
        }
        text = tuning_page("mine", "ndcg@10", found, {"mf": "<b>no memory"})
        page = Page(text)
        check(page)
        assert text == tuning_page("mine", "ndcg@10", found, {"mf": "<b>no memory"})
        assert "The search brought made most: NDCG@10" in page.prose
        assert "mf failed: <b>no memory" in page.prose
        assert "15 trials of 2 models, 30.0 s of work." in page.prose
        assert "Not tuned, for there is nothing to search: popularity." in page.prose
        assert "What mattered cannot be said of plain" in page.prose
        assert {"80\xa0%", "20\xa0%"} <= set(page.texts("td"))  # of the work

    def test_of_nothing(self):
        check(Page(tuning_page("mine", "ndcg@10", {}, {})))


class TestReport:
    @pytest.fixture
    def written(self, tmp_path, boards, made):
        def build(tuned):
            board, dataset = boards(tmp_path, (made("ease", 0.4), made("mine", 0.3), made("popularity", control=True)))
            manifest = json.loads((board / "manifest.json").read_text())
            (board / "manifest.json").write_text(json.dumps(manifest | {"tuning": {label: facts() for label in tuned}}))
            lines = (board / "leaderboard.csv").read_text().splitlines()
            place = lines[0].split(",").index("tuned")
            rows = [line.split(",") for line in lines[1:]]
            marked = [[*row[:place], str(row[0] in tuned), *row[place + 1 :]] for row in rows]
            (board / "leaderboard.csv").write_text("\n".join([lines[0], *(",".join(row) for row in marked)]))
            write_report(tmp_path / "report.html", board, dataset)
            return Board.load(board), Page((tmp_path / "report.html").read_text(encoding="utf-8"))

        return build

    def test_a_section_and_a_mark_where_some_were_tuned(self, written):
        board, page = written(["ease"])
        check(page)
        assert [row.tuned for row in board.rows] == [True, False, False]
        assert "Tuning" in page.texts("h2")
        assert page.texts("span").count("untuned") == 1  # of the model, not of the control
        assert "Not tuned while ease was: mine." in page.prose
        # Twelve trials of two seconds, beside three fits of a second and what their lists took.
        share = re.search(r"(\d+)\xa0%", page.text.partition("Share of all work")[2])
        assert 70 < int(share[1]) < 90

    def test_a_leader_that_was_not(self, written):
        assert "ease leads; it was not tuned while mine was." in written(["mine"])[1].prose

    def test_where_nothing_was(self, written):
        page = written([])[1]
        assert (
            "Nothing was tuned in this comparison: each model ran with the settings of the specification." in page.prose
        )
        assert "Tuning" not in page.texts("h2")
        assert "untuned" not in page.texts("span")

    def test_where_all_were(self, written):
        assert "tuned while" not in written(["ease", "mine"])[1].prose


@pytest.mark.chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_in_a_browser(shown, width):
    """Nothing lies over anything else, and nothing scrolls sideways."""
    found = {f"a model with a long name {n}": facts(10 + n) for n in range(9)}
    page = shown(tuning_page("mine", "ndcg@10", found, {}), viewport={"width": width, "height": 900})
    assert sideways(page) <= 0
    assert misplaced(page) == []
