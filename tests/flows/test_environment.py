"""The switches that are set before Prefect is imported."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import yaml

from flows.environment import log_to_file


@pytest.mark.parametrize(
    "name", ["plain", "both ' and \"", "$HOME ${x} $$", "back\\slash", "100 %s # {a}: ü 😀", "l " * 99]
)
def test_the_log_is_where_it_is_wanted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PREFECT_LOGGING_SETTINGS_PATH", "MLFLOW_CONFIGURE_LOGGING"):
        monkeypatch.setenv(variable, "")
    wanted = tmp_path / name / "compare.log"
    log_to_file(wanted)
    read = string.Template(wanted.with_suffix(".yml").read_text(encoding="ascii")).substitute({})  # as Prefect does
    assert yaml.safe_load(read)["handlers"]["file"]["filename"] == str(wanted)
