"""Cases of the action contract: one YAML file each, so that a new action is put to it without a line of Python.

A case says what to do to what, what stands there before, and how the other side can misbehave; ``tests/contract`` holds every
case to every claim. ``uncovered`` names what has no case yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.yaml_reader import read_yaml
from engine.model.args import arguments_of
from engine.ports import Action

CASES = Path(__file__).parents[1] / "contract" / "cases" / "actions"
KINDS = ("change", "unpredictable", "check", "settled")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A way in which the server behind a connection can say no: a lab fault, and whether trying again may help."""

    fault: str
    match: str = ""
    value: float | None = None
    connection: str = ""
    """Which connection's server; empty: the one that is written to."""
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One action on one kind of item, in one state of the other side. Strings may be templates over the item.

    ``kind``: ``change`` (observed, applied, read back), ``unpredictable`` (cannot be read back), ``check`` (only reads) or
    ``settled`` (the system has nothing to write). ``before`` and ``otherwise`` are arrangements (see ``World.arrange``): two
    different states a plan has to tell apart; where there are not two, ``one_before`` says why. ``looks_at`` and
    ``writes_to``: connections; empty: none is asked. ``writes``: what one apply costs at the servers. ``loss``: the fault by
    which an answer is lost after the effect, ``one_way`` for datagrams; where none can be, ``no_loss`` says why.
    ``happens``: what makes a check come true.
    """

    name: str
    about: str
    action: str
    item: Mapping[str, str]
    args: Mapping[str, Any]
    kind: str = "change"
    before: Sequence[Mapping[str, Any]] = ()
    otherwise: Sequence[Mapping[str, Any]] = ()
    one_before: str = ""
    happens: Sequence[Mapping[str, Any]] = ()
    reversible: bool = True
    writes: int = 1
    looks_at: str = ""
    writes_to: str = ""
    loss: str = ""
    no_loss: str = ""
    refused: tuple[Refusal, ...] = ()
    late: str = ""
    """The lab fault by which a write shows only after a moment."""

    @property
    def changes(self) -> bool:
        """Whether there is something to write that can be read back."""
        return self.kind == "change"

    @property
    def writes_anything(self) -> bool:
        return self.kind in ("change", "unpredictable")


def load_cases(folder: Path = CASES) -> list[Case]:
    """Every case in the folder, by name. Raises ``ValueError`` for one that leaves a claim untested without a reason."""
    return [_case(path) for path in sorted(folder.glob("*.yml"))]


def _case(path: Path) -> Case:
    data: dict[str, Any] = dict(read_yaml(path).data)  # type: ignore[call-overload]  # a case is a mapping
    args = dict(data.pop("with"))
    refused = tuple(Refusal(**entry) for entry in data.pop("refused", ()))
    connection = args.get("connection", "")
    given = {"looks_at": connection, "writes_to": connection, **data}
    case = Case(path.stem, args=args, refused=refused, **given)
    problems = list(_problems(case))
    if problems:
        raise ValueError(f"{path.name}: {'; '.join(problems)}")
    return case


def _problems(case: Case) -> Sequence[str]:
    found = []
    if case.kind not in KINDS:
        found.append(f"kind {case.kind!r} is none of {', '.join(KINDS)}")
    if case.changes and bool(case.otherwise) == bool(case.one_before):
        found.append("either 'otherwise' or 'one_before' is needed")
    if case.writes_anything and bool(case.loss) == bool(case.no_loss):
        found.append("either 'loss' or 'no_loss' is needed")
    if case.kind == "check" and not case.happens:
        found.append("'happens' is needed: what makes the check come true")
    return found


def uncovered(catalog: Mapping[str, Action[Any, Any]], cases: Sequence[Case], types: Mapping[str, str]) -> list[str]:
    """What no case shows: an action, or a type of connection that one of its arguments takes. ``types``: of connections."""
    return [gap for name, action in catalog.items() for gap in _gaps(name, action, [c for c in cases if c.action == name], types)]


def _gaps(name: str, action: Action[Any, Any], cases: Collection[Case], types: Mapping[str, str]) -> Sequence[str]:
    if not cases:
        return [f"{name} has no case: put one into {CASES.relative_to(CASES.parents[3])}/"]
    found = []
    for argument in (argument for argument in arguments_of(action.Args).values() if argument.connection):
        shown = {types[str(case.args[argument.name])] for case in cases if case.args.get(argument.name)}
        found += [f"{name} has no case whose {argument.name} is of type {t}" for t in argument.connection if t not in shown]
    return found
