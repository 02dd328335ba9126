"""The digest of what a document says: blind to layout, sharp for everything else."""

from __future__ import annotations

import pytest

from engine.language.meaning import meaning_of
from engine.language.yaml_reader import parse_yaml

A = "name: x\nsteps:\n  - {a: 1, b: '21:00'}\n  - c\n"


def meaning(text: str) -> str:
    return meaning_of(parse_yaml(text, "f.yml"))


@pytest.mark.parametrize("text", [
    "# said\nsteps:\n- b: 21:00 # quoted or not, it is text\n  a: 1\n- 'c'\nname: \"x\"\n",
    "name: &n x\nsteps:\n- &first {b: \"21:00\", a: 1}\n- >-\n  c\n",
    "\ufeffname: x\r\nsteps:\r\n  - {a: 1, b: '21:00'}\r\n  - c\r\n",
])
def test_layout_does_not_count(text: str) -> None:
    """Comments, quotes, styles, anchors, line ends and the order of keys leave the digest as it is."""
    assert meaning(text) == meaning(A)


@pytest.mark.parametrize("text", [
    A.replace("a: 1", "a: '1'"),
    A.replace("a: 1", "a: 1.0"),
    A.replace("a: 1", "a: true"),
    A.replace("name: x", "name:"),
    A.replace("name: x\n", ""),
    "name: x\nsteps:\n  - c\n  - {a: 1, b: '21:00'}\n",
])
def test_everything_else_counts(text: str) -> None:
    """Types, null for nothing, a key left out, and the order of a list."""
    assert meaning(text) != meaning(A)


def test_a_number_written_otherwise_counts_where_its_text_may_be_wanted() -> None:
    """``1.10`` is another version than ``1.1``."""
    assert meaning("version: 1.10\n") != meaning("version: 1.1\n")
