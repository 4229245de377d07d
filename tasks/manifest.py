"""What a result says of its origin: fingerprints, versions, seeds and threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys.data.dataset import Dataset
from recsys.data.summary import summarise
from recsys.experiment.keys import comparison_code, passport_choices, versions
from recsys.metrics.passport import passport_hash
from recsys.splits.account import account
from recsys.store import Ref, code_digest
from recsys.tracking.source import source_tags
from tasks.context import Run
from tasks.stages import folds_of


def manifest_of(run: Run, dataset: Ref, split: Ref, warnings: Sequence[str]) -> dict[str, Any]:
    """The manifest, but for what the ranking adds."""
    spec, data = run.spec, Dataset.load(dataset.folder)
    choices = passport_choices(spec)
    return {
        "run_key": run.key,
        "name": spec.name,
        "data": {"digest": dataset.digest, "inputs": run.inputs, "account": data.account, **summarise(data)},
        "split": {
            "digest": split.digest,
            "folds": [account(data, fold, spec.positive, spec.refit) for fold in folds_of(split)],
        },
        "code": code_digest(*comparison_code(spec)),
        "source": source_tags(),
        "choices": choices,
        "passports": {column: passport_hash(column, **choices) for column in spec.evaluation.columns},
        "versions": versions(),
        "seeds": list(spec.seeds),
        "threads": run.threads,
        "warnings": list(warnings),
    }
