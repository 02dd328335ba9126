"""``switchover doc`` and ``switchover schema``: reference in the terminal and as pages, from what the code says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.actions.catalog import BUILT_IN
from engine.model.args import arguments_of
from tests.support.cli import in_process


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_page_in_the_terminal_has_every_argument_and_an_example_and_fits_a_hundred_columns(name: str, tmp_path: Path) -> None:
    """Somebody at a console has no browser at hand."""
    page = in_process(tmp_path, "doc", name).must(0).out
    assert BUILT_IN[name].doc in " ".join(page.split())
    assert all(f"\n  {argument}  " in page for argument in arguments_of(BUILT_IN[name].Args))
    told, _, example = page.partition("\nExample\n")
    assert max(map(len, told.splitlines())) <= 100
    assert f"action: {name}" in example


def test_the_page_on_phone_files_names_what_each_vendor_asks_for(tmp_path: Path) -> None:
    """Facts of the trade are told where they are needed, in the case that the phone insists on."""
    page = in_process(tmp_path, "doc", "phone.config").must(0).out
    assert "Yealink" in page and "<mac>.cfg" in page and "snomD785-<MAC>.htm" not in page and "<MAC>" in page


def test_without_an_action_they_are_listed(tmp_path: Path) -> None:
    """One line each."""
    assert [line.split()[0] for line in in_process(tmp_path, "doc").must(0).out.splitlines()] == sorted(BUILT_IN)


def test_a_mistyped_action_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """As for commands."""
    assert "Did you mean 'number.forward'?" in in_process(tmp_path, "doc", "nmber.forward").must(3).err


def test_all_pages_are_written_into_a_folder(tmp_path: Path) -> None:
    """The list, and a page for each action below it."""
    in_process(tmp_path, "doc", "--all", "--output", tmp_path / "pages").must(0)
    written = {str(path.relative_to(tmp_path / "pages")) for path in (tmp_path / "pages").rglob("*.md")}
    assert written == {"actions.md", *(f"actions/{name}.md" for name in BUILT_IN)}


def test_pages_that_cannot_be_written_are_told_in_words(tmp_path: Path) -> None:
    """A folder that is a file."""
    (tmp_path / "actions").write_text("", encoding="utf-8")
    assert "could not be written" in in_process(tmp_path, "doc", "--all", "--output", tmp_path).must(1).err


@pytest.mark.parametrize("arguments", [("phone.config", "--all"), ("phone.config", "--output", "x")])
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is guessed."""
    in_process(tmp_path, "doc", *arguments).must(3)


@pytest.mark.parametrize("kind", ["runbook", "inventory", "scenario", "editor", *BUILT_IN])
def test_every_schema_is_printed(kind: str, tmp_path: Path) -> None:
    """As JSON Schema, from any folder."""
    assert in_process(tmp_path, "schema", kind).must(0).json["type"] == "object"


@pytest.mark.parametrize("kind", ["runbook", "inventory", "scenario"])
def test_the_page_on_a_files_keys_has_a_row_for_each_with_a_meaning(kind: str, tmp_path: Path) -> None:
    """Also those of its parts; a key nobody explains is one nobody uses."""
    schema = json.loads(in_process(tmp_path, "schema", kind).must(0).out)
    page = in_process(tmp_path, "schema", kind, "--output", "markdown").must(0).out
    for part in (schema, *schema["$defs"].values()):
        for key in part.get("properties", {}):
            assert f"\n| `{key}` | " in page, key
    assert [row for row in page.splitlines() if row.startswith("| `") and row.endswith("|  |")] == []
