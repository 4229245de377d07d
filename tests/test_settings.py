"""The installation's settings, from the environment."""

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
