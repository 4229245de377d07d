"""The figures of a report as files of their own."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from recsys.report.pictures import write_pictures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\"'&x"


@pytest.fixture
def pictures(tmp_path, boards):
    """Builds a board as asked, and returns its pictures by name."""

    def build(*args, **kwargs):
        board, dataset = boards(tmp_path, *args, **kwargs)
        write_pictures(tmp_path / "figures", board, dataset)
        return {path.name: ET.parse(path).getroot() for path in (tmp_path / "figures").iterdir()}

    return build


def test_one_a_figure_with_words_and_style(pictures):
    found = pictures()
    assert {name.partition("-")[0] for name in found} >= {"by", "cost", "training", "data"}
    assert "by-k-ndcg.svg" in found
    for name, picture in found.items():
        assert picture.tag == f"{SVG}svg", name
        assert [picture.find(f"{SVG}{tag}").text for tag in ("title", "desc")] != [None, None], name
        assert "--paper" in picture.find(f"{SVG}style").text, name


def test_labels_are_text(pictures, made):
    found = pictures([made("popularity", 0.2, control=True), made(HOSTILE, 0.5), made("ease", 0.4)])
    for picture in found.values():
        assert not list(picture.iter(f"{SVG}script"))
    assert any((text.text or "").startswith("<script>") for text in found["by-k-ndcg.svg"].iter(f"{SVG}text"))
