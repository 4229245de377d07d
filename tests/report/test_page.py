"""The whole page: valid, safe, self-contained, for boards of every kind."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest
import yaml
from made.pages import Page, check

from recsys.comparison.assemble import CellResult, assemble
from recsys.comparison.evaluation import Evaluation
from recsys.comparison.protocols import Protocols, Standing
from recsys.data.summary import summarise
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.metrics.passport import passport_hash
from recsys.report.board import Board
from recsys.report.definitions import definitions, shared_choices
from recsys.report.facts import settings
from recsys.report.page import write_report
from recsys.report.protocols import protocols_section
from recsys.splits.account import account
from recsys.splits.config import RandomSplit
from recsys.splits.splitting import split

SECTIONS = ["Leaderboard", "Cost", "Quality by list length", "Training", "Data", "Settings"]
HOSTILE = "<script>alert(1)</script>\"'&x{{ 7 * 7 }}"


@pytest.fixture
def report(tmp_path, boards):
    """Builds a board as asked, and returns its page."""

    def build(*args, **kwargs):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        board, dataset = boards(folder, *args, **kwargs)
        write_report(folder / "report.html", board, dataset)
        return Page((folder / "report.html").read_text(encoding="utf-8"))

    return build


class TestPage:
    def test_nine_models(self, report):
        page = report(warnings=("users overlap in time",))
        check(page)
        assert page.texts("h1") == ["small"]
        assert page.texts("h2") == [*SECTIONS, "Fingerprints and versions", "Definitions"]
        assert page.all("html")[0]["lang"] == "en"
        assert re.search(r"ease (is|has the) best:? NDCG@10", page.prose)
        assert "users overlap in time" in page.prose
        assert len(page.text) < 500_000

    def test_leaderboard_holds_the_numbers(self, report, tmp_path):
        page = report()
        rows = {row.label: row for row in Board.load(tmp_path / "0" / "board").rows}
        for label, row in rows.items():
            assert f'data-value="{row.values["ndcg@10"]!r}"' in page.text, label
            assert f"{row.values['recall@10']:.4f}" in page.prose
            assert f"{row.interval.low:.4f} to {row.interval.high:.4f}" in page.prose
        assert page.prose.count("control") >= 2

    def test_same_board_same_page(self, report):
        assert report().text == report().text

    def test_policy_names_what_is_inlined_and_nothing_else(self, report):
        page = report()
        (policy,) = [each["content"] for each in page.all("meta") if "http-equiv" in each]
        allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert allowed["default-src"] == "'none'"
        assert "unsafe" not in policy
        for tag, name in (("style", "style-src"), ("script", "script-src")):
            (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page.text, flags=re.S)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert allowed[name] == f"'sha256-{digest}'"

    def test_everything_hostile_is_escaped(self, report, boards, made):
        models = (
            made(HOSTILE, 0.4, settings={HOSTILE: HOSTILE}),
            made("knn", 0.3),
            made("mf", status=HOSTILE),
        )
        page = report(models, name=HOSTILE, warnings=(HOSTILE,))
        check(page)
        assert len(page.all("script")) == 1
        assert page.texts("h1") == [HOSTILE]
        assert HOSTILE in page.prose
        assert "49" not in page.texts("h1")[0]

    def test_labels_that_look_like_something_else(self, report, made):
        page = report(tuple(made(label, skill) for label, skill in (("NA", 0.4), ("10", 0.3), ("null", 0.2))))
        check(page)
        assert "NA is best" in page.prose
        assert [text for text in page.texts("span") if text in ("NA", "10", "null")][:3] == ["NA", "10", "null"]

    def test_long_labels(self, report, made):
        check(report((made("a" * 100, 0.4), made("b " * 49 + "b", 0.3))))


class TestBoardsOfEveryKind:
    def test_one_model_and_one_length(self, report, made):
        page = report((made("ease", 0.4),), ks=(10,))
        check(page)
        assert "Quality by list length" not in page.prose
        assert "there is no other model to hold it against" in page.prose

    def test_few_users(self, report):
        page = report(n_users=12)
        check(page)
        assert "No intervals: 12 users are too few" in page.prose

    def test_all_failed_but_one(self, report, made):
        failed = [made(f"m{i}", status="ran out of memory") for i in range(3)]
        page = report((made("ease", 0.4), *failed))
        check(page)
        assert "m0, m1 and m2 failed: ran out of memory" in page.prose
        assert page.texts("td").count("ran out of memory") == 3

    def test_all_failed(self, report, made):
        page = report((made("ease", status="ran longer than 60 s"),))
        check(page)
        assert "No model has a result." in page.prose

    def test_without_values_and_times(self, report, data):
        page = report(data=data(values=False, times=False))
        check(page)
        assert "every row counts the same" in page.prose
        assert "Rows over time" not in page.prose

    def test_without_epochs(self, report, made):
        page = report((made("ease", 0.4), made("knn", 0.3)))
        check(page)
        assert "Training" not in page.texts("h2")

    def test_an_error_as_primary(self, report):
        page = report(metrics=("rmse", "mae", "ndcg"), primary="rmse")
        check(page)
        assert 'aria-sort="ascending"' in page.text
        assert "Root mean squared error of each user's rows" in page.prose

    def test_many_models_lengths_and_seeds(self, report, made):
        models = tuple(made(f"model {i}", 0.1 + 0.015 * i, seconds=1.0 + i) for i in range(20))
        page = report(models, ks=tuple(range(1, 60, 4)), primary="ndcg@9", seeds=(1, 2, 3))
        check(page)
        assert len(page.text) < 1_500_000
        assert "3 seeds" in page.prose

    def test_controls_may_win(self, report, made):
        page = report((made("popularity", 0.4, control=True), made("ease", 0.1)))
        check(page)
        assert "No model beats the control popularity" in page.prose


def test_what_assemble_writes(tmp_path, data):
    """The report reads the folder of a comparison as it is really written."""
    given, users, random = data(), np.arange(60), np.random.default_rng(0)
    spec = Experiment.parse(
        {
            "name": "mine",
            "data": {"source": "synthetic"},
            "models": ["popularity", {"name": "ease", "label": "my ease"}],
            "evaluation": {"metrics": ["ndcg", "coverage"], "k": [5, 10]},
        }
    )
    cells = []
    for label, skill in (("popularity", 0.2), ("my ease", 0.5)):
        fit, evaluation = tmp_path / f"fit {label}", tmp_path / f"evaluation {label}"
        fit.mkdir()
        evaluation.mkdir()
        items = np.stack([random.permutation(60)[:10] for _ in users])
        Lists(users, np.ones(60, dtype=bool), items, random.random((60, 10), dtype=np.float32)).save(fit)
        (fit / "curves.json").write_text("[]")
        (fit / "measured.json").write_text('{"fit_seconds": 0.5, "model_bytes": 2000000}')
        per_user = {f"ndcg@{k}": random.normal(skill, 0.05, 60) for k in (5, 10)}
        overall = {name: float(values.mean()) for name, values in per_user.items()} | {
            "coverage@5": 0.25,
            "coverage@10": 0.5,
        }
        Evaluation(users, np.ones(60, dtype=int), per_user, overall, {}, 2, {"ndcg@10": 0.125}, None).save(evaluation)
        cells.append(CellResult(label, 42, 0, fit, evaluation, "run"))
    manifest = {"data": summarise(given), "split": {"folds": [account(given, *split(given, RandomSplit()), None)]}}
    for name in ("board", "dataset"):
        (tmp_path / name).mkdir()
    assemble(tmp_path / "board", spec, given, cells, {}, manifest)
    given.save(tmp_path / "dataset")
    write_report(tmp_path / "report.html", tmp_path / "board", tmp_path / "dataset")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    check(page)
    assert "my ease reaches NDCG@10" in page.prose
    assert "NDCG@10 of users unknown in training" in page.prose
    assert {"0.1250", "0.5000", "0.50", "2.00"} <= set(page.texts("td"))


class TestLeaks:
    LEAK = {
        **{"check": "near_duplicates", "severity": "warning", "message": "copies", "remedy": "one id", "count": 1234},
        **{"fold": "", "rows": "first: row 5 (user 1, item <2>)", "values": {"found by popularity": [0.25, 0.125]}},
        "models": {"ease": [0.5, 0.25], "popularity": [0.2, 0.1], "mf": [0.4, 0.3]},
    }

    def test_rows_and_what_they_are_worth(self, tmp_path, boards, made):
        board, data = boards(tmp_path, (made("ease", 0.5), made("mf", 0.2), made("popularity", 0.1, control=True)))
        manifest = json.loads((board / "manifest.json").read_text())
        (board / "manifest.json").write_text(
            json.dumps(manifest | {"leaks": [self.LEAK], "warnings": ["copies; one id"]})
        )
        write_report(tmp_path / "report.html", board, data)
        page = Page((tmp_path / "report.html").read_text())
        check(page)
        for text in ("copies; one id", "near duplicates", "1,234", "found by popularity 0.2500 → 0.1250"):
            assert text in page.prose
        assert "NDCG@10 ease 0.5000 → 0.2500 and popularity 0.2000 → 0.1000" in page.prose  # the best and the controls
        assert "item &lt;2&gt;" in page.text


class TestSpread:
    def test_beside_the_value_where_there_are_several_seeds(self, tmp_path, boards, made):
        board, data = boards(tmp_path, (made("ease", 0.5), made("mf", 0.2)), seeds=(1, 2))
        table = (board / "leaderboard.csv").read_text().splitlines()
        place = table[0].split(",").index("ndcg@10_sd_seeds")
        first = table[1].split(",")
        first[place] = "0.0125"
        (board / "leaderboard.csv").write_text("\n".join([table[0], ",".join(first), *table[2:]]) + "\n")
        write_report(tmp_path / "report.html", board, data)
        page = Page((tmp_path / "report.html").read_text())
        check(page)
        assert "over seeds" in page.prose
        assert "over folds" not in page.prose
        assert '<td data-value="0.0125">0.0125</td>' in page.text

    def test_one_seed_has_none(self, report):
        assert "over seeds" not in report().prose


def test_controls_that_were_added_have_their_settings_too(tmp_path, boards, made):
    models = (made("ease", 0.5), made("popularity-control", 0.1, control=True))
    board, _ = boards(tmp_path, models)
    spec = yaml.safe_load((board / "spec.yaml").read_text())
    (board / "spec.yaml").write_text(yaml.safe_dump(spec | {"models": spec["models"][:1]}))
    manifest = json.loads((board / "manifest.json").read_text())
    (board / "manifest.json").write_text(json.dumps(manifest | {"controls": ["popularity-control"]}))
    assert [(label, kind) for label, kind, _ in settings(Board.load(board))][1:] == [
        ("popularity-control", "popularity")
    ]


class TestProtocols:
    FOUND = Protocols(
        names=("random split", "temporal split"),
        metrics=("ndcg@10", "ndcg@10"),
        standings=(
            Standing("ease", False, (1, 2), (0.4, 0.2), (True, False)),
            Standing("<mf>", False, (2, 1), (0.3, 0.25), (False, True)),
            Standing("popularity", True, (3, 3), (0.1, 0.05), (None, None)),
        ),
        tau=-1.0,
        low=-1.0,
        high=0.5,
        flips=("ease", "<mf>"),
        reversed=(("ease", "<mf>"),),
    )

    def page(self, tmp_path, boards, found):
        board, data = boards(tmp_path)
        write_report(tmp_path / "report.html", board, data, found)
        return Page((tmp_path / "report.html").read_text())

    def test_both_orders_and_what_flips(self, tmp_path, boards):
        page = self.page(tmp_path, boards, self.FOUND)
        check(page)
        assert "Two protocols" in page.texts("h2")
        for text in (
            "random split, as in the rest of this page, and temporal split",
            "rank correlation of the two orders is −1.00, 95\xa0% interval −1.0000 to 0.5000",
            "Only under random split among the best, and told apart from the best under temporal split: ease.",
            "in opposite directions; under random split: ease before",
        ):
            assert text in page.prose.replace("&nbsp;", "\xa0"), text
        assert "Rank of 3 models under random split and under temporal split" in page.text
        assert page.text.count("<mf>") == 0

    def test_nothing_flips(self, tmp_path, boards):
        same = dataclasses.replace(self.FOUND, tau=1.0, low=None, high=None, flips=(), reversed=())
        page = self.page(tmp_path, boards, same)
        check(page)
        assert "No verdict flips" in page.prose

    def test_nothing_to_hold_against_each_other(self, tmp_path, boards):
        none = dataclasses.replace(self.FOUND, standings=(), tau=None, low=None, high=None, flips=(), reversed=())
        page = self.page(tmp_path, boards, none)
        check(page)
        assert "Fewer than two have a value" in page.prose
        equal = dataclasses.replace(self.FOUND, tau=None, low=None, high=None)
        assert "all have the same value" in protocols_section(equal)["lead"]


class TestDefinitions:
    @pytest.fixture
    def board(self, tmp_path, boards):
        return Board.load(boards(tmp_path)[0])

    def test_every_metric_of_the_board_in_its_words(self, board):
        found = {definition.name: definition for definition in definitions(board)}
        assert list(found)[:2] == ["NDCG", "Recall"]
        assert found["Recall"].summary == "Hits in the first k over the user's relevant items."
        assert found["NDCG"].formula.startswith("sum over hits at rank r <= k of 1/log2(r+1), over")
        assert found["NDCG"].hashes["ndcg@10"] == board.manifest["passports"]["ndcg@10"]

    def test_choices_in_words(self, board):
        choices = shared_choices(board)
        assert choices["What counts as relevant"] == "value >= 4.0"
        assert choices["Items the user has in training"] == "left out of the list"

    def test_choices_that_the_passports_deny_are_not_told(self, board):
        denied = board.manifest["choices"] | {"positive": 3.0}
        other = dataclasses.replace(board, manifest=board.manifest | {"choices": denied})
        assert shared_choices(other) == {}

    def test_candidates_of_a_file_are_called_a_sample(self, board):
        """The digest of the pairs is in the passport; the file's name is for people."""
        choices = board.manifest["choices"] | {"candidates": "ab" * 32}
        passports = {column: passport_hash(column, **choices) for column in board.columns}
        assert passports.items().isdisjoint(board.manifest["passports"].items())
        evaluation = board.spec["evaluation"] | {"candidates": "pairs.csv"}
        sampled = dataclasses.replace(
            board,
            spec=board.spec | {"evaluation": evaluation},
            manifest=board.manifest | {"choices": choices, "passports": passports},
        )
        assert shared_choices(sampled)["What a list may hold"] == (
            "only the pairs of pairs.csv (SHA-256 abababababab…): a sample, never to be held against full ranking"
        )
        assert "full ranking, no sampled negatives" in shared_choices(board)["What a list may hold"]
