"""CSV as spreadsheets and phone systems write it: read strictly, placed exactly, and never guessed at."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.csv_reader import column_name, parse_csv, read_csv
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.source import Document

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def written(folder: Path, data: bytes) -> tuple[Document, list[Diagnostic]]:
    path = folder / "file.csv"
    path.write_bytes(data)
    return read_csv(path, "file.csv")


def refused(text: str) -> Diagnostic:
    with pytest.raises(InvalidInput) as error:
        parse_csv(text, "file.csv")
    assert len(error.value.diagnostics) == 1
    return error.value.diagnostics[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    """Comma, semicolon and tab are told apart by which of them the header holds."""
    text = f"a{delimiter}b\n1{delimiter}2\n"
    assert parse_csv(text, "file.csv").data == [{"a": "1", "b": "2"}]


def test_a_delimiter_inside_a_quoted_column_name_does_not_count() -> None:
    assert parse_csv('"Name, first";b\n1;2\n', "file.csv").data == [{"name_first": "1", "b": "2"}]


def test_two_possible_delimiters_are_refused() -> None:
    """Nothing that could put values into wrong columns is guessed."""
    assert refused("a;b,c\n1;2,3\n").summary == "Unclear delimiter"


@pytest.mark.parametrize(
    ("cell", "name"),
    [("MAC Address ", "mac_address"), ("MAC", "mac"), ("Temp. DID", "temp_did"), ("E-Mail", "e_mail"), ("  ", "")],
)
def test_column_names_come_out_in_lower_snake(cell: str, name: str) -> None:
    assert column_name(cell) == name


def test_other_names_of_a_column_are_known() -> None:
    document = parse_csv("MAC Address,x\n1,2\n", "file.csv", {"mac_address": "mac"})
    assert document.data == [{"mac": "1", "x": "2"}]


def test_two_columns_of_one_meaning_are_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_csv("MAC,MAC Address\n1,2\n", "file.csv", {"mac_address": "mac"})
    assert error.value.diagnostics[0].summary == "Duplicate column"
    assert str(error.value.diagnostics[0].span) == "file.csv:1:5"


def test_blank_rows_and_blanks_round_cells_mean_nothing() -> None:
    """Spreadsheets end files with rows of commas; people leave blanks behind values."""
    text = "\n a , b \n\n1 ,  2\n,,\n , \n  \n3,4\n,\n".replace(",,\n", ",\n")
    assert parse_csv(text, "file.csv").data == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_column_without_name_may_stay_empty() -> None:
    assert parse_csv("a,b,\n1,2,\n", "file.csv").data == [{"a": "1", "b": "2"}]


def test_a_value_in_a_column_without_name_is_refused() -> None:
    found = refused("a,b,\n1,2,\n3,4,lost\n")
    assert (found.summary, str(found.span)) == ("Column without a name", "file.csv:3:5")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(end: str) -> None:
    document = parse_csv(end.join(["a,b", "1,2", '"x' + end + 'y",3', "4,5", ""]), "file.csv")
    assert document.data == [{"a": "1", "b": "2"}, {"a": f"x{end}y", "b": "3"}, {"a": "4", "b": "5"}]
    assert [document.source.value((row, "b")).line for row in range(3)] == [2, 4, 5]


def test_each_cell_knows_its_line_and_column() -> None:
    """Quoted line ends, escaped quotes and blank rows shift nothing."""
    text = '\n\nname,note,end\n"Okafor, A.","two\n""lines""",1\n\n,,\nb, c,2\n'
    document = parse_csv(text, "file.csv")
    spans = {path: str(document.source.value(path)) for path in ((0,), (0, "name"), (0, "note"), (0, "end"), (1, "note"))}
    assert spans == {
        (0,): "file.csv:4:1", (0, "name"): "file.csv:4:1", (0, "note"): "file.csv:4:14", (0, "end"): "file.csv:5:12",
        (1, "note"): "file.csv:8:3",
    }
    assert str(document.source.key((1, "note"))) == "file.csv:3:6"
    assert str(document.source.value(())) == "file.csv:3:1"


@pytest.mark.parametrize(
    ("text", "summary", "place"),
    [
        ("", "Empty file", "file.csv:1:1"),
        ("\n \n", "Empty file", "file.csv:1:1"),
        ("a,b\n1,2,3\n", "Too many cells", "file.csv:2:5"),
        ("a,b\n1\n", "Too few cells", "file.csv:2:1"),
        ('a,b\n1,"2\n3,4\n', "Bad quoting", "file.csv:2:3"),
        ('a,b\n"x"y,2\n', "Bad quoting", "file.csv:2:1"),
        ("a,b\n1,\x002\n", "Unreadable text", "file.csv:2:3"),
    ],
)
def test_what_is_wrong_is_named_and_placed(text: str, summary: str, place: str) -> None:
    found = refused(text)
    assert (found.summary, str(found.span)) == (summary, place)


def test_a_ragged_row_shows_what_stands_in_it() -> None:
    assert "Here stands: 1 | Okafor | Amara | x." in refused("id,name,note\n1,Okafor,Amara,x\n").detail


def test_a_ragged_row_beside_passwords_shows_none() -> None:
    """Cells may have moved, so any of them may be the password."""
    found = refused("id,name,line_password\n1,Okafor,Amara,hunter2\n")
    assert "hunter2" not in found.detail + found.line


def test_thousands_of_bad_rows_are_counted_not_listed() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_csv("a,b\n" + "1\n" * 5000, "file.csv")
    assert len(error.value.diagnostics) == 51
    assert any("4,950 more like this" in found.detail for found in error.value.diagnostics)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    document, warnings = written(tmp_path, b"\xef\xbb\xbfmac,b\n1,2\n")
    assert (document.data, warnings) == ([{"mac": "1", "b": "2"}], [])


def test_marked_utf16_is_read(tmp_path: Path) -> None:
    """Spreadsheets call it Unicode text."""
    document, warnings = written(tmp_path, "name\tx\nJosé\t1\n".encode("utf-16"))
    assert (document.data, warnings) == ([{"name": "José", "x": "1"}], [])


def test_windows_1252_is_read_with_a_warning_that_names_it(tmp_path: Path) -> None:
    document, warnings = written(tmp_path, "id,name\n1,ok\n2,José\n".encode("cp1252"))
    assert document.data == [{"id": "1", "name": "ok"}, {"id": "2", "name": "José"}]
    assert [(found.is_error, str(found.span)) for found in warnings] == [(False, "file.csv:3:6")]
    assert "Windows-1252" in warnings[0].detail and "'é'" in warnings[0].detail


@pytest.mark.parametrize(
    "data", [b"a,b\n1,\x81\n", b"a,b\n\xc3\xa9,\xe9\n", b"\xef\xbb\xbfa,b\n1,\xe9\n", b"\xff\xfea\x00,", b"a\x00\xe9\n"]
)
def test_an_encoding_that_cannot_be_told_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        written(tmp_path, data)
    assert error.value.diagnostics[0].summary == "Unreadable text"


def test_a_missing_file_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        read_csv(tmp_path / "none.csv", "none.csv")


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8), st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str, end: str) -> None:
    """Any text survives quoting, and every cell's position leads to where the cell begins."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    text = stream.getvalue()
    document = parse_csv(text, "file.csv")
    kept = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    assert document.data == [dict(zip("abc", row, strict=True)) for row in kept]
    lines = io.StringIO(text, newline="").readlines()
    for index in range(len(kept)):
        for name in "abc":
            span = document.source.value((index, name))
            assert lines[span.line - 1][span.column - 1] == '"'
