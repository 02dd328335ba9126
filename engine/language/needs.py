"""Whether what waits for what makes sense: names that exist, and no circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from engine.language.nearest import did_you_mean, listed
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Diagnostic
from engine.model.runbook import Block, Runbook


def check_needs(runbook: Runbook) -> Iterator[Diagnostic]:
    """Unknown names in ``needs``, then circles."""
    for part in (runbook.blocks(), runbook.compensation()):
        blocks = {block.address: block for block in part}
        for block in blocks.values():
            yield from _check_names(runbook, block, blocks)
        yield from _circles(runbook, blocks)


def needed_by(runbook: Runbook) -> Mapping[str, frozenset[str]]:
    """Block address -> addresses of all blocks that must have ended before it, directly or through others.

    Empty while the needs go in a circle.
    """
    direct = {block.address: block.needs for block in runbook.every_block()}
    found: dict[str, frozenset[str]] = {}
    try:
        for address in TopologicalSorter(direct).static_order():
            needs = direct.get(address, ())
            found[address] = frozenset(needs).union(*(found[need] for need in needs))
    except CycleError:
        return {}
    return found


def _check_names(runbook: Runbook, block: Block, blocks: Mapping[str, Block]) -> Iterator[Diagnostic]:
    raw = at_path(runbook.document.data, (*block.path, "needs"))
    for index, written in enumerate(raw if isinstance(raw, list) else ()):
        address = written if "/" in written else f"{block.phase}/{written}"
        if address in blocks:
            continue
        source = runbook.document.source
        span = source.value((*block.path, "needs", index))
        group = next((b for b in blocks.values() if any(step.address == address for step in b.steps)), None)
        if group is not None:
            detail = f"{written!r} is a step inside the group {group.name!r}; what can be waited for is the group as a whole."
            hint = f"Write {group.name if group.phase == block.phase else group.address!r}."
        else:
            near = [b.name for b in blocks.values() if b.phase == block.phase and b is not block]
            detail = f"No step or group is called {written!r}. This phase also has {listed(near) or 'no others'}; " \
                     "for another phase write phase/step."
            hint = did_you_mean(written, [*near, *blocks])
        yield Diagnostic("Unknown step", detail, span, source.line(span.line), hint)


def _circles(runbook: Runbook, blocks: Mapping[str, Block]) -> Iterator[Diagnostic]:
    graph = {address: {need for need in block.needs if need in blocks} for address, block in blocks.items()}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # graphlib lists each node before the one that needs it.
            circle: list[str] = list(reversed(error.args[1]))
        else:
            return
        yield _circle(runbook, circle, blocks)
        _cut(graph, circle)


def _cut(graph: dict[str, set[str]], circle: list[str]) -> None:
    """Takes the circle's needs out of the graph; those between whole phases go together, as they came together."""
    for before, after in zip(circle, [*circle[1:], circle[0]], strict=True):
        if _phase_of(before) == _phase_of(after):
            graph[before].discard(after)
            continue
        for address, needs in graph.items():
            if _phase_of(address) == _phase_of(before):
                needs.difference_update([need for need in needs if _phase_of(need) == _phase_of(after)])


def _phase_of(address: str) -> str:
    return address.partition("/")[0]


def _circle(runbook: Runbook, circle: list[str], blocks: Mapping[str, Block]) -> Diagnostic:
    first = min(circle, key=list(blocks).index)
    start = circle.index(first)
    ordered = [*circle[start:-1], *circle[:start], first] if circle[0] == circle[-1] else circle
    source = runbook.document.source
    span = source.value((*blocks[first].path, "needs"))
    shown = ", which needs ".join(ordered[1:])
    detail = f"{first} needs {shown}. None of them could ever start; one of these needs has to go."
    return Diagnostic("Circular needs", detail, span, source.line(span.line))
