"""Which models ran with settings that nobody searched for."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.report.words import listed


def tuning_in_words(best: str | None, tuned: Sequence[str], untuned: Sequence[str]) -> str | None:
    """Which models ran with settings that nobody searched for, controls aside; None where none did.

    >>> tuning_in_words("ease", [], ["ease", "mf"])
    'Nothing was tuned in this comparison: each model ran with the settings of the specification.'
    >>> tuning_in_words("mine", ["ease"], ["mine"])
    'mine leads; it was not tuned while ease was.'
    >>> tuning_in_words("ease", ["ease"], ["mine"])
    'Not tuned while ease was: mine.'
    """
    if not untuned:
        return None
    if not tuned:
        return "Nothing was tuned in this comparison: each model ran with the settings of the specification."
    were = "was" if len(tuned) == 1 else "were"
    if best in untuned:
        return f"{best} leads; it was not tuned while {listed(tuned)} {were}."
    return f"Not tuned while {listed(tuned)} {were}: {listed(untuned)}."
