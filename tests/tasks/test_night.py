"""What a night reads of the versions in the registry."""

from __future__ import annotations

import pytest

from recsys.champion.record import Contender
from recsys.errors import InputError
from recsys.tracking.registry import Version
from tasks.night import contender_of, model_of, version_tags

CONTENDER = Contender(
    label="ease", settings={"name": "ease"}, version=3, data="d1", newest="2024-05-01T12:00:00Z", rows=7
)


def version(tags):
    return Version("shop", 3, "0" * 32, "file:///somewhere", tags)


def test_there_and_back():
    assert contender_of(version(version_tags(CONTENDER) | {"run_key": "a1"})) == CONTENDER


def test_a_version_that_no_retraining_made():
    assert contender_of(version({})) == Contender(label="version 3", settings={}, version=3)
    with pytest.raises(InputError, match="champion: its version in MLflow has no tag 'settings'; put it back"):
        model_of({}, "champion")


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        *(("settings", text) for text in ("{junk", "", "[1]", "null")),
        ("newest", "{junk"),
        *(("rows", text) for text in ("many", "1.5", "")),
    ],
)
def test_a_tag_that_was_edited(tag, text):
    with pytest.raises(InputError) as caught:
        contender_of(version(version_tags(CONTENDER) | {tag: text}))
    assert str(caught.value) == (
        f"version 3 of shop, tag {tag}: '{text}' was not written by a retraining; put it back in MLflow, or promote "
        "another: recsys champion promote shop --version N"
    )
