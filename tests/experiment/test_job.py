"""Errors as plain values, from the process of a model to the one that started it."""

from __future__ import annotations

import pytest

from recsys.errors import InputError, RunError
from recsys.experiment.job import as_failure, from_failure


@pytest.mark.parametrize(
    "error", [InputError("data", "is wrong", "mend it"), RunError("disk", "is full"), InputError("", "is wrong")]
)
def test_an_expected_error_arrives_as_it_was(error):
    back = from_failure(as_failure(error), "ease")
    assert type(back) is type(error)
    assert (back.place, back.message, back.remedy) == (error.place or "ease", error.message, error.remedy)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("first\nsecond"), "ValueError: first"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
        (AssertionError("\n"), "AssertionError"),
    ],
)
def test_any_other_is_a_failure_of_the_model(error, message):
    back = from_failure(as_failure(error), "ease")
    assert isinstance(back, RunError)
    assert str(back) == f"ease: {message}"
