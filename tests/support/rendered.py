"""Markdown as GitHub renders it, by GitHub's own parser, looked at for what a comment must never do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm  # type: ignore[import-untyped]  # it says no types
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]  # it says no types

OURS = {
    "a", "blockquote", "br", "code", "details", "em", "h2", "h3", "hr", "li", "p", "pre", "span", "strong", "summary", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
}
_LINKS = re.compile(r"(?<![\w/])[@#!%&~](?=[\w\"'])|GH-\d|https?://|www\.")
"""What GitHub or GitLab would turn into a reference or a link, in running text."""
_GAP = "\N{ZERO WIDTH SPACE}"


@dataclass
class Rendered(HTMLParser):
    """A rendered comment: its text, what it refers to, and whether each element that is opened is closed."""

    source: str
    tags: set[str] = field(default_factory=set)
    folds: int = 0
    code: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    text: str = ""
    stack: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        html = cmarkgfm.github_flavored_markdown_to_html(self.source, Options.CMARK_OPT_UNSAFE)
        self.feed(re.sub("<!--.*?-->", "", html, flags=re.DOTALL))
        self.close()
        self.unbalanced += self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("br", "hr", "img", "input"):
            return
        self.stack.append(tag)
        if tag == "a":
            self.references.append(str(dict(attrs).get("href")))
        if tag == "code":
            self.code.append("")
        self.folds += tag == "details"

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
        if "code" in self.stack:
            self.code[-1] += data
        else:
            self.references += _LINKS.findall(data)

    @property
    def words(self) -> str:
        """Its text, blanks and zero-width spaces put aside."""
        return " ".join(self.text.replace(_GAP, "").split())


def must_be_tame(markdown: str) -> Rendered:
    """Rendered, after making sure that it refers to nobody, runs nothing, and leaves nothing open."""
    rendered = Rendered(markdown)
    assert rendered.tags <= OURS - {"a"}, rendered.tags - OURS
    assert not rendered.references, rendered.references
    assert not rendered.unbalanced, rendered.unbalanced
    # GitLab takes a line that begins with a slash for a command, unless it is code.
    outside = re.sub(r"^(`{3,}).*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^\s*/\w", outside, re.MULTILINE)
    return rendered
