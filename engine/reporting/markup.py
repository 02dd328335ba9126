"""Markdown for a pull request, out of text that nobody vouches for.

A phone's name, a device's answer or a person's reason may hold anything. Put into a comment it must show as it is: open no
markup, ping nobody, link no issue, and not be taken for a command (GitLab runs lines that begin with ``/``). A comment has a
size limit, and what goes beyond it is left out by whole sections, so that no fence and no fold stays open.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from engine.model.values import dataclass
from engine.reporting.terminal import many, printable, shortened

GITHUB_CHARACTERS = 65_536
"""The most a comment on GitHub takes; a longer one is answered with 422, "Body is too long (maximum is 65536 characters)"."""
GITLAB_CHARACTERS = 1_000_000
"""The most a note on GitLab takes (its Notes API: "Limited to 1,000,000 characters")."""
FEWEST_CHARACTERS = 4_000
"""Below this there is no room for what has to be said at the least."""

_GAP = "&#8203;"
"""A zero-width space: parts a sign from the word after it, which then refers to nobody. Dependabot and Renovate do the same."""
_SIGNS = str.maketrans({
    "&": "&amp;", "<": "&lt;", ">": "&gt;",
    **{sign: f"\\{sign}" for sign in "\\`*_{}[]|~"},
    # Two amounts in one line would be a formula. GitHub wants the span, GitLab the backslash.
    "$": r"<span>\$</span>",
})
_REFERENCES = re.compile(
    r"(?<=[@#!%])(?=[\w\"'{])"  # people, issues, merge requests, milestones
    r"|(?<=[&~])(?=[\w\"'])"  # epics and labels of GitLab
    r"|(?<=GH-)(?=\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)"  # issues again; addresses, which are linked
    r"|(?<=[{\[])(?=[+-])"  # inline diffs of GitLab
)
"""Where something is parted, so that it refers to nothing."""
_OPENS_BLOCK = re.compile(r"(\d*)([-+=.)])(?=\s|$|[-=])")
_LISTED = 10
"""Sections left out that are named."""


def plain(text: str) -> str:
    """Running text, shown as it is. One line; may stand anywhere in a line, in a table too."""
    cut = _REFERENCES.sub("\0", printable(text).strip())
    escaped = cut.translate(_SIGNS).replace("\0", _GAP)
    opening = _OPENS_BLOCK.match(escaped)
    if opening:  # would begin a list or a rule where a list's entry begins
        return f"{opening[1]}\\{escaped[len(opening[1]):]}"
    return f"{_GAP}{escaped}" if escaped.startswith(("/", "#")) else escaped


def code(text: str) -> str:
    """A name or a value, as code: nothing in it is markup or a reference, and it can be copied as it is."""
    shown = printable(text)
    if not shown.strip():
        return "(empty)" if not shown else "(blank)"
    marks = "`" * (_longest_run(shown) + 1)
    padding = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{marks}{padding}{shown}{padding}{marks}"


def code_cell(text: str) -> str:
    """As ``code``, for a cell of a table: there a ``|`` ends the cell even within code."""
    return code(text).replace("|", "\\|")


def fence(lines: Iterable[str], language: str = "") -> str:
    """Lines as a block of code, whatever they hold."""
    shown = [printable(line) for line in lines]
    marks = "`" * max(3, max(map(_longest_run, shown), default=0) + 1)
    return "\n".join([f"{marks}{language}", *shown, marks])


def folded(summary: str, body: str) -> str:
    """A fold. ``summary`` is HTML, from ``html_text`` and ``html_code``; ``body`` is made Markdown."""
    # The blank lines end the HTML, so that the body is read as Markdown.
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def html_text(text: str) -> str:
    """Running text where Markdown is not read: in the summary of a fold."""
    cut = _REFERENCES.sub("\0", printable(text))
    return html.escape(cut).replace("$", "<span>$</span>").replace("\0", _GAP)


def html_code(text: str) -> str:
    """A name where Markdown is not read."""
    return f"<code>{html.escape(printable(text))}</code>"


def marker(kind: str, *about: str) -> str:
    """The first line, hidden, by which a later comment on the same finds the earlier one: what it is, and about what."""
    key = " ".join(map(_marker_word, about))
    return f"<!-- switchover:{kind} {key} -->" if key else f"<!-- switchover:{kind} -->"


def size(text: str) -> int:
    """Characters as the stricter count them: one outside the basic plane is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Section:
    """A part that is shown whole or not at all. ``name``: what it is called where it is left out, as Markdown; ``rank``: what has
    the lower one is kept first."""

    text: str
    name: str
    rank: int


def fitted(head: str, sections: Sequence[Section], limit: int, whole: str) -> str:
    """``head`` and the sections, in order; the last by rank are left out until all is at most ``limit`` characters.

    A line then says which those are and, by ``whole`` (a sentence as Markdown), how to see them.
    """
    text = "\n\n".join([head, *(section.text for section in sections)]) + "\n"
    if size(text) <= limit:
        return text
    kept = set()
    longest = sorted((section.name for section in sections), key=size, reverse=True)
    room = limit - size(head) - size(_left_out(longest, limit, whole)) - 4
    for place, section in sorted(enumerate(sections), key=lambda entry: entry[1].rank):
        needed = size(section.text) + 2
        if needed <= room:
            kept.add(place)
            room -= needed
    shown = [section.text for place, section in enumerate(sections) if place in kept]
    missing = sorted((s for place, s in enumerate(sections) if place not in kept), key=lambda section: section.rank)
    return "\n\n".join([head, *shown, _left_out([section.name for section in missing], limit, whole)]) + "\n"


def _left_out(names: Sequence[str], limit: int, whole: str) -> str:
    more = f" and {many(len(names) - _LISTED, 'more part')}" if len(names) > _LISTED else ""
    return f"**Left out**, as a comment holds {limit:,} characters: {', '.join(names[:_LISTED])}{more}. {whole}"


def short_code(text: str, width: int = 60) -> str:
    """As ``code``, cut to ``width`` columns."""
    return code(shortened(printable(text), width))


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _marker_word(word: str) -> str:
    """Nothing that could end the comment, and no blank within one word."""
    encoded = re.sub(r"[^\w./@+:,-]|-(?=-)|-$", _percent, word, flags=re.ASCII)
    return encoded or "-"


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
