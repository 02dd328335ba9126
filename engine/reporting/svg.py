"""A runbook's outline as one SVG: no script, nothing from elsewhere, light and dark, and told to screen readers."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.planning.outline import Outline
from engine.reporting.svg_layout import LINE, Box, Drawing, Point, drawing_of
from engine.reporting.terminal import printable

_STYLE = """
svg{--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#57606a;--section:#f6f8fa;--lane:#eaeef2;--node:#fff;--edge:#8c959f;--final:#b3261e;
background:var(--bg);font:13px/1.3 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
@media(prefers-color-scheme:dark){svg{--bg:#0d1117;--fg:#e6edf3;--soft:#9da7b3;--line:#9da7b3;--section:#161b22;--lane:#21262d;
--node:#0d1117;--edge:#6e7681;--final:#ff8a80}}
text{fill:var(--fg)}.heading{font-size:20px;font-weight:600}.subtitle,.says,.note{fill:var(--soft)}.note{font-style:italic}
.title{font-weight:600}.kind{font-size:11px;font-weight:700;letter-spacing:.08em}.final{font-weight:700;fill:var(--final)}
.section{fill:var(--section);stroke:var(--edge)}.lane{fill:var(--lane);stroke:var(--edge);stroke-dasharray:6 4}
.node{fill:var(--node);stroke:var(--line);stroke-width:1.5}.node.last{stroke:var(--final);stroke-width:4}
.inner{fill:none;stroke:var(--line)}.way{fill:none;stroke:var(--line);stroke-width:1.5}.tip{fill:var(--line)}
"""
_PAD = 22
_TIP = 7


def render_svg(outline: Outline) -> str:
    """The whole file, ending with a line break."""
    drawing = drawing_of(outline)
    return "\n".join(_document(drawing, outline)) + "\n"


def _document(drawing: Drawing, outline: Outline) -> Iterator[str]:
    width, height = round(drawing.width), round(drawing.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="title description">'
    )
    yield f'<title id="title">{_escaped(drawing.title)}</title>'
    yield f'<desc id="description">{_escaped(_description(outline))}</desc>'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect width="{width}" height="{height}" style="fill:var(--bg)"/>'
    yield f'<text class="heading" x="24" y="40">{_escaped(drawing.title)}</text>'
    yield f'<text class="subtitle" x="24" y="60">{_escaped(drawing.subtitle)}</text>'
    frames = [box for box in drawing.boxes if box.shape in ("section", "lane")]
    nodes = [box for box in drawing.boxes if box.shape not in ("section", "lane")]
    yield from (f'<rect class="{box.shape}" {_rectangle(box)} rx="8"/>' for box in frames)
    for line in drawing.lines:
        yield from _way(line)
    yield from (_texts(box, 14, halo=True) for box in frames)
    for box in nodes:
        yield _shape(box)
        yield _texts(box, _PAD)
    yield "</svg>"


def _description(outline: Outline) -> str:
    """The order in words, for who cannot see it."""
    told = [
        f"{section.title or section.name}: {', '.join(node.title for part in section.parts for node in part.nodes)}."
        for section in outline.sections
    ]
    return " ".join([f"{outline.size}.", *told])


def _escaped(text: str) -> str:
    return escape(printable(text))


def _rectangle(box: Box) -> str:
    return f'x="{box.left:g}" y="{box.top:g}" width="{box.width:g}" height="{box.height:g}"'


def _texts(box: Box, pad: float, *, halo: bool = False) -> str:
    room = ' style="paint-order:stroke;stroke:var(--section);stroke-width:4px"' if halo and box.shape == "section" else ""
    lines = (
        f'<tspan class="{style}" x="{box.left + pad:g}" y="{box.top + 12 + LINE * (number + 0.8):g}">{_escaped(words)}</tspan>'
        for number, (style, words) in enumerate(box.texts)
    )
    return f"<text{room}>{''.join(lines)}</text>"


def _way(points: tuple[Point, ...]) -> Iterator[str]:
    x, y = points[-1]
    path = "M" + " L".join(f"{left:g} {top:g}" for left, top in (*points[:-1], (x, y - _TIP)))
    yield f'<path class="way" d="{path}"/>'
    yield f'<path class="tip" d="M{x:g} {y:g} l-4.5 -{_TIP} h9 z"/>'


def _shape(box: Box) -> str:
    style = f"node{' last' if box.is_final else ''}"
    left, top, right, bottom, middle = box.left, box.top, box.left + box.width, box.bottom, (box.top + box.bottom) / 2
    corners: dict[str, tuple[Point, ...]] = {
        "approval": (
            (left + 12, top), (right - 12, top), (right, middle), (right - 12, bottom), (left + 12, bottom), (left, middle),
        ),
        "input": ((left + 14, top), (right, top), (right - 14, bottom), (left, bottom)),
        "task": ((left + 14, top), (right - 14, top), (right, bottom), (left, bottom)),
    }
    if box.shape in corners:
        points = " ".join(f"{x:g},{y:g}" for x, y in corners[box.shape])
        return f'<polygon class="{style}" points="{points}"/>'
    if box.shape == "appointment":
        inner = f'<path class="inner" d="M{left + 8:g} {top:g} V{bottom:g} M{right - 8:g} {top:g} V{bottom:g}"/>'
        return f'<rect class="{style}" {_rectangle(box)}/>{inner}'
    return f'<rect class="{style}" {_rectangle(box)} rx="{min(24, box.height / 2) if box.shape == "wait" else 3:g}"/>'
