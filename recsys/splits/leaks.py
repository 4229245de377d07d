"""Checks of a fold: whether its test says something about the future or only repeats what models were told.

Every check takes the same Case and returns a Finding or None; adding one is a function and a place below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from recsys.errors import InputError
from recsys.splits.leaks_case import Case, Finding
from recsys.splits.leaks_features import dates_after_the_cut, features_know_the_future, features_know_the_target
from recsys.splits.leaks_items import near_duplicates
from recsys.splits.leaks_rows import no_positives, nothing_to_choose, positives_already_seen, rows_on_both_sides
from recsys.splits.leaks_time import cold_items, cold_users, popularity_from_the_future, time_overlap

__all__ = ["CHECKS", "ERRORS", "Case", "Finding", "check_fold", "refuse_errors"]

Check = Callable[[Case], Finding | None]

ERRORS: tuple[Check, ...] = (
    no_positives,
    rows_on_both_sides,
    positives_already_seen,
    features_know_the_target,
    features_know_the_future,
)
WARNINGS: tuple[Check, ...] = (
    time_overlap,
    popularity_from_the_future,
    cold_items,
    cold_users,
    near_duplicates,
    dates_after_the_cut,
    nothing_to_choose,
)
CHECKS = ERRORS + WARNINGS


def check_fold(case: Case, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What these checks find, in their order."""
    return [replace(finding, fold=case.fold.name) for check in checks if (finding := check(case)) is not None]


def refuse_errors(findings: Sequence[Finding]) -> None:
    """Raise InputError for the first error among the findings."""
    for finding in findings:
        if finding.severity == "error":
            raise InputError(f"split, {finding.fold}" if finding.fold else "split", finding.message, finding.remedy)
