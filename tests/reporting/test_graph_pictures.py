"""A runbook as Mermaid and as SVG: whole, harmless, and with nothing drawn over anything else."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.runbook_reader import load_runbook
from engine.planning.outline import Node, Outline, Part, Section, outline_of
from engine.reporting.mermaid import render_mermaid
from engine.reporting.svg import render_svg
from engine.reporting.svg_layout import LINE, Box, Drawing, drawing_of
from tests.support.cli import ROOT, in_process

AWKWARD = Path(__file__).parent / "awkward.yml"
RUNBOOKS = [AWKWARD, *sorted((ROOT / "runbooks").glob("*.yml"))]
_LABEL = r'"((?:[^"#&<>`\\%]|#\d+;|<br/>)*)"'
_SHAPES = (
    rf"\[{_LABEL}\]", rf"\{{\{{{_LABEL}\}}\}}", rf"\[/{_LABEL}/\]", rf"\[/{_LABEL}\\\]", rf"\(\[{_LABEL}\]\)",
    rf"\[\[{_LABEL}\]\]", rf">{_LABEL}\]",
)
_NODE = re.compile(rf"(\w+)(?:{'|'.join(_SHAPES)})(?::::final)?")
_OTHERS = [
    re.compile(pattern) for pattern in (
        rf"subgraph \w+\[{_LABEL}\]", "end", r"\w+ (-->|-\.-) \w+( --> \w+)*", r"acc(Title|Descr): [^#;{}<>\"]+",
        r"classDef final [a-z0-9:, -]+",
    )
]


def outline(path: Path) -> Outline:
    return outline_of(load_runbook(path))


def parsed(text: str) -> set[str]:
    """The nodes of a flowchart, by a grammar that takes less than Mermaid's own: every label quoted, every sign escaped."""
    first, *lines = text.rstrip("\n").split("\n")
    assert first == "flowchart TB"
    nodes, drawn, depth = set[str](), set[str](), 0
    for line in map(str.strip, lines):
        node = _NODE.fullmatch(line)
        assert node or any(pattern.fullmatch(line) for pattern in _OTHERS), line
        depth += line.startswith("subgraph ") - (line == "end")
        if node or line.startswith("subgraph "):
            nodes.add(node[1] if node else line.split()[1].partition("[")[0])
        elif "--" in line or "-.-" in line:
            drawn |= set(re.findall(r"\w+", line))
    assert depth == 0
    assert drawn <= nodes
    return nodes


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_mermaid_is_well_formed(path: Path) -> None:
    """Every step, gate and lane is a node, and no arrow leads to nowhere."""
    told = outline(path)
    lanes = sum(part.is_lane for part in told.parts())
    expected = sum(len(part.nodes) for part in told.parts()) + 2 * lanes + len(told.sections)
    assert len(parsed(render_mermaid(told))) == expected


def test_mermaid_reads_as_before(matches_golden: Callable[[str, str], None]) -> None:
    """Kinds by shape and by word, notes, the point of no return, awkward titles."""
    matches_golden("awkward.mmd", render_mermaid(outline(AWKWARD)))


@given(st.text(max_size=60))
def test_no_text_breaks_out_of_its_label(text: str) -> None:
    """Whatever stands in a title or a condition: it is shown, not obeyed."""
    node = Node("p/s", text, "approval", text, (text,), is_final=True)
    told = Outline("x", text, "", (Section("p", text, (Part("p/s", (node,), False, (), (), 0),)),))
    assert parsed(render_mermaid(told)) == {"p1", "n1"}
    ET.fromstring(render_svg(told))


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_svg_is_complete_and_harmless(path: Path) -> None:
    """It has a title and a description, each step's words, no script, and nothing that is loaded from elsewhere."""
    told = outline(path)
    text = render_svg(told)
    root = ET.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "polygon", "path", "text", "tspan"}
    assert not re.search(r"<[^>]*\s(on\w+|href|src)=|url\(|@import", text)
    assert (root[0].text, root.attrib["role"]) == (told.title, "img")
    drawn = " ".join("".join(element.itertext()) for element in root.iter() if element.tag.endswith("tspan"))
    for part in told.parts():
        for node in part.nodes:
            assert set(node.title.split()) <= set(drawn.split()) or not node.title.isascii()
            assert node.title in (root[1].text or "")


def nodes_of(drawing: Drawing) -> list[Box]:
    return [box for box in drawing.boxes if box.shape not in ("section", "lane")]


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_nothing_is_drawn_over_anything_else(path: Path) -> None:
    """Nodes keep apart and inside the picture, and no line crosses one."""
    drawing = drawing_of(outline(path))
    nodes = nodes_of(drawing)
    for number, one in enumerate(nodes):
        assert one.left >= 0
        assert one.top >= 0
        assert one.left + one.width <= drawing.width
        assert one.bottom <= drawing.height
        assert one.height >= len(one.texts) * LINE
        assert not any(_overlap(one, other) for other in nodes[number + 1 :])
    for line in drawing.lines:
        for (x1, y1), (x2, y2) in itertools.pairwise(line):
            segment = Box("", min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1), ())
            assert not any(_overlap(segment, box) for box in nodes)


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.left < other.left + other.width and other.left < one.left + one.width
        and one.top < other.bottom and other.top < one.bottom
    )


def test_the_steps_of_a_lane_follow_each_other() -> None:
    """An arrow from each to the next, inside the lane's frame."""
    drawing = drawing_of(outline(ROOT / "runbooks" / "hosted-pbx-cutover.yml"))
    (lane,) = [box for box in drawing.boxes if box.shape == "lane"]
    inside = [line for line in drawing.lines if all(lane.top < y < lane.bottom and x == lane.middle for x, y in line)]
    assert len(inside) == 2


def test_a_long_runbook_fills_a_page_and_is_no_strip() -> None:
    """Sixty steps in a row go on in further columns."""
    drawing = drawing_of(outline(ROOT / "runbooks" / "saas-to-virtual-office.yml"))
    assert 1 < drawing.width / drawing.height < 2.2


def test_the_command_draws_what_is_asked_for(tmp_path: Path) -> None:
    """To stdout, or to a file whose name may say what it is to be."""
    runbook = ROOT / "runbooks" / "hosted-pbx-cutover.yml"
    assert in_process(tmp_path, "graph", runbook).must(0).out == render_mermaid(outline(runbook))
    assert in_process(tmp_path, "graph", runbook, "--format", "svg").must(0).out.startswith("<svg ")
    assert in_process(tmp_path, "graph", runbook, "--out", "x.svg").must(0).out == ""
    assert (tmp_path / "x.svg").read_text(encoding="utf-8") == render_svg(outline(runbook))
    assert "There is no" in in_process(tmp_path, "graph", "none.yml").must(3, 1).text
    (tmp_path / "bad.yml").write_text("switchover: 1\nname: x\n", encoding="utf-8")
    assert "bad.yml:1:1" in in_process(tmp_path, "graph", "bad.yml").must(3).err
