"""What the leaks that were found are worth: the primary metric without the test rows they touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys.comparison.assemble import CellResult
from recsys.data.dataset import Dataset
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.metrics.evaluate import evaluate
from recsys.metrics.registry import parse_column
from recsys.metrics.truth import truth_of
from recsys.splits.account import positives
from recsys.splits.fold import Fold
from recsys.splits.leaks import Case, Finding


def said(findings: Sequence[Finding]) -> list[str]:
    """Each check in words, once: that of the first fold where it found something."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.check, finding)
    folds = {check: sum(finding.check == check for finding in findings) for check in first}
    return [
        f"{each.text}{f' (so in {folds[check]} folds)' if folds[check] > 1 else ''}" for check, each in first.items()
    ]


def leak_facts(
    findings: Sequence[Finding], spec: Experiment, data: Dataset, folds: Sequence[Fold], cells: Sequence[CellResult]
) -> list[dict[str, Any]]:
    """The findings as plain JSON: {"check", "severity", "message", "remedy", "count", "fold", "rows", "values",
    "models"}.

    rows: the first ones, in words. values: by metric, as it is and with the leak closed, where the check knows it.
    models: by label, the primary metric as it is and without the rows; for rows of the test that can be left out, and
    a primary metric that hits alone decide.
    """
    by_name = {fold.name: fold for fold in folds}
    return [
        finding.facts(Case(data, by_name[finding.fold]).where(finding.rows))
        | {"models": _without(finding, spec, data, by_name[finding.fold], cells)}
        for finding in findings
    ]


def _without(
    finding: Finding, spec: Experiment, data: Dataset, fold: Fold, cells: Sequence[CellResult]
) -> Mapping[str, list[float]]:
    metric, _ = parse_column(spec.evaluation.primary)
    if not finding.removable or metric.needs != "hits":
        return {}
    kept = replace(fold, test=np.setdiff1d(fold.test, finding.rows, assume_unique=True))
    found = {
        (cell.label, cell.seed): [_value(spec, data, each, Lists.load(cell.fit)) for each in (fold, kept)]
        for cell in cells
        if cell.fold == fold.number
    }
    values = pd.DataFrame([(label, *pair) for (label, _), pair in found.items()], columns=["label", "value", "closed"])
    means = values.groupby("label", sort=False).mean().dropna()
    return {str(label): [float(row.value), float(row.closed)] for label, row in means.iterrows()}


def _value(spec: Experiment, data: Dataset, fold: Fold, lists: Lists) -> float:
    """The primary metric over the users counted who have test positives in this fold; NaN where none has."""
    metric, k = parse_column(spec.evaluation.primary)
    rows = positives(data, fold.test, spec.positive)
    truth = truth_of(data.user[rows], data.item[rows], lists.users, len(data.items))
    counted = np.diff(truth.indptr) > 0
    if spec.users == "warm":
        counted &= np.asarray(lists.warm)
    scores = evaluate(lists.items[counted], truth[counted], [metric.name], [k or 1])
    return scores.overall.get(spec.evaluation.primary, np.nan)
