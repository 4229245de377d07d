"""The installation's settings, from the environment."""

from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.settings import Settings


@pytest.mark.parametrize("value", ["x", "0", "65536", "80.5"])
@pytest.mark.parametrize("variable", ["RECSYS_MLFLOW_PORT", "RECSYS_PREFECT_PORT"])
def test_a_wrong_port_is_wrong_input(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as caught:
        Settings()
    assert (caught.value.place, caught.value.message) == (variable, f"is '{value}'")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("~nosuchuser/x", "a user who is not there"),
        ("a?mode=memory", "a question mark"),
        ("""one's "own" home""", "both kinds of quotes"),
    ],
)
def test_a_home_that_cannot_be_one(monkeypatch, home, message):
    monkeypatch.setenv("RECSYS_HOME", home)
    with pytest.raises(InputError, match=message) as caught:
        Settings()
    assert caught.value.place == "RECSYS_HOME"


def test_a_home_of_odd_characters(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "ü #%20'"))
    assert Settings().root == Path(tmp_path / "ü #%20'")
