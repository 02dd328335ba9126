"""Fenced blocks of the Markdown files, and the command lines in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "engine" / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(switchover [^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. ``note``: the HTML comment right above it."""

    page: Path
    line: int
    language: str
    text: str
    note: str = ""

    @property
    def file_name(self) -> str:
        """What its first line, a comment, says it is: ``# runbooks/x.yml``; empty when it says nothing of the kind."""
        found = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, match["language"], match["text"], match["note"] or "")


def all_blocks(language: str) -> list[Block]:
    """Every block of a language, over all pages."""
    return [block for page in PAGES for block in blocks(page) if block.language == language]


def command_lines(block: Block) -> list[list[str]]:
    """Its lines as words, comments and blank lines left out."""
    found = (shlex.split(line, comments=True) for line in block.text.splitlines())
    return [words for words in found if words]


def named_file(name: str) -> Block:
    """The block that says it is this file. Raises ``LookupError``."""
    for page in PAGES:
        for block in blocks(page):
            if block.file_name == name:
                return block
    raise LookupError(f"no page shows {name}")


def inline_commands(page: Path) -> list[list[str]]:
    """``switchover ...`` in running text, as words."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [shlex.split(match[1].replace("\\|", "|")) for match in _INLINE.finditer(text)]
