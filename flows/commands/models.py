"""`recsys models`: what there is to compare."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from flows.command import Speech, typed
from recsys.models.registry import BUILT_IN, installed, model_class


def run(speech: Speech) -> None:
    """A row a model: what it is, what it reads, its settings and their defaults."""
    rows = [_row(name) for name in installed()]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    for column in ("model", "what it is", "reads", "settings"):
        table.add_column(column, no_wrap=column == "model")
    for row in rows:
        settings = ", ".join([*row["required"], *(f"{key}={value}" for key, value in row["settings"].items())])
        kind = " (control)" if row["control"] else ""
        table.add_row(row["model"] + kind, row["about"], ", ".join(row["reads"]) or "counts", settings)
    speech.console.print(table)
    speech.say(f"\nnext: name them under `models:` of a spec, then {typed('recsys')} compare SPEC")
    speech.answer({"models": rows})


def _row(name: str) -> dict[str, Any]:
    kind = model_class(name)
    needs = kind.needs
    required = [key for key, field in kind.Config.model_fields.items() if field.is_required()]
    settings = kind.Config.model_construct(name=name).settings()
    return {
        "model": name,
        "about": (kind.__doc__ or "").strip().splitlines()[0],
        "control": kind.control,
        "predicts_values": kind.predicts_values,
        "stochastic": kind.stochastic,
        "reads": [field for field in needs.__dataclass_fields__ if getattr(needs, field)],
        "built_in": name in BUILT_IN,
        "required": required,
        "settings": {key: value for key, value in settings.items() if key != "name"},
    }
