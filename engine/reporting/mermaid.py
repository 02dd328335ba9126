"""A runbook's outline as a Mermaid flowchart, for pages that draw these: pull requests, wikis, READMEs.

What a node is shows in its shape and stands in its text. Text is escaped by Mermaid's own entities, since a label may hold a
template, a comparison, or anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.planning.outline import Node, Outline, Part, Section
from engine.reporting.terminal import printable

KIND_WORDS = {
    "step": "", "approval": "Approval", "input": "Form", "task": "By hand", "wait": "Wait", "appointment": "Appointment",
}
FINAL = "NO WAY BACK: neither this nor what is before it is rolled back"
_SHAPES = {
    "step": ('["', '"]'), "approval": ('{{"', '"}}'), "input": ('[/"', '"/]'), "task": ('[/"', '"\\]'), "wait": ('(["', '"])'),
    "appointment": ('[["', '"]]'),
}
_ESCAPED = re.compile(r'["#&<>`\\%]')
_LOOKS_LIKE_A_LIST = re.compile(r"^(\d+)([.)])|^([-+*])(?=\s)")


def render_mermaid(outline: Outline) -> str:
    """The flowchart. Begins with ``flowchart TB`` and ends with a line break."""
    lines = ["flowchart TB", f"  accTitle: {_plain(outline.title)}", f"  accDescr: {_plain(outline.size)}"]
    ids = {part.address: f"n{number}" for number, part in enumerate(outline.parts(), start=1)}
    for number, section in enumerate(outline.sections, start=1):
        lines += _section(section, f"p{number}", ids)
    for part in outline.parts():
        lines += [f"  {ids[before]} --> {ids[part.address]}" for before in part.after]
    lines.append("  classDef final stroke-width:4px,stroke-dasharray:8 3")
    return "\n".join(lines) + "\n"


def _section(section: Section, name: str, ids: dict[str, str]) -> Iterator[str]:
    yield f'  subgraph {name}["{_label(section.title or section.name)}"]'
    for part in section.parts:
        yield from (f"    {line}" for line in _part(part, ids[part.address]))
    yield "  end"


def _part(part: Part, name: str) -> Iterator[str]:
    if not part.is_lane:
        yield _node(part.nodes[0], name)
        return
    # A heading of several lines would be drawn over what stands below it, so the notes are a node: a flag.
    yield f'subgraph {name}["{_label("Each item in a lane: " + part.address.partition("/")[2])}"]'
    yield f'  {name}s0>"{_label(*part.notes)}"]'
    inner = [f"{name}s{number}" for number in range(1, len(part.nodes) + 1)]
    yield from (f"  {_node(node, each)}" for node, each in zip(part.nodes, inner, strict=True))
    yield f"  {name}s0 -.- {' --> '.join(inner)}"
    yield "end"


def _node(node: Node, name: str) -> str:
    opening, closing = _SHAPES[node.kind]
    kind = KIND_WORDS[node.kind]
    lines = [f"{kind}: {node.title}" if kind else node.title, node.says, *node.notes, *([FINAL] if node.is_final else [])]
    return f"{name}{opening}{_label(*lines)}{closing}{':::final' if node.is_final else ''}"


def _label(*lines: str) -> str:
    return "<br/>".join(_escaped(line) for line in lines)


def _escaped(line: str) -> str:
    escaped = _ESCAPED.sub(lambda found: f"#{ord(found[0])};", printable(line))
    # What begins like a list would be drawn as one, or refused.
    return _LOOKS_LIKE_A_LIST.sub(lambda found: f"{found[1]}#{ord(found[2])};" if found[1] else f"#{ord(found[3])};", escaped)


def _plain(text: str) -> str:
    """For the lines that tell screen readers, which know no quotes and no entities."""
    return re.sub(r"[#;{}<>\"%]", " ", printable(text)).strip() or "Runbook"
