"""The proof of ``must_precede``: what it lets pass holds on every way through, and what it finds can happen."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.language.runbook_reader import load_runbook
from engine.language.templates import Templates
from engine.model.runbook import Runbook, Step
from engine.planning.graph import in_order
from engine.planning.lint.formula import Any as Either
from engine.planning.lint.formula import Fact, Undecided, both, either, negated, satisfied
from engine.planning.lint.must_precede import MUST_PRECEDE
from engine.planning.lint.rule import Found, Subject, held_to

HEAD = """\
switchover: 1
name: book
inputs:
  route: {type: string, choices: [local, office], required: true}
  size: {type: integer}
  urgent: {type: boolean, default: false}
"""
FORM = "{name: form, input: {by: boss, form: {required: [way], properties: {way: {enum: [a, b]}, note: {type: string}}}}}"


def step(name: str, when: str = "", more: str = "") -> str:
    condition = f', when: "{when}"' if when else ""
    return f"{{name: {name}, action: shelf.put{condition}{more}, with: {{name: {name}, value: '1'}}}}"


def found_in(folder: Path, steps: list[str], rule: str = "[p/first, p/then]", on_cancel: tuple[str, ...] = ()) -> list[Found]:
    text = HEAD + f"must_precede: [{rule}]\nphases:\n  - name: p\n    steps:\n"
    text += "".join(f"      - {one}\n" for one in steps)
    text += "on_cancel:\n" + "".join(f"  - {one}\n" for one in on_cancel) if on_cancel else ""
    return list(held_to((MUST_PRECEDE,), Subject(read(folder, text))))


def read(folder: Path, text: str) -> Runbook:
    path = folder / "book.yml"
    path.write_text(text)
    return load_runbook(path)


OVER = ", for_each: things"


@pytest.mark.parametrize("steps", [
    [step("first"), step("then")],
    [step("first"), step("then", "inputs.route == 'local'")],
    [step("first", "inputs.route == 'local'"), step("then", "inputs.route == 'local' and inputs.urgent")],
    [step("first", "inputs.route == 'local'"), step("then", "inputs.route != 'office'")],
    [step("first", "route == 'local'"), step("then", "'local' == vars.route")],
    [step("first", "inputs.route in ['local', 'office']"), step("then")],
    [step("first", "inputs.urgent or not inputs.urgent"), step("then")],
    [step("first", "inputs.urgent"), step("then", "inputs.urgent == true")],
    [step("first", "not inputs.size"), step("then", "inputs.size == 0")],
    [step("first", "inputs.route == 'local' if inputs.urgent else true"), step("then", "not inputs.urgent")],
    [step("first", "inputs.route"), step("then", "steps.first.changed")],
    [step("first", "inputs.urgent"), step("mid", "steps.first.changed"), step("then", "steps.mid.changed")],
    [step("first", "inputs.urgent"), step("then", "steps.first.status == 'changed'")],
    [FORM, step("first", "steps.form.outputs.way == 'a'"), step("then", "steps.form.outputs.way != 'b'")],
    [FORM, step("first", "inputs.size > 3"), step("then", "inputs.size > 3 and inputs.urgent")],
    [step("first", "item.new", OVER), step("then", "item.new and inputs.urgent", OVER)],
    [step("first", "", OVER + ", where: item.new"), step("then", "", OVER + ", where: item.new")],
    [step("first", "", OVER + ", where: item.new"), step("then")],
    ["{name: lane, for_each: things, max_failures: 10%, steps: [" + step("first") + ", " + step("then") + "]}"],
    [step("then", "inputs.urgent and not inputs.urgent"), step("first")],
], ids=str)
def test_what_holds_on_every_way_passes(tmp_path: Path, steps: list[str]) -> None:
    assert [one.diagnostic.detail for one in found_in(tmp_path, steps)] == []


@pytest.mark.parametrize(("steps", "said"), [
    ([step("then"), step("first")], "p/then does not wait for p/first"),
    ([step("first"), step("then", more=", needs: []")], "nothing in its needs leads there"),
    ([step("first", "inputs.route == 'local'"), step("then")], "It is so when inputs.route is 'office'"),
    ([step("first", "inputs.size == 1"), step("then", "inputs.size == 1 or inputs.urgent")], "inputs.urgent is true"),
    ([step("first", "inputs.size > 3"), step("then", "inputs.size > 2")], "(inputs.size > 3) does not hold"),
    ([step("first", "run.counts.changed > 0"), step("then", "run.counts.changed > 0")], "p/first does not run then"),
    ([step("first", more=OVER + ", max_failures: 10%"), step("then")],
     "p/first may end with failed items (max_failures: 10%), and the run goes on"),
    ([step("first", "item.new", OVER), step("then")], "item.new is not true"),
    ([step("first", "item.new", OVER), step("then", "item.new", ", for_each: others")], "item.new"),
    ([step("first", "", OVER + ", where: item.new"), step("then", "", OVER)], "item.new is not true"),
    ([FORM, step("first", "steps.form.outputs.note == 'x'"), step("then", "steps.form.outputs.way == 'a'")], "way is 'a'"),
    ([step("first", "x == 'a'"), step("then", "x == 'a'", OVER)], "x is 'a'"),
    ([FORM, step("first", "steps.form.outputs.way == 'a'"), step("then", "steps.form.outputs.way in ['a', 'b']")],
     "Then these run, in this order: p/form, p/then."),
])
def test_what_can_happen_is_found_with_the_way_it_happens(tmp_path: Path, steps: list[str], said: str) -> None:
    details = [one.diagnostic.detail for one in found_in(tmp_path, steps)]
    assert len(details) == 1
    assert said in details[0]


@pytest.mark.parametrize(("when", "passes"), [
    ("steps.first.ok", True), ("steps.first.changed", True), ("steps.mid.ok", True), ("steps.mid.changed", True),
    ("steps.first.status == 'changed'", True), ("steps.first.status == 'not run'", False), ("not steps.first.ok", False),
    ("", False), ("steps.before.ok", False), ("run.cancelled", False), ("steps.first.ok or inputs.urgent", False),
    ("steps.first.ok and inputs.urgent", True), ("steps.each.changed", False), ("steps.each.ok", True),
    ("steps.cond.changed", True), ("steps.cond.ok", True), ("steps.first.ok == false", False),
])
def test_a_cancellation_may_come_at_any_point(tmp_path: Path, when: str, passes: bool) -> None:
    """Only what the condition asks for tells how far the run had come."""
    first = "p/first" if "each" not in when and "cond" not in when else "p/each" if "each" in when else "p/cond"
    steps = [step("before"), step("first"), step("each", more=OVER), step("mid"), step("cond", "inputs.urgent")]
    then = step("back", when + (" and inputs.urgent" if when == "steps.cond.ok" else ""))
    found = found_in(tmp_path, steps, f"[{first}, on-cancel/back]", (then,))
    assert (not found) is passes, found


def test_a_step_that_may_have_been_left_out_has_not_ended_well_though_it_is_ok(tmp_path: Path) -> None:
    """Its condition has to be asked for, too."""
    steps = [step("first", "inputs.urgent")]
    found = found_in(tmp_path, steps, "[p/first, on-cancel/back]", (step("back", "steps.first.ok"),))
    assert "when the run is cancelled before p/first has ended well" in found[0].diagnostic.detail
    assert "inputs.urgent is not true" in found[0].diagnostic.detail


def test_what_is_done_when_cancelled_precedes_nothing_of_the_way_forward(tmp_path: Path) -> None:
    steps, back = [step("then")], (step("one"), step("two"))
    assert "only when the run is cancelled" in found_in(tmp_path, steps, "[on-cancel/one, p/then]", back)[0].diagnostic.detail
    assert found_in(tmp_path, steps, "[on-cancel/one, on-cancel/two]", back) == []


def test_a_rule_holds_only_where_its_condition_does(tmp_path: Path) -> None:
    """And says why it is there."""
    steps = [FORM, step("first", "steps.form.outputs.way == 'a'"), step("then")]
    asked = "{first: p/first, then: p/then, when: \"steps.form.outputs.way == 'WAY'\", why: 'The mail bounces.'}"
    assert found_in(tmp_path, steps, asked.replace("WAY", "a")) == []
    assert found_in(tmp_path, steps, asked.replace("WAY", "b"))[0].diagnostic.detail.endswith("because: The mail bounces.")


def test_a_line_is_excused_with_a_reason_and_only_with_one(tmp_path: Path) -> None:
    text = HEAD + "must_precede:\n  - [p/first, p/then]  # noqa: SW101 WHY\nphases:\n  - name: p\n    steps:\n"
    text += f"      - {step('then')}\n      - {step('first')}\n"
    assert list(held_to((MUST_PRECEDE,), Subject(read(tmp_path, text.replace("WHY", "agreed with the firm"))))) == []
    bare = list(held_to((MUST_PRECEDE,), Subject(read(tmp_path, text.replace("WHY", "")))))
    assert "Write # noqa: SW101 and a reason" in bare[0].diagnostic.hint
    other = list(held_to((MUST_PRECEDE,), Subject(read(tmp_path, text.replace("SW101 WHY", "SW999 why")))))
    assert other[0].diagnostic.span is not None
    assert other[0].diagnostic.span.line == text[: text.index("[p/first")].count("\n") + 1


# ---------------------------------------------------------------- the search


def test_many_facts_that_decide_little_cost_little() -> None:
    """Forty conditions beside the one that matters."""
    noise = [either(Fact(f"n{i}"), negated(Fact(f"m{i}"))) for i in range(40)]
    assert satisfied(both(*noise, Fact("x"), negated(Fact("x")))) is None
    assert satisfied(both(*noise, Fact("x"))) is not None


def test_past_its_budget_the_search_says_so() -> None:
    """Pigeons in holes: the classic that takes for ever."""
    pigeons = range(9)
    formula = both(
        *(either(*(Fact(f"{p}in{h}") for h in range(8))) for p in pigeons),
        *(negated(both(Fact(f"{p}in{h}"), Fact(f"{q}in{h}"))) for h in range(8) for p in pigeons for q in range(p)),
    )
    with pytest.raises(Undecided):
        satisfied(formula, 500)


@pytest.mark.parametrize("seed", range(300))
def test_the_search_agrees_with_trying_everything(seed: int) -> None:
    dice = random.Random(seed)
    facts = [Fact("a", "is", "x"), Fact("a", "is", "y"), Fact("a", "is", ""), Fact("b", "is", 1), Fact("b", "is", 0)]
    facts += [Fact("c"), Fact("a", "true"), Fact("b", "true")]

    def formula(depth: int) -> Any:
        kind = dice.choice(["fact", "not", "and", "or"]) if depth else "fact"
        if kind == "fact":
            return dice.choice(facts)
        if kind == "not":
            return negated(formula(depth - 1))
        parts = [formula(depth - 1) for _ in range(dice.randint(2, 3))]
        return both(*parts) if kind == "and" else either(*parts)

    asked = formula(4)
    worlds = itertools.product(["x", "y", "", "other", None], [1, 0, 7, None], [True, False])
    tried = any(_so(asked, {"a": a, "b": b, "c": c}) for a, b, c in worlds)
    assert (satisfied(asked) is not None) is tried


def _so(formula: Any, world: Mapping[str, Any]) -> bool:
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Fact):
        value = world[formula.name]
        return bool(value == formula.value if formula.test == "is" else value)
    if hasattr(formula.of, "of") or isinstance(formula.of, Fact):
        return not _so(formula.of, world)
    parts = [_so(part, world) for part in formula.of]
    return any(parts) if isinstance(formula, Either) else all(parts)


# ---------------------------------------------------------------- the proof against trying everything


@dataclass
class Came:
    """What a step came to, as its templates see it."""

    status: str = "not run"
    ok: bool = False
    changed: bool = False
    outputs: dict[str, str] = field(default_factory=dict)


ATOMS = (
    "inputs.route == 'local'", "inputs.route != 'local'", "inputs.urgent", "not inputs.urgent", "inputs.size == 1",
    "inputs.size in [1, 2]", "inputs.size", "steps.form.outputs.way == 'a'", "steps.form.outputs.way != 'a'",
)
NAMES = ("one", "two", "three", "four")


def condition(dice: random.Random, atoms: list[str]) -> str:
    chosen = dice.sample(atoms, min(len(atoms), dice.randint(1, 3)))
    return f" {dice.choice(['and', 'or'])} ".join(chosen) if dice.random() < 0.8 else ""


def random_book(dice: random.Random) -> str:
    """A form, four steps with conditions and needs, and one that is done when the run is cancelled."""
    steps, known = [FORM], list(ATOMS)
    for n, name in enumerate(NAMES):
        needs = dice.sample(NAMES[:n], dice.randint(0, min(n, 2))) if dice.random() < 0.4 else None
        usable = [a for a in known if needs is None or not a.startswith("steps.") or "form" in a]
        more = f", needs: [{', '.join(['form', *needs])}]" if needs is not None else ""
        steps.append(step(name, condition(dice, usable), more))
        if all("needs" not in each for each in steps):
            known.append(f"steps.{name}.changed")
    late = [*ATOMS[:7], *(f"steps.{n}.{what}" for n in NAMES for what in ("ok", "changed"))]
    first, then = dice.sample(NAMES, 2)
    rule = f"[p/{first}, p/{then}]" if dice.random() < 0.6 else f"[p/{first}, on-cancel/back]"
    body = "".join(f"      - {one}\n" for one in steps)
    back = step("back", condition(dice, late))
    return f"{HEAD}must_precede: [{rule}]\nphases:\n  - name: p\n    steps:\n{body}on_cancel:\n  - {back}\n"


class Tried:
    """Every way through a small runbook, by its own conditions."""

    def __init__(self, book: Runbook) -> None:
        self.book, self.templates = book, Templates(())
        self.blocks = {block.address: block for block in book.blocks()}
        self.order = in_order(self.blocks, {a: block.needs for a, block in self.blocks.items()})
        self.when = {s.address: self._compiled(s) for s in book.every_step()}

    def _compiled(self, one: Step) -> Any:
        if one.when is None:
            return lambda _: True
        return self.templates.compile_condition(one.when, self.book.document.source, (*one.path, "when")).holds

    def breaks(self, first: str, then: str) -> bool:
        return any(
            self._breaks(dict(inputs), way, bits, first, then)
            for inputs in itertools.product(
                *([(name, v) for v in values] for name, values in (
                    ("route", ("local", "office")), ("urgent", (True, False)), ("size", (None, 0, 1, 2)),
                ))
            )
            for way in "ab" for bits in range(2 ** len(NAMES))
        )

    def _breaks(self, inputs: dict[str, Any], way: str, bits: int, first: str, then: str) -> bool:
        cancelled = then.startswith("on-cancel")
        if not cancelled:
            came = self._run(inputs, way, bits)
            ran = {a for a, c in came.items() if c.status in ("changed", "unchanged")}
            return then in ran and (first not in ran or not self._before(first, then))
        for reached in self._prefixes():
            came = self._run(inputs, way, bits, reached)
            if self._holds(then, inputs, came) and came[first].status not in ("changed", "unchanged"):
                return True
        return False

    def _prefixes(self) -> Iterator[frozenset[str]]:
        for size in range(len(self.order) + 1):
            for chosen in map(frozenset, itertools.combinations(self.order, size)):
                if all(set(self.blocks[a].needs) <= chosen for a in chosen):
                    yield chosen

    def _before(self, first: str, then: str) -> bool:
        return first in self.blocks[then].needs or any(self._before(first, need) for need in self.blocks[then].needs)

    def _run(
        self, inputs: dict[str, Any], way: str, bits: int, reached: frozenset[str] | None = None
    ) -> dict[str, Came]:
        came = {address: Came() for address in self.order}
        for address in self.order:
            if (reached is not None and address not in reached) or not all(came[n].ok for n in self.blocks[address].needs):
                continue
            if address == "p/form":
                came[address] = Came("passed", ok=True, outputs={"way": way})
            elif self._holds(address, inputs, came):
                changed = bool(bits >> NAMES.index(address.removeprefix("p/")) & 1)
                came[address] = Came("changed" if changed else "unchanged", ok=True, changed=changed)
            else:
                came[address] = Came("skipped", ok=True)
        return came

    def _holds(self, address: str, inputs: dict[str, Any], came: dict[str, Came]) -> bool:
        steps = {a.removeprefix("p/"): c for a, c in came.items()}
        held: bool = self.when[address]({"inputs": inputs, "steps": steps, "run": {"cancelled": False}})
        return held


@pytest.mark.parametrize("seed", range(150))
def test_the_proof_agrees_with_trying_every_way_through(tmp_path: Path, seed: int) -> None:
    """Random runbooks: what passes never breaks, and what is found does."""
    book = read(tmp_path, random_book(random.Random(seed)))
    rule = book.precedences[0]
    found = list(held_to((MUST_PRECEDE,), Subject(book)))
    assert bool(found) is Tried(book).breaks(rule.first, rule.then), (tmp_path / "book.yml").read_text()
