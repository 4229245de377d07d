"""What people write into specs: YAML that takes too long, names that are formulas, markup or paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from recsys.errors import InputError
from recsys.experiment import trouble
from recsys.experiment.documents import LARGEST, override, read_document
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig

GOOD = "name: x\ndata: {source: synthetic}\nmodels: [ease]\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
EXPLOSIVE = {
    "a billion laughs": (LAUGHS, "aliases are not used in a spec"),
    "itself": ("a: &a [*a]\n", "aliases are not used in a spec"),
    "merged": ("base: &b {x: 1}\nother: {<<: *b}\n", "aliases are not used in a spec"),
    "many values": (f"{GOOD}seeds: [{'1,' * 400_000}1]\n", "more than 10,000 values"),
    "many keys": (GOOD + "".join(f"k{n}: {n}\n" for n in range(60_000)), "more than 10,000 values"),
    "deep": (f"{GOOD}a: {'{a: ' * 50_000}", "is not plain YAML"),
    "a number to base 60": (f"{GOOD}positive: 1{':59' * 300_000}\n", "a number of 900,001 digits is too long"),
    "a fraction to base 60": (f"{GOOD}positive: 1{':59' * 300}.5\n", "a number of 903 digits is too long"),
    "a number that cannot be printed": (f"{GOOD}positive: 0x{'f' * 20_000}\n", "a number of 20,002 digits"),
    "large": ("#" * (LARGEST + 1), "is too large for a spec"),
}


@pytest.mark.parametrize(("text", "message"), EXPLOSIVE.values(), ids=EXPLOSIVE)
def test_yaml_that_explodes(tmp_path: Path, text: str, message: str) -> None:
    """Each is refused by the first value too many, before anything is made of it."""
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Experiment.load(tmp_path / "spec.yaml")
    assert len(str(caught.value)) < 500


def test_as_many_wrong_keys_as_there_may_be_are_one_short_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is held against every other one: that would be 24 million comparisons."""
    compared = []
    monkeypatch.setattr(trouble, "_is_below", lambda *places: bool(compared.append(places)))
    (tmp_path / "spec.yaml").write_text(GOOD + "".join(f"k{n}: {n}\n" for n in range(4_900)))
    with pytest.raises(InputError, match=r"also wrong: k1, k2, k3, k4, k5, …") as caught:
        Experiment.load(tmp_path / "spec.yaml")
    assert len(compared) < 100_000
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", ["&a [*a]", f"[{'1,' * 20_000}1]", "0x" + "f" * 20_000, "!!python/name:os.system"])
def test_a_setting_of_the_command_line(value: str) -> None:
    with pytest.raises(InputError, match="the value is not plain YAML"):
        override({"name": "x"}, [f"name={value}"])


def test_a_spec_of_many_models_is_read(tmp_path: Path) -> None:
    models = "".join(f"  - {{name: mf, label: m{n}, epochs: {n}, embedding_size: 8, seed: 1}}\n" for n in range(1, 500))
    (tmp_path / "spec.yaml").write_text(f"name: x\nmodels:\n{models}")
    assert len(read_document(tmp_path / "spec.yaml")["models"]) == 499


# A table program computes a cell that begins so; Markdown and HTML make a link of the others; a path leads away.
NAMES = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", " =1"),
    *(
        "[x](javascript:alert(1))",
        "![x](http://x/y.png)",
        "<b>x</b>",
        "`x`",
        "a|b",
        "a\nb",
        "a,b",
        'a"b',
        "../x",
        "a/b",
    ),
)


@pytest.mark.parametrize("text", NAMES)
def test_a_label_or_a_name_of_this_kind_is_refused(text: str) -> None:
    """They stand in leaderboard.csv, in tables of Prefect's UI, in names of folders, and nothing has to escape them."""
    with pytest.raises(ValidationError, match="label"):
        ModelConfig(name="ease", label=text)
    document = {"name": text, "data": {"source": "synthetic"}, "models": ["ease"]}
    with pytest.raises(InputError, match="name"):
        Experiment.parse(document)
    with pytest.raises(InputError, match=r"models\[0\].label"):
        Experiment.parse({**document, "name": "x", "models": [{"name": "ease", "label": text}]})
