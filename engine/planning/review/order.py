"""What comes before what: a step that no longer waits for another, or for all of another's items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

from engine.model.gate import Approval
from engine.model.review import Risk
from engine.model.runbook import Block, Runbook, Step, is_compensation
from engine.model.values import dataclass
from engine.planning.review.pairing import Pairing
from engine.planning.review.verdict import Verdict, listed

Wait = Literal["all", "lane"]
"""For all items of a step, or for one's own alone."""
Waits = Mapping[tuple[str, str], Wait]
"""(First, then) -> how the second waits for the first."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A step that comes at another point."""

    step: Step
    verdict: Verdict


def compare_order(old: Runbook, new: Runbook, pairing: Pairing) -> Iterator[Moved]:
    """Each step that stands otherwise to others, so few that they explain all that changed."""
    names = pairing.renamings
    then = {(names[a], names[b]): how for (a, b), how in waits(old).items() if a in names and b in names}
    kept = set(names.values())
    now = {pair: how for pair, how in waits(new).items() if kept.issuperset(pair)}
    changed = {pair for pair in then.keys() | now.keys() if then.get(pair) != now.get(pair)}
    steps = {step.address: step for step in new.every_step()}
    while changed:
        mover = _most(changed, steps)
        mine = {pair for pair in changed if mover in pair}
        changed -= mine
        yield Moved(steps[mover], _verdict(mover, mine, then, now, steps))


def waits(runbook: Runbook) -> Waits:
    """For every two steps of one direction that wait for each other, how."""
    blocks = {block.address: block for block in runbook.every_block()}
    behind: dict[str, frozenset[str]] = {}
    found: dict[tuple[str, str], Wait] = {}
    for block in blocks.values():
        for need in _behind(block, blocks, behind, frozenset()):
            if is_compensation(need) == is_compensation(block.address):
                found.update({(first.address, step.address): "all" for first in blocks[need].steps for step in block.steps})
        for index, step in enumerate(block.steps):
            found.update({(first.address, step.address): "lane" for first in block.steps[:index]})
    return found


def _behind(block: Block, blocks: Mapping[str, Block], known: dict[str, frozenset[str]], above: frozenset[str]) -> frozenset[str]:
    if block.address in known:
        return known[block.address]
    # What is needed in a circle is an error of the runbook, and of no matter here.
    needs = [need for need in block.needs if need in blocks and need not in above]
    found = frozenset(needs).union(*(_behind(blocks[need], blocks, known, above | {block.address}) for need in needs))
    known[block.address] = found
    return found


def _most(changed: set[tuple[str, str]], steps: Mapping[str, Step]) -> str:
    """The step that most of it is about; of several the last one in the file, which is likelier to be the one put there."""
    counts = Counter(address for pair in changed for address in pair)
    order = {address: index for index, address in enumerate(steps)}
    return max(counts, key=lambda address: (counts[address], order[address]))


def _verdict(mover: str, mine: set[tuple[str, str]], then: Waits, now: Waits, steps: Mapping[str, Step]) -> Verdict:
    before = sorted(b for a, b in mine if a == mover and (a, b) in now and (b, a) in then)
    after = sorted(a for a, b in mine if b == mover and (a, b) in now and (b, a) in then)
    reversed_ = {pair for pair in mine if (pair[1], pair[0]) in (now if pair in then else then)}
    plain = mine - reversed_
    lost = sorted(a for a, b in plain if b == mover and (a, b) not in now)
    freed = sorted(b for a, b in plain if a == mover and (a, b) not in now)
    gained = sorted(a for a, b in plain if b == mover and (a, b) not in then)
    held = sorted(b for a, b in plain if a == mover and (a, b) not in then)
    lanes = sorted({*mine} & then.keys() & now.keys())
    loosened = [pair[0] if pair[1] == mover else pair[1] for pair in lanes if now[pair] == "lane"]
    tightened = [pair[0] if pair[1] == mover else pair[1] for pair in lanes if now[pair] == "all"]
    words = [
        text for names, text in (
            (before, "comes before {} now"), (after, "comes after {} now"), (lost, "no longer waits for {}"),
            (freed, "is no longer waited for by {}"), (loosened, "goes with {} item by item, without waiting for the others"),
            (gained, "waits for {} now"), (held, "is waited for by {} now"),
            (tightened, "and {} wait for all of each other's items"),
        ) if names for text in [text.format(listed(names, 4))]
    ]
    unapproved = [a for a, b in mine if (a, b) in then and (a, b) not in now and isinstance(steps[a].gate, Approval)]
    looser = before or after or lost or freed or loosened
    risk = Risk.APPROVAL if unapproved else Risk.ORDER if looser else Risk.SAFER
    kind = "before-approval" if unapproved else "order-changed" if looser else "order-tightened"
    if unapproved and mover not in unapproved:
        words.append(f"approval {listed(sorted(set(unapproved)), 3)} no longer stands before it")
    elif unapproved:
        words.append(f"this approval no longer stands before {listed([*before, *freed], 3)}")
    return Verdict(risk, kind, "; ".join(words))
