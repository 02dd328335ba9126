"""Whether an address is worked, and why not: its collection, ``where``, ``--limit`` and ``when``, taken apart as far as that
can be done without a look at any system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace

from engine.language.templates import DependsOnLaterError, Operand, Templates
from engine.model.diagnostic import InvalidInput
from engine.model.explanation import Group, Status, Term, Verdict
from engine.model.inventory import Item
from engine.model.runbook import Step
from engine.model.source import DataPath, SourceMap
from engine.model.values import dataclass
from engine.planning.layers import Layers
from engine.planning.limit import admits

_UNREVEALED = "a secret decides this, which is not looked up"


@dataclass(slots=True)
class Verdicts:
    """Judges addresses of one runbook. ``limit``: as given on the command line."""

    templates: Templates
    source: SourceMap
    limit: tuple[str, ...] = ()
    _taken_apart: dict[tuple[str, DataPath], Operand] = field(default_factory=dict)
    """Compiled once for all items."""

    def of(self, step: Step, at: Layers, picking: Layers) -> tuple[Verdict, ...]:
        """Each thing that has to hold. ``picking``: the layers as ``where`` sees them."""
        found = list(self._of_item(at))
        where = at.block.fan_out.where
        if where is not None and at.item is not None:
            found.append(self.condition("where", where, (*at.block.path, "where"), picking))
        if self.limit:
            holds = admits(self.limit, step.address, None if at.item is None else at.item.key)
            found.append(Verdict("limit", holds, f"--limit {' --limit '.join(self.limit)}"))
        if step.when is not None:
            found.append(self.condition("when", step.when, (*step.path, "when"), at))
        return tuple(found)

    def _of_item(self, at: Layers) -> Iterator[Verdict]:
        name, item = at.block.fan_out.for_each, at.item
        collection = at.inventory.collections.get(name or "")
        if item is not None and collection is not None:
            words = f"{item.key} is item {item.row + 1} of {collection.name}"
            yield Verdict("for_each", True, words, collection.span(item))

    def condition(self, what: str, expression: str, path: DataPath, at: Layers) -> Verdict:
        """A ``where`` or ``when`` with its terms, and the values of the names in them."""
        whole = self._taken_apart.get((expression, path))
        if whole is None:
            whole = self._taken_apart[expression, path] = self.templates.compile_operands(expression, self.source, path)
        judged = _Judge(at)
        holds, why = judged.whole(whole)
        terms = tuple(judged.terms(whole))
        return Verdict(what, holds, expression.strip(), self.source.value(path), terms, why)


@dataclass(frozen=True, slots=True)
class _Judge:
    at: Layers

    def whole(self, operand: Operand) -> tuple[bool | None, str]:
        """As the condition itself has it; by its terms where one of them hangs on a secret."""
        if any(self._hangs_on_secret(leaf) for leaf in _leaves(operand)):
            holds = self._by_terms(operand)
            return holds, _UNREVEALED if holds is None else ""
        return self._told(operand)

    def terms(self, operand: Operand) -> Iterator[Term]:
        deciding = set(map(id, self._deciding(operand)))
        for leaf in _leaves(operand):
            holds, why = self._leaf(leaf)
            names = dict.fromkeys(replace(r, line=0, is_guarded=False) for r in leaf.condition.references.all)
            yield Term(leaf.words, holds, tuple(map(self.at.variable, names)), why, id(leaf) in deciding)

    def _leaf(self, leaf: Operand) -> tuple[bool | None, str]:
        return (None, _UNREVEALED) if self._hangs_on_secret(leaf) else self._told(leaf)

    def _told(self, operand: Operand) -> tuple[bool | None, str]:
        try:
            return operand.condition.holds(self.at.view.context), ""
        except DependsOnLaterError as later:
            return None, f"known after {later.step}"
        except InvalidInput as invalid:
            return None, self.at.view.redact(invalid.diagnostics[0].detail)

    def _hangs_on_secret(self, leaf: Operand) -> bool:
        """Whether it asks more of a secret than whether there is one."""
        secrets = [r for r in leaf.condition.references.all if self.at.is_secret(r)]
        return any(leaf.words != ".".join((r.root, *r.fields)) for r in secrets)

    def _by_terms(self, operand: Operand) -> bool | None:
        if not operand.parts:
            return self._leaf(operand)[0]
        inner = [self._by_terms(part) for part in operand.parts]
        if operand.joined == "not":
            return None if inner[0] is None else not inner[0]
        settles = operand.joined == "or"
        return settles if settles in inner else None if None in inner else not settles

    def _deciding(self, operand: Operand) -> Iterator[Operand]:
        """The leaves because of which it is so, or because of which nobody can tell."""
        if not operand.parts:
            yield operand
            return
        holds = self._by_terms(operand)
        for part in operand.parts:
            if operand.joined == "not" or holds is (operand.joined == "and") or self._by_terms(part) is holds:
                yield from self._deciding(part)


def _leaves(operand: Operand) -> Iterator[Operand]:
    if not operand.parts:
        yield operand
    for part in operand.parts:
        yield from _leaves(part)


def status_of(verdicts: tuple[Verdict, ...]) -> Status:
    """What becomes of an address."""
    if any(verdict.holds is False and verdict.what != "when" for verdict in verdicts):
        return Status.OUT
    if any(verdict.holds is False for verdict in verdicts):
        return Status.SKIPPED
    return Status.OPEN if any(verdict.holds is None for verdict in verdicts) else Status.IN


def reason_of(verdicts: tuple[Verdict, ...]) -> str:
    """Why, in words that are the same for all items that fare alike; empty for those in scope."""
    unmet = sorted((v for v in verdicts if v.holds is not True), key=lambda v: (v.holds is None, v.what == "when"))
    if not unmet:
        return ""
    first = unmet[0]
    deciding = [term for term in first.terms if term.decides] or list(first.terms)
    if first.holds is None:
        return f"{first.what}: {first.words} ({first.why})"
    if len(first.terms) < 2:
        return f"{first.what}: {first.words}" if first.terms else first.words
    told = {True: "is true", False: "is false", None: "cannot be told"}
    return f"{first.what}: {', '.join(f'{term.words} {told[term.holds]}' for term in deciding)}"


def grouped(fared: Iterator[tuple[Item, tuple[Verdict, ...]]]) -> tuple[Group, ...]:
    """Items that fare alike together, those in scope first."""
    found: dict[tuple[Status, str], list[str]] = {}
    for item, verdicts in fared:
        found.setdefault((status_of(verdicts), reason_of(verdicts)), []).append(item.key)
    order = list(Status)
    ordered = sorted(found.items(), key=lambda entry: (order.index(entry[0][0]), -len(entry[1])))
    return tuple(Group(status, reason, tuple(keys)) for (status, reason), keys in ordered)
