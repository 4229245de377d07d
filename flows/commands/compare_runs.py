"""`recsys compare --runs`: finished runs held against one another, without a fit."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flows.command import Speech, short
from recsys.errors import InputError
from recsys.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recsys.comparison.stored_run import StoredRun


def run(run_ids: Sequence[str], out: Path | None, to_fit: bool, speech: Speech) -> None:
    """One leaderboard and report of the models of all these runs, which share data, split and passport.

    to_fit: whether something was asked for that only a fit can do.
    """
    from flows.leaderboard import leaderboard_table
    from recsys.comparison.across import compare_runs, refuse_unlike
    from recsys.comparison.closer import closer_look
    from recsys.comparison.result import FILES, copy_into, read_leaderboard, require_place, rows_of
    from recsys.experiment.candidates import sample_in_words
    from recsys.experiment.rebuild import rebuilt
    from recsys.report.page import write_report

    if len(run_ids) < 2 or len(set(run_ids)) < len(run_ids):
        raise InputError("--runs", "two or more different runs are compared", "recsys compare --runs RUN_ID RUN_ID")
    if to_fit:
        raise InputError("--runs", "nothing is fitted", "leave out --set, --also, --fresh and --dry-run")
    settings = Settings()
    with TemporaryDirectory() as folder:
        runs = _fetched(run_ids, settings, Path(folder))
        refuse_unlike(runs)
        place = out or Path("runs") / runs[0].spec.name / "-".join(["compared", *(each.short for each in runs)])
        require_place(place, runs[0].spec.data)
        again = rebuilt(runs[0].spec, runs[0].manifest, settings, speech.progress())
        board = Path(folder) / "board"
        board.mkdir()
        compare_runs(runs, again, board)
        numbers = range(len(runs[0].manifest["split"]["folds"]))
        folds = {number: again.split.folder / str(number) for number in numbers}
        closer_look(board, runs[0].spec, again.dataset.folder, folds, {})
        write_report(board / "report.html", board, again.dataset.folder)
        copy_into([board / name for name in FILES], place.absolute())
        leaderboard = read_leaderboard(board / "leaderboard.csv")
        manifest = json.loads((board / "manifest.json").read_text())
    speech.answer({"out": str(place.absolute()), "runs": list(run_ids), "leaderboard": rows_of(leaderboard)})
    speech.say()
    speech.console.print(leaderboard_table(leaderboard, runs[0].spec.evaluation.primary))
    sample = sample_in_words(manifest["choices"]["candidates"], runs[0].spec.evaluation.candidates)
    for text in filter(None, [manifest["note"], sample, *manifest["warnings"]]):
        speech.say(text)
    speech.say(f"\nreport   {short(place.absolute() / 'report.html')}")


def _fetched(run_ids: Sequence[str], settings: Settings, folder: Path) -> list[StoredRun]:
    from recsys.tracking.stored import stored_run

    found = []
    for number, run_id in enumerate(run_ids):
        (folder / str(number)).mkdir()
        found.append(stored_run(run_id, settings, folder / str(number)))
    return found
