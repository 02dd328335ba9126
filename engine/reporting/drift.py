"""What has become of what a run left, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from engine.planning.drift import Drift, Standing
from engine.reporting.plan_json import item_data
from engine.reporting.terminal import Paint, many, printable, shown, wrapped

FORMAT = "switchover.drift/1"
_DIFF_LINES = 24
_STYLES = {
    Standing.AS_LEFT: ("=", "dim"), Standing.CHANGED: ("~", "yellow"), Standing.GONE: ("-", "alarm"),
    Standing.UNREADABLE: ("!", "alarm"),
}


def format_drift(run: str, found: Iterable[Drift], unread: int, *, color: bool = False, width: int = 100) -> str:
    """Every item that is not as left, with what leads from what is there now back to it; then counts. ``unread``: items whose
    effect nobody can read. Without the last line end."""
    paint, width = Paint(color), max(60, width)
    lines = [paint("bold", f"What has changed since run {run}")]
    lines += [paint("dim", "from what is there now -> to what the run left"), ""]
    counts: Counter[Standing] = Counter()
    for drift in found:
        counts[drift.standing] += 1
        if drift.standing is not Standing.AS_LEFT:
            lines += _item(drift, paint, width)
    for standing, (mark, style) in _STYLES.items():
        if counts[standing]:
            lines.append(f"  {paint(style, mark)} {counts[standing]:>7,}  {standing.value}")
    if unread:
        lines.append(paint("dim", f"  ? {unread:>7,}  done, and nobody can read it back"))
    if not counts:
        lines.append("The run left nothing that can be read back.")
    return "\n".join(lines)


def _item(drift: Drift, paint: Paint, width: int) -> Iterator[str]:
    mark, style = _STYLES[drift.standing]
    item = drift.item
    yield f"{paint(style, mark)} {printable(item.address)} {printable(item.label)}".rstrip() + f": {drift.standing.value}"
    if item.why:
        yield from (f"    {line}" for line in wrapped(item.why, width - 4, 0))
    for field in item.fields:
        yield f"    {printable(field.name)}  {shown(field.before)} -> {shown(field.after)}"
    yield from (f"    {printable(line)}" for line in item.diff[:_DIFF_LINES])
    if len(item.diff) > _DIFF_LINES:
        yield paint("dim", f"    ... {many(len(item.diff) - _DIFF_LINES, 'more line')}")
    yield ""


def drift_data(drift: Drift) -> dict[str, Any]:
    """One item for programs: as a plan has it, and how it stands."""
    data = item_data(drift.item)
    return {"standing": drift.standing.value, **{name: data[name] for name in ("address", "step", "item", "label", "action")},
            "why": data["why"], "fields": data["fields"], "diff": data["diff"]}


def counts_data(found: Iterable[Drift], unread: int) -> dict[str, int]:
    """How many items stand how."""
    counts = Counter(drift.standing for drift in found)
    return {**{standing.value: counts[standing] for standing in Standing}, "cannot be read back": unread}
