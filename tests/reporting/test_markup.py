"""Text that nobody vouches for shows in a comment as it is, and does nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.reporting.markup import (
    Section,
    code,
    code_cell,
    fence,
    fitted,
    folded,
    html_code,
    html_text,
    marker,
    plain,
    size,
)
from engine.reporting.terminal import printable
from tests.support.rendered import Rendered, must_be_tame
from tests.support.reviews import EVIL

SPITEFUL = st.text(
    st.sampled_from("@#!%&~$<>[](){}`*_|\\/-+=.:;'\"\n\t 1aGHw\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH SPACE}é\x1b"), max_size=24,
) | st.text(max_size=24)
PIECES = ("@octocat", "#12", "GH-7", "https://x.example", "</details>", "```", "| a |", "/close", "- x", "1. x", "<!--", "$a$")


def squeezed(text: str) -> str:
    return " ".join(printable(text).split())


@given(SPITEFUL)
def test_running_text_shows_as_it_is_wherever_it_stands(text: str) -> None:
    """In a paragraph, a list, a cell and a summary: the same words, no reference, nothing opened."""
    shown = plain(text)
    for markdown in (f"{shown}", f"- {shown}", f"- **{shown} x**", f"| a |\n|---|\n| x {shown} |", folded(html_text(text), "x")):
        rendered = must_be_tame(markdown)
        if squeezed(text):
            assert squeezed(text) in rendered.words


@given(SPITEFUL)
def test_code_shows_as_it_is_wherever_it_stands(text: str) -> None:
    """Backticks, pipes and blanks at its ends included."""
    for markdown in (f"- {code(text)}", f"| a |\n|---|\n| {code_cell(text)} |", folded(html_code(text), fence([text]))):
        rendered = must_be_tame(markdown)
        if printable(text).strip():
            assert printable(text).strip() in [found.strip() for found in rendered.code]


@given(st.lists(SPITEFUL, min_size=1, max_size=5))
def test_lines_cannot_end_the_block_they_stand_in(lines: list[str]) -> None:
    """Neither a fence nor a fold, so what follows stays what it is."""
    rendered = must_be_tame(f"{folded('x', fence(lines, 'diff'))}\n\n- after")
    assert rendered.folds == 1
    assert rendered.code[0].splitlines() == [printable(line) for line in lines] or "\N{NEXT LINE}" in rendered.code[0]
    assert rendered.text.rstrip().endswith("after")


@pytest.mark.parametrize("piece", [*PIECES, EVIL])
def test_nobody_is_pinged_and_nothing_is_linked(piece: str) -> None:
    """The renderer's own view: without the care taken, these do something."""
    must_be_tame(f"- {plain(piece)}\n- {code(piece)}")
    assert Rendered("@octocat https://x.example").references


@given(st.lists(SPITEFUL, min_size=1, max_size=3))
def test_a_marker_is_one_hidden_line_whatever_it_is_about(about: list[str]) -> None:
    """And different things have different markers."""
    made = marker("plan", *about)
    assert made.startswith("<!-- switchover:plan ")
    assert made.count("-->") == 1
    assert "--" not in made[4:-3]
    assert len(made.splitlines()) == 1
    assert Rendered(f"{made}\n\nx").text.strip() == "x"
    assert marker("plan", *about, "x") != made


def test_markers_of_usual_names_can_be_read() -> None:
    """By whoever edits the comment."""
    made = marker("plan", "runbooks/move.yml", "inventories/acme@lab")
    assert made == "<!-- switchover:plan runbooks/move.yml inventories/acme@lab -->"
    assert marker("diff", "a--b c", "") == "<!-- switchover:diff a%2D-b%20c - -->"


def sections(count: int) -> list[Section]:
    return [Section(folded(f"part {n}", fence([f"line {n}"] * (10 + n))), code(f"part-{n}"), rank=n % 7) for n in range(count)]


@given(st.integers(0, 60), st.integers(1_500, 12_000))
def test_whole_sections_are_left_out_and_named(count: int, limit: int) -> None:
    """The result fits, each fold is whole, and what is missing is told."""
    text = fitted("# head", sections(count), limit, "All of it: `x`.")
    rendered = Rendered(text)
    assert size(text) <= limit
    assert not rendered.unbalanced
    assert rendered.folds == sum(f"part {n}</summary>" in text for n in range(count))
    assert ("**Left out**" in text) == (rendered.folds < count)
    assert text.startswith("# head\n\n") or not count


def test_the_last_by_rank_is_left_out_first() -> None:
    """What a reviewer must look at stays, wherever it stands."""
    parts = [Section("a" * 900, "`a`", 3), Section("b" * 900, "`b`", 0), Section("c" * 900, "`c`", 1)]
    text = fitted("# head", parts, 2_100, "All of it: `x`.")
    assert [letter for letter in "abc" if letter * 900 in text] == ["b", "c"]
    assert "**Left out**, as a comment holds 2,100 characters: `a`. All of it: `x`." in text


def test_characters_are_counted_as_the_stricter_count_them() -> None:
    """A pair of surrogates is two."""
    assert size("aé") == 2
    assert size("😀") == 2
