"""Random runbooks, stopped where a random gate stands, and amended by a random edit: refused with nothing changed, or accepted.

Whatever the edit: every effect is there once, and a run that was accepted ends as its new revision has it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.actions.catalog import catalog
from engine.model.args import arg
from engine.model.plan import Change, Effect, Outlook, Receipt, Unpredictable
from engine.model.run import ItemStatus, RunStatus
from engine.planning.plan_file import read_plan
from engine.ports import Action, Sessions
from engine.wiring import loading
from tests.support.project import Folder

BOOK, HOUSE = "runbooks/random.yml", "inventories/acme"


@dataclass(frozen=True, slots=True)
class LineArgs:
    """What ``line.put`` takes."""

    file: str = arg("The list.")
    name: str = arg("Whose line.")
    value: str = arg("What it says.", default="v")


class PutLine:
    """Adds a line to a list. Each line is an effect: one too many shows."""

    name: ClassVar[str] = "line.put"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A list has a line."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = True
    Args = LineArgs

    def observe(self, args: LineArgs, at: Sessions) -> bool:
        return f"{args.name}={args.value}" in Path(args.file).read_text().splitlines()

    def diff(self, args: LineArgs, seen: bool) -> Change | Unpredictable | None:
        return None if seen else Change(f"add {args.name}={args.value}")

    def apply(self, change: Change | Unpredictable, args: LineArgs, at: Sessions, *, key: str) -> Receipt:
        with Path(args.file).open("a") as file:
            file.write(f"{args.name}={args.value}\n")
        return Receipt({"line": f"{args.name}={args.value}"})


class ShoutLine(PutLine):
    """The same, without a way to read it back: a second time would be done."""

    name: ClassVar[str] = "line.shout"

    def diff(self, args: LineArgs, seen: bool) -> Change | Unpredictable | None:
        return Unpredictable(f"add {args.name}={args.value}", "nobody looks")


def with_lines(names: Any = None) -> Mapping[str, Action[Any, Any]]:
    """The catalog with the two."""
    own: dict[str, Action[Any, Any]] = {"line.put": PutLine(), "line.shout": ShoutLine()}
    return {**catalog(), **own}


@dataclass
class Book:
    """A runbook to be edited. Phases of blocks: a block is a list of steps, more than one of them a group."""

    dice: random.Random
    phases: list[list[list[dict[str, Any]]]] = field(default_factory=list)
    items: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def step(self) -> dict[str, Any]:
        self.made += 1
        if self.dice.random() < 0.25:
            return {"name": f"s{self.made}", "wait": {"signal": f"go{self.made}"}}
        action = self.dice.choice(["line.put", "line.put", "line.shout"])
        return {"name": f"s{self.made}", "action": action, "id": f"n{self.made}", "value": "v"}

    def block(self) -> list[dict[str, Any]]:
        steps = [self.step() for _ in range(self.dice.choice([1, 1, 2, 3]))]
        if self.dice.random() < 0.5:
            steps[0]["for_each"] = True
        return steps

    def blocks(self) -> list[list[dict[str, Any]]]:
        return [block for phase in self.phases for block in phase]

    def text(self, lines: Path) -> str:
        """As YAML, which JSON is too where the flow style is used."""
        out = ["switchover: 1", "name: random", "phases:"]
        for number, phase in enumerate(self.phases):
            out += [f"  - name: p{number}", "    steps:"]
            for block in phase:
                out += self._written(block, lines)
        return "\n".join(out) + "\n"

    def _written(self, block: list[dict[str, Any]], lines: Path) -> list[str]:
        each = len(block) > 1 or bool(block[0].get("for_each"))
        steps = [self._step(step, lines, each=each) for step in block]
        head = "for_each: things, " if each else ""
        if len(steps) == 1:
            return [f"      - {{{head}{steps[0]}}}"]
        inner = ", ".join(f"{{{step}}}" for step in steps)
        return [f"      - {{name: group-{block[0]['name']}, {head}steps: [{inner}]}}"]

    def _step(self, step: dict[str, Any], lines: Path, *, each: bool) -> str:
        if "wait" in step:
            return f"name: {step['name']}, wait: {{signal: {step['wait']['signal']}}}"
        key, value = ("-{{ item.key }}", "{{ item.value }}") if each else ("", step["value"])
        when = f", when: '{step['when']}'" if "when" in step else ""
        given = f'{{file: "{lines}", name: "{step["id"]}{key}", value: "{value}"}}'
        return f"name: {step['name']}, action: {step['action']}{when}, with: {given}"

    def inventory(self) -> str:
        rows = ", ".join(f'{{key: {key}, value: "{value}"}}' for key, value in self.items.items())
        return f"switchover: 1\ncustomer: acme\ntimezone: UTC\ncollections:\n  things:\n    key: key\n    items: [{rows}]\n"


def fresh(dice: random.Random) -> Book:
    book = Book(dice)
    book.items = {f"i{n}": "v" for n in range(dice.randint(1, 3))}
    book.phases = [[book.block() for _ in range(dice.randint(1, 3))] for _ in range(dice.randint(1, 3))]
    book.phases.append([[{"name": "end", "wait": {"signal": "end"}}], book.block()])
    return book


def edited(book: Book) -> None:
    """One to three random edits."""
    dice = book.dice
    for _ in range(dice.randint(1, 3)):
        blocks = book.blocks()
        phase, block = dice.choice(book.phases), dice.choice(blocks)
        step = dice.choice(block)
        kind = dice.randrange(10)
        if kind == 0:
            step["name"] += "x"
        elif kind == 1 and len(phase) > 1:
            phase.remove(dice.choice(phase))
        elif kind == 2:
            step["value"] = "w"
        elif kind in (3, 4):
            phase.insert(dice.randint(0, len(phase)), book.block())
        elif kind == 5:
            dice.shuffle(phase)
        elif kind == 6:
            book.items[f"i{len(book.items) + 5}"] = "v"
        elif kind == 7 and len(book.items) > 1:
            book.items.pop(dice.choice(list(book.items)))
        elif kind == 8:
            book.items[dice.choice(list(book.items))] = "w"
        else:
            step["when"] = "false"
            dice.shuffle(block)


def written(folder: Folder, book: Book) -> None:
    (folder.root / BOOK).write_text(book.text(folder.root / "lines"))
    (folder.root / HOUSE / "inventory.yml").write_text(book.inventory())


def led_to_its_end(folder: Folder) -> None:
    """Whatever is waited for comes."""
    for _ in range(40):
        state = folder.fold()
        if state.status is not RunStatus.WAITING:
            break
        for gate in [gate for gate in state.gates.values() if gate.is_open]:
            folder.quick("signal", state.run, gate.opened.ask["signal"]).must(0)
        folder.quick("resume").must(0, 6)
    assert folder.fold().status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("seed", range(40))
def test_a_run_amended_at_random_has_every_effect_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(loading, "catalog", with_lines)
    dice = random.Random(seed)
    book, folder = fresh(dice), Folder(tmp_path)
    for name in ("runbooks", HOUSE):
        (tmp_path / name).mkdir(parents=True)
    lines = tmp_path / "lines"
    lines.touch()
    written(folder, book)
    folder.quick("apply", BOOK, "-i", HOUSE, "--yes").must(0, 6)
    for _ in range(dice.randint(0, 2)):
        state = folder.fold()
        for gate in [gate for gate in state.gates.values() if gate.is_open and gate.opened.ask["signal"] != "end"][:1]:
            folder.quick("signal", state.run, gate.opened.ask["signal"]).must(0)
            folder.quick("resume").must(0, 6)
    before, stood = lines.read_text(), folder.fold()
    edited(book)
    written(folder, book)
    ended = folder.quick("amend", stood.run, "--runbook", BOOK, "-i", HOUSE, "--yes").must(0, 1, 3)
    assert lines.read_text() == before, "an amendment wrote something"
    now = folder.fold()
    if ended.code:
        assert (now.last_seq, now.revision) == (stood.last_seq, 1)
    done = {a for a, item in stood.items.items() if item.status in (ItemStatus.CHANGED, ItemStatus.RAN)}
    assert {a for a, item in now.items.items() if item.status in (ItemStatus.CHANGED, ItemStatus.RAN)} == done
    if now.revision == 2:
        shown = read_plan(folder.state / "runs" / now.run / "revisions" / "2" / "plan.jsonl").items
        assert not done & {item.address for item in shown}
        assert all(item.outlook is not Outlook.ERROR for item in shown)
    led_to_its_end(folder)
    counted = Counter(line.split("=")[0] for line in lines.read_text().splitlines())
    assert set(counted.values()) <= {1}, "an effect is there twice"
    assert lines.read_text().startswith(before)
    folder.verify()
