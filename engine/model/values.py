"""``dataclass`` for the house's own classes: type checkers see the standard library's, and it behaves so.

The standard library writes six methods as text for every class and compiles each at every start: 150 classes took a quarter of
all that a command does before its own work begins. Here one method is written so, once it is called; the others are shared.
And a frozen instance sets its slots directly instead of asking ``object`` to look each up by name: a run makes forty an item.

What no class here does, such as ``InitVar`` or ``order``, is left to the standard library.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True, **rest: Any) -> Any:
        """As ``dataclasses.dataclass``."""

        def decorate(cls: type) -> type:
            if not slots or rest or not _is_plain(cls):
                return dataclasses.dataclass(frozen=frozen, slots=slots, eq=eq, **rest)(cls)
            return _made(cls, frozen=frozen, eq=eq)

        return decorate if cls is None else decorate(cls)


__all__ = ["dataclass"]

_FIELDS = "__dataclass_fields__"
"""Where ``dataclasses.fields``, ``replace`` and ``asdict`` look."""


@dataclasses.dataclass
class _Example:
    field: int


_KIND = _Example.__dataclass_fields__["field"]._field_type  # type: ignore[attr-defined]  # the one private thing ``fields`` asks for


def _is_plain(cls: type) -> bool:
    """Whether every annotation is text that says no more than a type, and every argument may be given by position."""
    kinds, values = inspect.get_annotations(cls).values(), vars(cls).values()
    return all(isinstance(kind, str) and "InitVar" not in kind and "KW_ONLY" not in kind for kind in kinds) and not any(
        isinstance(value, dataclasses.Field) and value.kw_only is True for value in values
    )


def _made(cls: type, *, frozen: bool, eq: bool) -> type:
    inherited: dict[str, dataclasses.Field[Any]] = {}
    for base in reversed(cls.__mro__[1:]):
        inherited |= vars(base).get(_FIELDS, {})
    own = {
        name: _field(name, kind, vars(cls).get(name, dataclasses.MISSING))
        for name, kind in inspect.get_annotations(cls).items() if not kind.startswith(("ClassVar", "typing.ClassVar"))
    }
    fields = inherited | own
    shared = {"__repr__": _repr, **(_equality(fields, frozen=frozen) if eq else {}), **(_FROZEN if frozen else {})}
    told = {_FIELDS: fields, "__dataclass_params__": _parameters(frozen=frozen, eq=eq), "__match_args__": _positional(fields)}
    made = _slotted(cls, own.keys(), inherited.keys(), shared | told)

    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807
        # A command makes values of a third of the classes it imports: what makes one is written when the first is made.
        initialise = _initialiser(made, fields, frozen=frozen)
        made.__init__ = initialise  # type: ignore[misc]
        initialise(self, *args, **named)

    made.__init__ = __init__  # type: ignore[misc]
    return made


def _field(name: str, kind: str, given: Any) -> dataclasses.Field[Any]:
    made: dataclasses.Field[Any] = given if isinstance(given, dataclasses.Field) else dataclasses.field(default=given)
    made.name, made.type, made._field_type, made.kw_only = name, kind, _KIND, False  # type: ignore[attr-defined]
    return made


def _parameters(*, frozen: bool, eq: bool) -> Any:
    """What a class that the standard library derives from one of ours asks for."""
    made = copy(_Example.__dataclass_params__)  # type: ignore[attr-defined]
    made.frozen, made.eq = frozen, eq
    return made


def _positional(fields: Mapping[str, dataclasses.Field[Any]]) -> tuple[str, ...]:
    return tuple(name for name, field in fields.items() if field.init)


def _slotted(cls: type, own: Any, inherited: Any, methods: Mapping[str, Any]) -> type:
    """The class anew, for slots cannot be added to one that is made. What it defines itself stays."""
    left_out = {"__dict__", "__weakref__", *own}
    given = {name: value for name, value in vars(cls).items() if name not in left_out}
    if given.get("__hash__", ...) is None:  # Python put it there, for a class that says when it is equal
        del given["__hash__"]
    names = tuple(name for name in own if name not in inherited)
    made = type(cls)(cls.__name__, cls.__bases__, {**methods, **given, "__slots__": names})
    made.__qualname__ = cls.__qualname__
    return made


def _initialiser(cls: type, fields: Mapping[str, dataclasses.Field[Any]], *, frozen: bool) -> Callable[..., None]:
    names: dict[str, Any] = {"_UNSET": dataclasses.MISSING}
    arguments, lines = ["self"], []
    for name, field in fields.items():
        argument, value = _argument(field, names)
        if field.init:
            arguments.append(argument)
        if not value:
            continue
        if frozen:
            names[f"_set_{name}"] = getattr(cls, name).__set__
        lines.append(f"_set_{name}(self, {value})" if frozen else f"self.{name} = {value}")
    lines += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else [] if lines else ["pass"]
    body = "\n  ".join(lines)
    text = f"def make({', '.join(names)}):\n def __init__({', '.join(arguments)}):\n  {body}\n return __init__"
    found: dict[str, Any] = {}
    exec(text, {}, found)  # noqa: S102  # holds nothing but the names of the class's own fields
    made: Callable[..., None] = found["make"](**names)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _argument(field: dataclasses.Field[Any], names: dict[str, Any]) -> tuple[str, str]:
    """How a field stands among the arguments, and where its value is taken from; empty when it gets none. Adds to ``names`` what
    that speaks of."""
    name = field.name
    if field.default is not dataclasses.MISSING:
        names[f"_default_{name}"] = field.default
        return f"{name}=_default_{name}", name if field.init else f"_default_{name}"
    if field.default_factory is not dataclasses.MISSING:
        names[f"_new_{name}"] = field.default_factory
        return f"{name}=_UNSET", f"_new_{name}() if {name} is _UNSET else {name}" if field.init else f"_new_{name}()"
    return name, name if field.init else ""


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _equality(fields: Mapping[str, dataclasses.Field[Any]], *, frozen: bool) -> dict[str, Any]:
    compared = [field.name for field in fields.values() if field.compare]
    values = attrgetter("__class__", *compared)  # one name more, so that it gives a tuple also of a single field

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _refuse_setting(_self: Any, name: str, _value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(_self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN = {"__setattr__": _refuse_setting, "__delattr__": _refuse_deleting, "__getstate__": _state, "__setstate__": _restore}
