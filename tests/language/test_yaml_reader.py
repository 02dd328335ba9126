"""Reading YAML files: what comes out, what is refused, and where it says so."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from engine.language import yaml_reader
from engine.language.yaml_reader import overlaid, parse_yaml, read_yaml, written
from engine.model.diagnostic import Diagnostic, InvalidInput


def refusals(text: str) -> list[tuple[str, int, int]]:
    """(summary, line, column) of each problem."""
    with pytest.raises(InvalidInput) as refused:
        parse_yaml(text, "f.yml")
    return [(d.summary, d.span.line, d.span.column) for d in refused.value.diagnostics if d.span is not None]


def only_refusal(path: Path) -> Diagnostic:
    with pytest.raises(InvalidInput) as refused:
        read_yaml(path, path.name)
    assert len(refused.value.diagnostics) == 1
    return refused.value.diagnostics[0]


def test_nested_data_comes_out_plain() -> None:
    """Lists, mappings and block scalars become list, dict and str."""
    text = "a:\n- 1\n- {b: [x, y]}\n- |\n  two\n  lines\n- >-\n  one\n  line\nc: {}\nd: []\n"
    assert parse_yaml(text, "f.yml").data == {"a": [1, {"b": ["x", "y"]}, "two\nlines\n", "one line"], "c": {}, "d": []}


def test_keys_are_the_text_that_was_written() -> None:
    """An extension, a date or ``yes`` as a key is text: addresses and names are made of keys."""
    assert parse_yaml("101: a\nyes: b\n2026-12-24: c\nnull: d\n1.10: e\n", "f.yml").data == {
        "101": "a", "yes": "b", "2026-12-24": "c", "null": "d", "1.10": "e",
    }


def test_an_alias_stands_for_its_anchor() -> None:
    """Plain aliases work, for values and for keys."""
    assert parse_yaml("a: &x [1]\nb: *x\n&k c: 1\nd: {*k : 2}\n", "f.yml").data == {"a": [1], "b": [1], "c": 1, "d": {"c": 2}}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Files saved by Windows editors read like any other, positions included."""
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    document = read_yaml(path, "bom.yml")
    assert (document.data, str(document.source.value(("name",)))) == ({"name": "x"}, "bom.yml:1:7")


@pytest.mark.parametrize(("text", "expected"), [
    ("a: 1\na: 2\n", [("Duplicate key", 2, 1)]),
    ("1: a\n'1': b\n", [("Duplicate key", 2, 1)]),
    ("- b: 1\n  c: {x: [1], x: 2}\n  b: 3\n", [("Duplicate key", 2, 15), ("Duplicate key", 3, 3)]),
    ("a: 1\n---\nb: 2\n", [("Several documents", 2, 1)]),
    ("a:\n\tb: 1\n", [("Not valid YAML", 2, 1)]),
    ("a: 1\n\tb: 2\n", [("Not valid YAML", 2, 1)]),
    ("a: b: c\n", [("Not valid YAML", 1, 5)]),
    ("a: 'x\nb: 1\n", [("Not valid YAML", 1, 4)]),
    ("a: [1, 2\nb: 3\n", [("Not valid YAML", 1, 4)]),
    ("a:\n   b: 1\n  c: 2\n", [("Not valid YAML", 3, 3)]),
    ("a: @x\n", [("Not valid YAML", 1, 4)]),
    ("a: ok\nb: bad\x07bell\n", [("Not valid YAML", 2, 7)]),
    ("ä: é\nb: \x00\n", [("Not valid YAML", 2, 4)]),
    ("a: {{ item.mac }}\n", [("Template without quotes", 1, 4)]),
    ("a: {{ item.mac }}.cfg\n", [("Template without quotes", 1, 4)]),
    ("? [a]\n: b\n", [("Key is not text", 1, 3)]),
    (": b\n", [("Not valid YAML", 1, 1)]),
    ("?\n: b\n", [("Key is missing", 1, 2)]),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", [("Merge key", 3, 3)]),
    ("a: *nowhere\n", [("Unknown alias", 1, 4)]),
    ("a: &x {b: *x}\n", [("Unknown alias", 1, 11)]),
    ("a: !thing {b: 1}\n", [("Unknown tag", 1, 4)]),
    ("", [("File is empty", 1, 1)]),
    ("# nothing\n", [("File is empty", 1, 1)]),
    ("a: \ud800\n", [("Not valid YAML", 1, 1)]),
])
def test_what_could_be_misread_is_refused_at_its_place(text: str, expected: list[tuple[str, int, int]]) -> None:
    """Every refusal names line and column, and goes on to find the next one where it can."""
    assert refusals(text) == expected


def test_a_duplicate_key_names_the_line_of_the_first() -> None:
    """The operator sees both places without searching."""
    with pytest.raises(InvalidInput) as refused:
        parse_yaml("x:\n  mac: 1\n  label: y\n  mac: 2\n", "f.yml")
    assert "on line 2" in refused.value.diagnostics[0].detail


def test_aliases_that_multiply_are_refused_early() -> None:
    """A billion laughs is an error, not a memory problem."""
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    assert refusals(text)[0][0] == "Aliases grow too big"


def test_many_aliases_to_little_are_fine() -> None:
    """A default shared by thousands of items is no bomb."""
    text = "a: &a {b: 1}\nitems:\n" + "- *a\n" * 5000
    data = parse_yaml(text, "f.yml").data
    assert isinstance(data, dict) and len(data["items"]) == 5000


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 500, "- " * 1000])
def test_deep_nesting_is_refused_not_survived_by_luck(text: str) -> None:
    """Depth is bounded far below what would exhaust the stack."""
    assert refusals(text)[0][0] == "Nested too deep"


def test_a_file_over_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    """A 100 MB file costs a look at its size."""
    path = tmp_path / "huge.yml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert only_refusal(path).summary == "File is too big"


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    """A cp1252 file from a spreadsheet: which byte, and on which line."""
    path = tmp_path / "old.yml"
    path.write_bytes("a: x\nname: Zoë's\n".encode("cp1252"))
    problem = only_refusal(path)
    assert (str(problem.span), "Byte 13 (0xEB)" in problem.detail) == ("old.yml:2:9", True)


def test_utf16_is_named_for_what_it_is(tmp_path: Path) -> None:
    """Saved as 'Unicode' by a Windows editor."""
    path = tmp_path / "wide.yml"
    path.write_bytes("a: 1\n".encode("utf-16"))
    assert "UTF-16" in only_refusal(path).detail


@pytest.mark.parametrize(("make", "summary"), [("missing", "File not found"), ("folder", "Not a file")])
def test_what_is_no_file_is_said_plainly(tmp_path: Path, make: str, summary: str) -> None:
    """A wrong path is a diagnostic like any other."""
    path = tmp_path / "x.yml"
    if make == "folder":
        path.mkdir()
    assert only_refusal(path).summary == summary


def test_no_more_than_fifty_problems_are_listed() -> None:
    """A file that is wrong throughout does not scroll its first error away for minutes."""
    assert len(refusals("a: 1\n" * 1000)) == 50


def test_the_collector_runs_again_afterwards() -> None:
    """It is paused only while data is built, also when that fails."""
    with pytest.raises(InvalidInput):
        parse_yaml("a: [", "f.yml")
    assert gc.isenabled()


def test_positions_of_keys_values_and_what_is_not_there() -> None:
    """Keys, values, list entries; a path that leads nowhere gives the nearest thing that stands in the file."""
    source = parse_yaml("a:\n  b: [1, {c: x}]\nd:\n", "f.yml").source
    spans = [source.value(("a", "b", 1, "c")), source.key(("a", "b", 1, "c")), source.value(("a", "b", 1, "z"))]
    assert [str(span) for span in spans] == ["f.yml:2:14", "f.yml:2:11", "f.yml:2:10"]
    assert (str(source.key(("d",))), source.line(2)) == ("f.yml:3:1", "  b: [1, {c: x}]")


def test_written_gives_nothing_for_what_is_no_scalar() -> None:
    """Lists, mappings, aliases and missing paths have no written form."""
    document = parse_yaml("a: [1]\nb: &x 2\nc: *x\n", "f.yml")
    assert [written(document, path) for path in [("a",), ("a", 0), ("b",), ("c",), ("z",)]] == [None, "1", "2", None, None]


def test_the_limit_also_holds_for_what_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is never read past the limit, whatever its size said before."""
    path = tmp_path / "grows.yml"
    path.write_bytes(b"a: " + b"x" * 200)
    monkeypatch.setattr(yaml_reader, "MAX_BYTES", 100)
    assert only_refusal(path).summary == "File is too big"


def test_a_file_that_is_open_elsewhere_reads_as_it_stands_there(tmp_path: Path) -> None:
    """Until the block ends, and no other file does."""
    path, other = tmp_path / "a.yml", tmp_path / "b.yml"
    path.write_text("saved: true\n", encoding="utf-8")
    other.write_text("saved: true\n", encoding="utf-8")
    with overlaid({path.resolve(): "typed: true\n"}):
        assert read_yaml(path).data == {"typed": True}
        assert read_yaml(other).data == {"saved": True}
    assert read_yaml(path).data == {"saved": True}


def test_a_place_is_that_of_what_begins_last_before_it() -> None:
    """Of a key its value's path, inside a text of several lines that text's, above everything the document's."""
    source = parse_yaml("# top\na:\n  b: one\n  c: |\n    two\n    three\nd: [x, y]\n", "f.yml").source
    assert [source.at(*place) for place in [(1, 1), (3, 3), (3, 7), (6, 5), (7, 5), (7, 8)]] == [
        (), ("a", "b"), ("a", "b"), ("a", "c"), ("d", 0), ("d", 1),
    ]
