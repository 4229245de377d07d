"""Text tables: separators, encodings, quotes, line ends, and rows that are none."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.text import headless, open_text, sniff
from recsys.errors import InputError


def rows(content: bytes, name: str = "t.csv") -> list[tuple[str, ...]]:
    file = open_text(name, content)
    table = file.read(file.header)
    return [file.header, *zip(*(table[column].to_pylist() for column in file.header), strict=True)]


WANTED = [("user", "item"), ("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    "content",
    [
        b"user,item\n1,2\n3,4\n",
        b"user,item\n1,2\n3,4",
        b"user,item\r\n1,2\r\n3,4\r\n",
        b"user,item\r1,2\r3,4\r",
        b"\n\nuser,item\n\n1,2\n\n3,4\n\n",
        b"user\titem\n1\t2\n3\t4\n",
        b"user;item\n1;2\n3;4\n",
        b"user|item\n1|2\n3|4\n",
        b"user::item\n1::2\n3::4\n",
        b'"user","item"\n"1","2"\n"3","4"\n',
        b" user , item \n1,2\n3,4\n",
        codecs.BOM_UTF8 + b"user,item\r\n1,2\r\n3,4\r\n",
        codecs.BOM_UTF16_LE + "user,item\r\n1,2\r\n3,4\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "user\titem\n1\t2\n3\t4\n".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "user,item\n1,2\n3,4\n".encode("utf-32-le"),
    ],
)
def test_one_table_in_many_spellings(content: bytes) -> None:
    assert rows(content) == WANTED


def test_quotes_protect_separators_quotes_and_line_ends() -> None:
    content = b'user,note\n1,"a, ""b""\nc"\n2,d\n'
    assert rows(content) == [("user", "note"), ("1", 'a, "b"\nc'), ("2", "d")]


@pytest.mark.parametrize("separator", [",", "::"])
@pytest.mark.parametrize("ends", ["", " "])
def test_rows_that_end_in_a_separator(separator: str, ends: str) -> None:
    content = "user,item\n1,2,\n3,4,".replace(",", separator) + ends
    file = open_text("t.csv", content.encode())
    table = file.read(["item", "user"])
    assert table.to_pydict() == {"item": ["2", "4"], "user": ["1", "3"]}


@pytest.mark.parametrize("separator", [",", "::"])
def test_values_beyond_the_header(separator: str) -> None:
    content = "user,item\n1,2,\n\n3,4,9\n5,6,hello\n".replace(",", separator)
    with pytest.raises(InputError) as caught:
        open_text("t.csv", content.encode()).read(["user", "item"])
    assert str(caught.value) == (
        "t.csv, row 4: '9' stands below no column name (1 more such row; first at 4); "
        "name the column in the header, or leave it out"
    )


def test_the_first_rows_are_not_looked_for_below_many_empty_lines() -> None:
    file = open_text("t.csv", b"user,item\n1,2\n" + b"\n" * 5000 + b"x,3\n")
    assert file.starts_whole("user")
    assert file.read(["user"]).to_pydict() == {"user": ["1", "x"]}


def test_quotes_that_would_swallow_rows_are_letters() -> None:
    content = b'item\ttitle\n1\t"Heroes"\n2\t"Low\n3\tLodger\n4\t12" mix\n5\t"Cut\n'
    assert [title for _, title in rows(content)[1:]] == ['"Heroes"', '"Low', "Lodger", '12" mix', '"Cut']


@pytest.mark.parametrize("between", ["", "3,c\n", "3,c\n4,d\n"])
def test_quotes_that_join_rows_which_are_whole_without_are_refused(between: str) -> None:
    with pytest.raises(InputError) as caught:
        rows(f'user,note\n0,z\n1,"a\n{between}2,b"\n5,e\n'.encode())
    assert str(caught.value) == (
        "t.csv, row 3: a value in quotes goes on over the lines below, and every line is a whole row without the "
        "quotes; take the quotes away where they are letters, or the line ends where they belong to the value"
    )


def test_quotes_join_lines_that_are_no_rows() -> None:
    assert rows(b'user,note\n1,"a\nb"\n2,c\n') == [("user", "note"), ("1", "a\nb"), ("2", "c")]


def test_labels_with_pipes_do_not_make_the_pipe_a_separator() -> None:
    assert sniff("item,title,genres\n1,A,x|y\n2,B,x|y|z\n") == ","


def test_a_decimal_comma_does_not_make_the_comma_a_separator() -> None:
    assert sniff("user;item;rating\n1;2;4,5\n1;3;3,5\n") == ";"


def test_a_row_longer_than_a_block() -> None:
    long = b"x" * (9 << 20)
    assert rows(b"user,note\n1," + long + b"\n2,y\n")[2] == ("2", "y")


def test_rows_may_all_end_in_a_separator() -> None:
    file = open_text("t.csv", b"user\titem\n1\t2\t\n3\t4\t\n")
    assert file.read(["user", "item"]).to_pydict() == {"user": ["1", "3"], "item": ["2", "4"]}


def test_unnamed_columns_are_left_out() -> None:
    file = open_text("t.csv", b",user,item\n0,1,2\n1,3,4\n")
    assert file.header == ("", "user", "item")
    assert file.read(["item"])["item"].to_pylist() == ["2", "4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv: the file is empty; a header line and at least one row are needed"),
        (b"\n \n", "t.csv: the file is empty; a header line and at least one row are needed"),
        (b",,\n1,2,3\n", "t.csv: the first line names no column; a header line with column names is needed"),
        (b"user,user\n1,2\n", "t.csv: two columns are named 'user'; rename one of them"),
        (
            b"user,item\n1,2\n3\n5,6\n7\n",
            "t.csv, row 3: 1 field, the header names 2 columns (1 more such row; first at 3); "
            "quote values that hold the separator or a line end",
        ),
        (
            b"user,item\n1,2\n3,4,\n",
            "t.csv, row 3: 3 fields, the header names 2 columns; the row ends in a separator",
        ),
        (
            b'user,note\n1,"a\nb"\n\n2,c\n3,d,e\n',
            "t.csv, row 6: 3 fields, the header names 2 columns; quote values that hold the separator or a line end",
        ),
        (
            "user,note\n1,caf\xe9\n".encode("latin-1"),
            "t.csv, row 2: byte 15 of the file is 0xe9, which is not UTF-8; save it as UTF-8, for example: "
            "iconv -f ISO-8859-1 -t UTF-8 t.csv > utf8-t.csv",
        ),
        (b"PK\x03\x04abc", "t.csv: the file is a zip or Excel file, not text; save the sheet as CSV (UTF-8)"),
        (b"PAR1", "t.csv: the file is a parquet file, not text; give it a name that ends in .parquet"),
        (b"\x1f\x8b\x08", "t.csv: the file is compressed with gzip, not text; give it a name that ends in .gz"),
        (b'\n [{"user": 1}]', "t.csv: the file is JSON, not a table; save it as CSV"),
        (
            "user,item\n1,2\n".encode("utf-16-le"),
            "t.csv, row 1: the row holds a zero byte: the file is binary, damaged, or UTF-16 without mark; "
            "save it as UTF-8",
        ),
        (
            codecs.BOM_UTF16_LE + b"u",
            "t.csv: byte 2 does not fit UTF-16, which its first bytes announce; save it as UTF-8",
        ),
    ],
)
def test_refused(content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        rows(content)
    assert str(caught.value) == message


def test_bytes_that_are_no_utf8_far_down() -> None:
    content = b"user,note\n" + b"1,\xc3\xa4\n" * 300_000 + b"2,\xff\n"
    with pytest.raises(InputError, match=r"t\.csv, row 300,002: byte 1,500,012 of the file is 0xff"):
        rows(content)


@pytest.mark.parametrize("quoted", [False, True])
def test_lines_are_counted_as_a_person_counts_them(quoted: bool) -> None:
    note = b'"b\r\nc"' if quoted else b"b"
    file = open_text("t.csv", b"user,note\r\n1,a\r\n\r\n2," + note + b"\r\n3,d\r\n")
    assert file.quoted is quoted
    assert [file.line(row) for row in range(3)] == ([2, 4, 6] if quoted else [2, 4, 5])


def test_a_file_without_header() -> None:
    file = headless("movies.dat", b'1::Am\xe9lie "2"::Comedy\n', "::", ("item", "title", "genres"), "iso-8859-1")
    assert file.read(["title"])["title"].to_pylist() == ['Amélie "2"']
    assert file.line(0) == 1


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6), st.sampled_from([",", "\t", ";", "|"]))
def test_whatever_a_csv_writer_writes_is_read_back(values: list[tuple[str, str]], separator: str) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("user", "item"), *values])
    assert rows(text.getvalue().encode()) == [("user", "item"), *values]
