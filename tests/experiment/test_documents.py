"""Reading spec files, and setting single values in what they hold."""

from __future__ import annotations

import os

import pytest

from recsys.errors import InputError
from recsys.experiment.documents import override, read_document


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, encoding="utf-8"):
        path = tmp_path / "spec.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_document(path)

    return write_and_read


class TestReading:
    def test_a_mapping_as_it_stands(self, read):
        text = "name: x\nmodels: [ease, {name: mf, epochs: 3}]\npositive: null\nrefit: yes\n"
        assert read(text) == {
            "name": "x",
            "models": ["ease", {"name": "mf", "epochs": 3}],
            "positive": None,
            "refit": True,
        }

    def test_a_byte_order_mark_and_other_scripts(self, read):
        assert read("name: Größe\n", encoding="utf-8-sig") == {"name": "Größe"}

    @pytest.mark.parametrize(
        ("text", "place", "message"),
        [
            ("a: &x {b: 1}\nc: *x\n", ", line 2", "is not plain YAML: aliases are not used in a spec"),
            ("a: !!python/object/apply:os.system ['true']\n", ", line 1", "a tag such as !!python is not allowed"),
            ("a: 1\nb: !mine 3\n", ", line 2", "a tag such as !!python is not allowed"),
            ("a: !!binary aGVsbG8=\n", ", line 1", "a tag such as !!python is not allowed"),
            ("a: !!set {b}\n", ", line 1", "a tag such as !!python is not allowed"),
            ("a: 1\nb: 2\na: 3\n", ", line 3", "is not plain YAML: the key 'a' stands twice"),
            ("models:\n  - {name: mf, epochs: 1, epochs: 2}\n", ", line 2", "the key 'epochs' stands twice"),
            ("a: [1, 2\nb: 3\n", ", line 2", "is not plain YAML: expected ',' or ']'"),
            ("a:\tb: c\n", ", line 1", "is not plain YAML"),
            ("a: 2020-13-01\n", "", "is not plain YAML: month must be in 1..12"),
            ("a: \x07\n", "", "is not plain YAML"),
            ("a: " + "[" * 1_200, "", "is not plain YAML"),
            ("a: !!bool abc\n", "", "is not plain YAML: a value is not of the kind that its tag names"),
            ("a: !!timestamp abc\n", "", "is not plain YAML: a value is not of the kind that its tag names"),
            ("a: !!map [[1, 2]]\n", "", "is not plain YAML: a value is not of the kind that its tag names"),
            ('a: "\\UFFFFFFFF"\n', "", "is not plain YAML"),
            ('a: 1\nb: "\\ud800"\n', ", line 2", r"half a letter, such as \ud800, is no text"),
            ("", "", "is empty, a mapping is needed"),
            ("# nothing yet\n", "", "is empty, a mapping is needed"),
            ("- ease\n- mf\n", "", "holds a list, a mapping is needed"),
            ("just words\n", "", "holds a value, a mapping is needed"),
            ("a: 1\n---\nb: 2\n", ", line 2", "is not plain YAML: but found another document"),
            (b"name: caf\xe9\n", "", "byte 9 is not UTF-8"),
            ("name: x\n".encode("utf-16"), "", "byte 0 is not UTF-8"),
            ("#" * 1_000_001, "", "1,000,001 bytes is too large for a spec"),
        ],
    )
    def test_what_is_no_plain_mapping(self, read, tmp_path, text, place, message):
        with pytest.raises(InputError) as caught:
            read(text)
        assert caught.value.place == f"{tmp_path / 'spec.yaml'}{place}"
        assert message in caught.value.message
        assert caught.value.remedy

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="there is no such file; the ready ones are in conf/"):
            read_document(tmp_path / "spec.yaml")

    @pytest.mark.parametrize("path", ["pipe", "/dev/zero"])
    def test_what_never_ends(self, tmp_path, path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="is a pipe, a device or a socket; write what it brings to a file"):
            read_document(tmp_path / path)

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
            read_document(tmp_path)


DOCUMENT = {"name": "x", "data": {"source": "synthetic"}, "models": ["ease", {"name": "mf", "epochs": 3}], "k": None}


class TestOverriding:
    @pytest.mark.parametrize(
        ("setting", "path", "value"),
        [
            ("name=y", ["name"], "y"),
            ("name = y", ["name"], "y"),
            ("name=a=b", ["name"], "a=b"),
            ("positive=4", ["positive"], 4),
            ("positive=", ["positive"], None),
            ("seeds=[1, 2]", ["seeds"], [1, 2]),
            ("refit=false", ["refit"], False),
            ("data.users=100", ["data", "users"], 100),
            ("data={source: table}", ["data"], {"source": "table"}),
            ("models.1.epochs=7", ["models", 1, "epochs"], 7),
            ("models.0=popularity", ["models", 0], "popularity"),
            ("models=[popularity]", ["models"], ["popularity"]),
            ("new.deep.key=1", ["new", "deep", "key"], 1),
            ("k.a=1", ["k", "a"], 1),
        ],
    )
    def test_one_value(self, setting, path, value):
        found = override(DOCUMENT, [setting])
        for part in path:
            found = found[part]
        assert found == value

    def test_the_rest_stays_and_the_original_too(self):
        before = {**DOCUMENT}
        found = override(DOCUMENT, ["models.1.epochs=7"])
        assert found == {**DOCUMENT, "models": ["ease", {"name": "mf", "epochs": 7}]}
        assert before == DOCUMENT
        assert DOCUMENT["models"][1] == {"name": "mf", "epochs": 3}

    def test_a_name_in_a_list_becomes_a_mapping(self):
        assert override(DOCUMENT, ["models.0.regularization=5"])["models"][0] == {"name": "ease", "regularization": 5}

    def test_later_ones_win(self):
        assert override(DOCUMENT, ["name=a", "name=b"])["name"] == "b"

    def test_a_new_kind_keeps_only_what_it_knows(self):
        document = {"split": {"kind": "random", "test": 0.3, "seed": 7}, "seed": 1}

        def keys_beside(path, value):
            return {"kind", "test"} if (path, value) == (["split", "kind"], "temporal") else None

        changed = override(document, ["split.kind=temporal"], keys_beside)
        assert changed == {"split": {"kind": "temporal", "test": 0.3}, "seed": 1}
        assert override(document, ["split.kind=other"], keys_beside)["split"]["seed"] == 7

    @pytest.mark.parametrize(
        ("setting", "message", "remedy"),
        [
            ("name", "is not of the form a.b=value", "write e.g. --set models.0.epochs=5"),
            ("=3", "is not of the form a.b=value", "write e.g. --set models.0.epochs=5"),
            ("name=[1", "the value is not plain YAML", "put it in quotes"),
            ("name=!!python/name:os.system", "the value is not plain YAML", "put it in quotes"),
            ("name=!!bool x", "the value is not plain YAML", "put it in quotes"),
            ("name=!!timestamp x", "the value is not plain YAML", "put it in quotes"),
            ('name="\\UFFFFFFFF"', "the value is not plain YAML", "put it in quotes"),
            ('name="\\udfff"', "the value is not plain YAML", "put it in quotes"),
            ("name=\udcff", "the value is not plain YAML", "put it in quotes"),
            (f"models.{'9' * 5000}=ease", f"'{'9' * 5000}' is no entry of this list", "it has the entries 0 to 1"),
            ("name=2020-13-01", "the value is not plain YAML", "put it in quotes"),
            ("name=" + "[" * 1_200, "the value is not plain YAML", "put it in quotes"),
            ("models.2.epochs=3", "'2' is no entry of this list", "it has the entries 0 to 1"),
            ("models.-1=ease", "'-1' is no entry of this list", "it has the entries 0 to 1"),
            ("models.ease.epochs=3", "'ease' is no entry of this list", "it has the entries 0 to 1"),
            ("models.².epochs=3", "'²' is no entry of this list", "it has the entries 0 to 1"),
            ("name.x=3", "'x' leads into the value 'x'", "set that value itself"),
        ],
    )
    def test_a_setting_that_leads_nowhere(self, setting, message, remedy):
        with pytest.raises(InputError) as caught:
            override(DOCUMENT, [setting])
        assert caught.value.place == f"--set {setting}"
        assert (caught.value.message, caught.value.remedy) == (message, remedy)

    def test_an_empty_list(self):
        with pytest.raises(InputError, match="'0' is no entry of this list; it is empty"):
            override({"models": []}, ["models.0.epochs=3"])
