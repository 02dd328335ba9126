"""The house's ``dataclass`` does what the standard library's does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from engine.model import values

T = TypeVar("T")


def _classes(dataclass: Any) -> dict[str, Any]:
    """The same classes, made by one or the other."""

    @dataclass(frozen=True, slots=True)
    class Empty:
        kind: ClassVar[str] = "empty"

    @dataclass(frozen=True, slots=True)
    class Value(Empty):
        kind: ClassVar[str] = "value"
        name: str
        parts: Mapping[str, int] = field(default_factory=dict)
        hidden: object = field(default=None, compare=False, repr=False)
        last: int = 3

    @dataclass(frozen=True, slots=True)
    class Child(Value):
        more: str = "more"
        last: int = 4

        @property
        def both(self) -> str:
            return f"{self.name} {self.more}"

    @dataclass(slots=True)
    class Open(Generic[T]):
        value: T
        address: str = field(init=False, default="nowhere")
        made: list[int] = field(init=False)
        seen: list[int] = field(default_factory=list, init=False)

        def __post_init__(self) -> None:
            self.made = [1]

    @dataclass(slots=True, eq=False)
    class Same:
        value: int

    @dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        value: int

    return {cls.__name__: cls for cls in (Empty, Value, Child, Open, Same, Own, Ordered)}


_OURS, _THEIRS = _classes(values.dataclass), _classes(dataclasses.dataclass)

_CASES: dict[str, Callable[[dict[str, Any]], object]] = {
    "shown": lambda c: repr(c["Child"]("a", {"x": 1}, hidden=2)),
    "shown, generic": lambda c: repr(c["Open"](1)),
    "shown, its own way": lambda c: repr(c["Own"](1)),
    "by position": lambda c: repr(c["Value"]("a", {}, None, 5)),
    "equal": lambda c: c["Value"]("a", hidden=1) == c["Value"]("a", hidden=2),
    "of another value": lambda c: c["Value"]("a") == c["Value"]("b"),
    "of another class": lambda c: c["Value"]("a") == c["Child"]("a"),
    "empty ones are equal": lambda c: c["Empty"]() == c["Empty"](),
    "equal, its own way": lambda c: c["Own"](1) == 7,
    "hash of its own": lambda c: hash(c["Own"](1)),
    "hashes are alike where values are": lambda c: len({c["Ordered"](1), c["Ordered"](1), c["Ordered"](2)}),
    "values are the same thing only when they are": lambda c: c["Same"](1) == c["Same"](1),
    "an open one has no hash": lambda c: hash(c["Open"](1)),
    "ordered": lambda c: c["Ordered"](1) < c["Ordered"](2),
    "not ordered": lambda c: c["Value"]("a") < c["Value"]("b"),
    "set": lambda c: setattr(c["Value"]("a"), "name", "b"),
    "set, of no field": lambda c: setattr(c["Same"](1), "other", "b"),
    "deleted": lambda c: delattr(c["Value"]("a"), "name"),
    "one missing": lambda c: c["Value"](),
    "one too many": lambda c: c["Same"](1, 2),
    "unknown": lambda c: c["Same"](other=2),
    "not to be given": lambda c: c["Open"](1, address="here"),
    "set when made": lambda c: c["Open"](1).made,
    "a list each": lambda c: c["Open"](1).seen is c["Open"](1).seen,
    "default not given": lambda c: c["Open"](1).address,
    "replaced": lambda c: repr(replace(c["Child"]("a"), name="b")),
    "as a dictionary": lambda c: asdict(c["Child"]("a", {"x": 1})),
    "copied": lambda c: copy.copy(c["Value"]("a")) == c["Value"]("a"),
    "copied deeply": lambda c: copy.deepcopy(c["Child"]("a", {"x": 1})) == c["Child"]("a", {"x": 1}),
    "fields": lambda c: [(f.name, f.type, f.default, f.init, f.repr, f.compare) for f in fields(c["Child"])],
    "class variables": lambda c: (c["Child"].kind, c["Empty"].kind),
    "property": lambda c: c["Child"]("a").both,
    "matched by position": lambda c: {name: cls.__match_args__ for name, cls in c.items()},
    "slots": lambda c: {name: cls.__slots__ for name, cls in c.items()},
    "is one": lambda c: [is_dataclass(cls) for cls in c.values()],
    "a class of the standard library derived from it": lambda c: repr(
        dataclasses.make_dataclass("Derived", [("x", int, 1)], bases=(c["Value"],), frozen=True)("a")
    ),
    "an open class derived from a frozen one": lambda c: dataclasses.make_dataclass("Derived", ["x"], bases=(c["Empty"],)),
}


@pytest.mark.parametrize("case", _CASES)
def test_it_does_what_the_standard_library_does(case: str) -> None:
    """Same results, same errors, same words."""
    assert _came_of(case, _OURS) == _came_of(case, _THEIRS)


def _came_of(case: str, classes: dict[str, Any]) -> object:
    try:
        return _CASES[case](classes)
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@values.dataclass(frozen=True, slots=True)
class _Kept:
    name: str
    parts: tuple[int, ...] = ()


def test_frozen_ones_can_be_pickled() -> None:
    """What comes back equals what went in, and its hash too."""
    kept = _Kept("a", (1, 2))

    back = pickle.loads(pickle.dumps(kept))

    assert back == kept
    assert hash(back) == hash(kept)


def test_what_it_does_not_know_is_left_to_the_standard_library() -> None:
    """Keyword-only fields are one such thing."""

    @values.dataclass(frozen=True, slots=True)
    class Named:
        name: str = field(kw_only=True)

    assert Named(name="a").name == "a"
    with pytest.raises(TypeError, match="positional"):
        Named("a")  # type: ignore[call-arg]
