"""Two runbooks, and with them two inventories, compared: every difference with its risk class, its reason and its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from datetime import date

from engine.model.inventory import Inventory
from engine.model.review import Difference, Level, Risk
from engine.model.runbook import Block, Runbook, Step
from engine.model.source import DataPath, Span
from engine.model.values import dataclass
from engine.planning.review.header import compare_header
from engine.planning.review.inventories import Inventories, Placed, used_by
from engine.planning.review.limits import compare_fan_out
from engine.planning.review.order import compare_order
from engine.planning.review.pairing import Pair, Pairing, pair_up
from engine.planning.review.scope import NAMED, Scopes, labels_of
from engine.planning.review.scope import told as told_of_scope
from engine.planning.review.steps import Traits, added, compare_step, removed, where_changed
from engine.planning.review.verdict import Verdict, listed
from engine.planning.review.windows import Days, Kept, compare_window, windows_kept


@dataclass(frozen=True, slots=True)
class Side:
    """A runbook as it stood. ``inventory``: None when none is looked at, or there was none; ``scopes``: None when none is looked
    at."""

    runbook: Runbook
    inventory: Inventory | None = None
    scopes: Scopes | None = None

    def keys(self, block: Block) -> tuple[str, ...] | None:
        """The items a block is done for; None when that is not known."""
        if self.scopes is None or block.address in self.scopes.unknown:
            return None
        return self.scopes.keys.get(block.address, ())


@dataclass(slots=True)
class Comparison:
    """Compares two sides. ``today``: holidays are looked for from it on."""

    old: Side
    new: Side
    traits: Traits
    today: date
    texts: tuple[Placed, ...] = ()
    """Of template files."""
    found: list[Difference] = field(default_factory=list)
    covered: set[tuple[str, str]] = field(default_factory=set)
    """(Collection, key) of items of whom a finding says that they enter or leave."""

    def differences(self) -> tuple[Difference, ...]:
        """All of them, the weightiest first, and of one class in the order they stand."""
        pairing = pair_up(self.old.runbook, self.new.runbook)
        for verdict in compare_header(self.old.runbook, self.new.runbook):
            self._add(verdict, "", verdict.key)
        self._windows(pairing)
        self._steps(pairing)
        self._blocks(pairing)
        self._order(pairing)
        self._reordered(pairing)
        self.found += [_difference(placed.verdict, placed.address, placed.span) for placed in self.texts]
        return in_order(self.found)

    # ------------------------------------------------------------ steps

    def _steps(self, pairing: Pairing) -> None:
        for place in pairing.removed:
            self._add(removed(place, self.old.runbook, self.traits), place.address, place.step.path, on_old=True)
        for place in pairing.added:
            self._add(added(place, self.traits, _count(self.new.keys(place.block))), place.address, place.step.path)
        for pair in pairing.pairs:
            if pair.how != "same":
                self._add(_told_again(pair), pair.new.address, (*pair.new.step.path, "name"))
            for verdict in compare_step(pair.old.step, pair.new.step, self.traits):
                self._add(verdict, pair.new.address, (*pair.new.step.path, *verdict.key))

    def _blocks(self, pairing: Pairing) -> None:
        for then, now in _block_pairs(pairing):
            address, keys = _address_of(now), self.new.keys(now)
            for verdict in compare_fan_out(then.fan_out, now.fan_out, _count(keys)):
                self._add(verdict, address, (*now.path, *verdict.key))
            was, where = then.fan_out.where, now.fan_out.where
            told = keys is not None and self.old.keys(then) not in (None, keys)
            if was != where and then.fan_out.for_each and now.fan_out.for_each and not told:
                self._add(where_changed(was, where), address, (*now.path, "where"))
            if len(then.steps) > 1 and len(now.steps) > 1 and then.name != now.name:
                reason = f"the group is called {now.name} instead of {then.name}"
                renamed = Verdict(Risk.WORDING, "group-renamed", reason, then.name, now.name, ("name",))
                self._add(renamed, address, (*now.path, "name"))
        self._scopes(pairing)
        self._inventories(pairing)

    def _scopes(self, pairing: Pairing) -> None:
        """Who enters and leaves, once for all blocks for which it is the same."""
        found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], dict[str, DataPath]] = {}
        for then, now in _block_pairs(pairing):
            before, after = self.old.keys(then), self.new.keys(now)
            items = now.fan_out.for_each or then.fan_out.for_each
            if before is None or after is None or items is None or then.fan_out.for_each != now.fan_out.for_each:
                continue
            known, kept = set(before), set(after)
            entered = tuple(key for key in after if key not in known)
            left = tuple(key for key in before if key not in kept)
            if entered or left:
                key = "where" if now.fan_out.where else "for_each"
                found.setdefault((items, entered, left), {})[_address_of(now)] = (*now.path, key)
        for (items, entered, left), blocks in found.items():
            labels = {
                **labels_of(self.old.inventory, items, left[:NAMED]), **labels_of(self.new.inventory, items, entered[:NAMED]),
            }
            self.covered.update((items, key) for key in (*entered, *left))
            for verdict in told_of_scope(entered, left, items, labels):
                self._add(verdict, _address_of_all(tuple(blocks)), next(iter(blocks.values())))

    def _inventories(self, pairing: Pairing) -> None:
        if self.old.inventory is None or self.new.inventory is None:
            return
        fresh = [(self.new, place.block) for place in pairing.added]
        gone = [(self.old, place.block) for place in pairing.removed]
        covered = {(block.fan_out.for_each or "", key) for side, block in (*fresh, *gone) for key in side.keys(block) or ()}
        used = used_by(self.old.runbook, self.new.runbook)
        compared = Inventories(self.old.inventory, self.new.inventory, used, frozenset(covered | self.covered), self.today)
        for placed in compared.differences():
            self.found.append(_difference(placed.verdict, placed.address, placed.span))

    def _windows(self, pairing: Pairing) -> None:
        calendars = [None if side.inventory is None else side.inventory.calendars for side in (self.old, self.new)]
        days = Days(calendars[0], calendars[1], self.today)
        for kept in windows_kept(pairing):
            for verdict in compare_window(kept, days):
                self._add(verdict, _address_of_all(kept.blocks), self._place_of(kept))

    def _place_of(self, kept: Kept) -> DataPath:
        written = kept.new.name if kept.new is not None else None
        old = kept.old.name if kept.old is not None else None
        return ("windows", written) if written is not None and written == old else (*kept.path, "window")

    def _reordered(self, pairing: Pairing) -> None:
        if any(found.kind.startswith("order") or found.kind == "before-approval" for found in self.found):
            return
        names = pairing.renamings
        before = [names[step.address] for step in self.old.runbook.every_step() if step.address in names]
        after = [pair.new.address for pair in pairing.pairs]
        moved = next((now for then, now in zip(before, after, strict=True) if then != now), None)
        if moved is not None:
            steps = {step.address: step for step in self.new.runbook.every_step()}
            verdict = Verdict(Risk.WORDING, "reordered", "stands elsewhere among steps that do not wait for each other")
            self._add(verdict, moved, steps[moved].path)

    def _order(self, pairing: Pairing) -> None:
        """Steps of which the same is to be said are told of once."""
        found: dict[Verdict, list[Step]] = {}
        for moved in compare_order(self.old.runbook, self.new.runbook, pairing):
            found.setdefault(moved.verdict, []).append(moved.step)
        for verdict, steps in found.items():
            place = {step.address: index for index, step in enumerate(self.new.runbook.every_step())}
            steps.sort(key=lambda step: place[step.address])
            self._add(verdict, _address_of_all(tuple(step.address for step in steps)), steps[0].path)

    # ------------------------------------------------------------ adding

    def _add(self, verdict: Verdict, address: str, path: DataPath, *, on_old: bool = False) -> None:
        document = (self.old if on_old else self.new).runbook.document
        self.found.append(_difference(verdict, address, document.source.value(path)))


def _difference(verdict: Verdict, address: str, span: Span) -> Difference:
    return Difference(
        verdict.risk, verdict.kind, address, verdict.reason, verdict.before, verdict.after, verdict.detail, span
    )


_WEIGHT = {level: index for index, level in enumerate(Level)}


def in_order(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Sorted by level and class; within these in the order found."""
    classes = {risk: index for index, risk in enumerate(Risk)}
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (_WEIGHT[one.risk.level], classes[one.risk])))


def _count(keys: tuple[str, ...] | None) -> int | None:
    return None if keys is None else len(keys)


def _told_again(pair: Pair) -> Verdict:
    then, now = pair.old.address, pair.new.address
    if pair.how == "renamed":
        reason = f"is {then} under another name: open runs know it by the old one"
        return Verdict(Risk.WORDING, "step-renamed", reason, then, now)
    return Verdict(Risk.WORDING, "step-moved", f"was {then} before: it stands in another phase", then, now)


def _block_pairs(pairing: Pairing) -> Iterator[tuple[Block, Block]]:
    seen = set()
    for pair in pairing.pairs:
        key = (pair.old.block.address, pair.new.block.address)
        if key not in seen:
            seen.add(key)
            yield pair.old.block, pair.new.block


def _address_of(block: Block) -> str:
    """A block of one step goes by the step's address; a group by its own."""
    return block.steps[0].address if len(block.steps) == 1 else block.address


def _address_of_all(blocks: tuple[str, ...]) -> str:
    if len(blocks) == 1:
        return blocks[0]
    return listed(list(dict.fromkeys(address.partition("/")[0] for address in blocks)))


def without_places(runbook: Runbook) -> object:
    """A runbook to be compared whatever its layout: what differs here and has no finding is told all the same."""
    bare: Callable[[Step], Step] = lambda step: replace(step, path=())  # noqa: E731  # too small for a name of its own
    phases = runbook.phases if runbook.on_cancel is None else (*runbook.phases, runbook.on_cancel)
    blocks = tuple(
        (phase.name, phase.title, tuple(replace(block, path=(), steps=tuple(map(bare, block.steps))) for block in phase.blocks))
        for phase in phases
    )
    precedences = tuple(replace(rule, path=(), is_pair=True) for rule in runbook.precedences)
    return replace(runbook, phases=(), on_cancel=None, precedences=precedences, document=None, digest=""), blocks  # type: ignore[arg-type]
