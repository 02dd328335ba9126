"""The order a runbook insists on: ``order: strict``, who may go against it, and what must precede what."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from engine.language.nearest import did_you_mean, offered
from engine.language.needs import needed_by
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Diagnostic
from engine.model.inventory import Inventory
from engine.model.runbook import Block, Precedence, Runbook
from engine.model.source import DataPath


def order_problems(runbook: Runbook, inventory: Inventory | None) -> Iterator[Diagnostic]:
    """Needs that loosen a strict order, roles that there are not, and pairs that make no sense."""
    if runbook.strict:
        yield from _loosened(runbook)
    yield from _overrides(runbook, inventory)
    for rule in runbook.precedences:
        yield from _names(runbook, rule)
    yield from _circle(runbook)


def _loosened(runbook: Runbook) -> Iterator[Diagnostic]:
    before = needed_by(runbook)
    for part in (runbook.blocks(), runbook.compensation()):
        for earlier, block in pairwise(part):
            # While needs go in a circle nothing comes before anything, and that is told already.
            if before and earlier.address not in before[block.address]:
                detail = (
                    f"{block.address} could start before {earlier.address} has ended, which stands above it. Under "
                    "'order: strict' each waits for the one above: leave 'needs' out, or name that one too."
                )
                yield _problem(runbook, "Against the strict order", detail, _needs_of(runbook, block))


def _needs_of(runbook: Runbook, block: Block) -> DataPath:
    """Where it is written what a block waits for: at the block, else at its phase."""
    own: DataPath = (*block.path, "needs")
    if at_path(runbook.document.data, own) is not None:
        return own
    phase: DataPath = (*block.path[:2], "needs")
    return phase if at_path(runbook.document.data, phase) is not None else block.path


def _overrides(runbook: Runbook, inventory: Inventory | None) -> Iterator[Diagnostic]:
    for index, role in enumerate(runbook.overridden_by):
        if inventory is not None and role not in inventory.people:
            detail = f"No role is called {role!r} in the inventory of {inventory.customer}. {offered(sorted(inventory.people))}"
            hint = did_you_mean(role, inventory.people)
            yield _problem(runbook, "Unknown role", detail, ("overrides", "by", index), hint)


def _names(runbook: Runbook, rule: Precedence) -> Iterator[Diagnostic]:
    known = [step.address for step in runbook.every_step()]
    for key, address in (("first", rule.first), ("then", rule.then)):
        if address not in known:
            group = next((block for block in runbook.every_block() if block.address == address), None)
            detail = f"No step is called {address!r}. {offered(known)}" if group is None else \
                f"{address!r} is a group; name one of its steps. {offered([step.address for step in group.steps])}"
            hint = did_you_mean(address, known) if group is None else ""
            yield _problem(runbook, "Unknown step", detail, rule.place(key), hint)
    if rule.first == rule.then:
        yield _problem(runbook, "Precedes itself", f"{rule.first} cannot run before itself. Name two steps.", rule.path)


def _circle(runbook: Runbook) -> Iterator[Diagnostic]:
    graph: dict[str, set[str]] = {}
    for rule in runbook.precedences:
        if rule.first == rule.then:
            continue
        graph.setdefault(rule.then, set()).add(rule.first)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = " before ".join(error.args[1])
            yield _problem(runbook, "Circular order", f"{circle}: no order fits that. One of these has to go.", rule.path)
            graph[rule.then].discard(rule.first)


def _problem(runbook: Runbook, summary: str, detail: str, path: DataPath, hint: str = "") -> Diagnostic:
    source = runbook.document.source
    span = source.value(path)
    return Diagnostic(summary, detail, span, source.line(span.line), hint)
