"""`recsys recommend`: what the models of a spec recommend to given users, side by side."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from flows.command import Speech, typed, visible
from flows.orchestration import orchestrated
from recsys.data.features import TITLE
from recsys.data.load import inputs
from recsys.errors import InputError, did_you_mean
from recsys.experiment.ask import Question, ask
from recsys.experiment.external import leaves_model, require_model
from recsys.experiment.locate import Located
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Store
from tasks.context import width

# Parts of an explanation that a person is shown.
SHOWN = 3


def run(spec: Path, overrides: list[str], question: Question, labels: list[str], speech: Speech) -> None:
    """Answer from stored models; fit those that are missing."""
    if bool(question.users) == bool(question.history):
        raise InputError("recommend", "for whom?", "name users (--user 196), or a history (--history 50 --history 181)")
    experiment = Experiment.load(spec, overrides)
    rows = {model.row: model for model in experiment.models}
    unknown = [label for label in labels if label not in rows]
    if unknown:
        raise InputError(f"--model {unknown[0]}", f"no such row in {spec}", did_you_mean(unknown[0], rows))
    labels = _askable(experiment, labels, speech)
    located = _located(experiment)
    missing = [label for label in labels if located.fit(rows[label], experiment.seeds[0]) is None]
    if missing:
        _fit(experiment, missing, speech)
        located = _located(experiment)
    fits = {label: located.fit(rows[label], experiment.seeds[0]) for label in labels}
    assert located.dataset is not None
    assert located.split is not None
    folders = {label: ref.folder for label, ref in fits.items() if ref is not None}
    found = ask(question, experiment, located.dataset.folder, located.split.folder / "0", folders)
    speech.answer(found)
    _show(found, question.k, speech)
    speech.say(f"\nnext: {typed('recsys')} compare {shlex.quote(str(spec))}     (which of them is better, measured)")


def _askable(experiment: Experiment, labels: list[str], speech: Speech) -> list[str]:
    """The rows that are asked; those that leave no model are left out, unless they are named."""
    for model in experiment.models:
        if model.row in labels:
            require_model(model, "recommend")
    asked = [model.row for model in experiment.models if leaves_model(model)]
    if not asked:
        require_model(experiment.models[0], "recommend")
    left_out = [model.row for model in experiment.models if model.row not in asked]
    if left_out and not labels:
        speech.say(f"left out: {', '.join(left_out)} (no fitted model to ask, only the lists of a comparison)")
    return labels or asked


def _fit(experiment: Experiment, labels: list[str], speech: Speech) -> None:
    with orchestrated("recommend", Settings(), speech, experiment) as ready:
        from flows.fit import fit

        ready()
        fit(experiment, labels)


def _located(experiment: Experiment) -> Located:
    settings = Settings()
    found = inputs(experiment.data, experiment.predefined, settings)
    return Located(experiment, found, Store(settings.store), width(experiment)[1])


def _show(found: dict[str, Any], k: int, speech: Speech) -> None:
    for user in dict.fromkeys(line["user"] for line in found["recommendations"]):
        own = [line for line in found["recommendations"] if line["user"] == user]
        known = "" if own[0]["known"] or user == "new" else " (unknown in training: the models' fallback)"
        speech.say(f"\nuser {user}{known}")
        for label in dict.fromkeys(line["model"] for line in own):
            lines = [line for line in own if line["model"] == label]
            speech.console.print(_table(label, lines))
            if "why" in lines[0]:
                speech.say(f"  {label}: {_kind_of(lines)}")
        for pair in [pair for pair in found["overlap"] if pair["user"] == user]:
            shared = pair[f"overlap@{k}"]
            speech.say(f"  {pair['model']} and {pair['other']} share {shared} of {k} (Jaccard {pair['jaccard']:.2f})")


def _table(label: str, lines: list[dict[str, Any]]) -> Table:
    about = [name for name in lines[0] if name not in ("model", "user", "item", "rank", "score", "known", "why")]
    title = f"  {escape(label)}"
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1), title=title, title_justify="left")
    for name in ("", "item", *about, "score"):
        table.add_column(name, justify="right" if name in ("", "score") else "left")
    for line in lines:
        shown = [escape(visible(str(line[name]))) if line[name] is not None else "" for name in about]
        table.add_row(str(line["rank"]), escape(visible(str(line["item"]))), *shown, f"{line['score']:.4f}")
        for part, reason in _because(line.get("why")):
            cells = ["", "", *[""] * len(about)]
            cells[2 + about.index(TITLE) if TITLE in about else 1] = f"[dim]  {escape(visible(reason))}[/dim]"
            table.add_row(*cells, f"[dim]{part:.4f}[/dim]")
    return table


def _kind_of(lines: list[dict[str, Any]]) -> str:
    """What the parts of these explanations are."""
    whys = [line["why"] for line in lines]
    if any(why is None for why in whys):
        return "it gives no reasons"
    if not any(why["history"] or why["terms"] for why in whys):
        return "no reasons, there is no history"
    if all(why["additive"] for why in whys):
        return "below each item what the history adds to its score; the parts sum to it"
    return "below each item what of the history speaks for it; the parts do not sum to its score"


def _because(why: dict[str, Any] | None) -> list[tuple[float, str]]:
    """The strongest parts of an explanation, with what they stand for; all others as one where the parts are a sum."""
    if why is None:
        return []
    first, others = why["history"][:SHOWN], why["history"][SHOWN:]
    found = [(part["part"], str(part.get(TITLE) or part["item"])) for part in first]
    if others and why["additive"]:
        found.append((sum(part["part"] for part in others), f"{len(others)} others"))
    return found + [(part, f"'{word}'") for word, part in list(why["terms"].items())[:SHOWN]]
