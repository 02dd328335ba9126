"""Action arguments: one frozen dataclass is the schema, the documentation and the check at run time.

Values may be templates in the runbook, so the JSON Schema admits a template string wherever a number or a list stands; after
rendering, ``build`` is strict.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, Generic, TypeVar

from engine.model.values import dataclass

A = TypeVar("A")

TEMPLATE_PATTERN = r"\{[{%]"


def arg(
    doc: str,
    *,
    default: Any = MISSING,
    connection: tuple[str, ...] = (),
    choices: tuple[object, ...] = (),
    template: bool | tuple[str, ...] = False,
    examples: tuple[object, ...] = (),
    minimum: float | None = None,
) -> Any:
    """Declares one argument. ``connection``: it names a connection of the inventory, of one of these types.
    ``template``: it names a template file; or, given endings, one file for each, of which the first must be there.
    ``examples`` go into the schema for editors."""
    metadata = {
        "doc": doc, "connection": connection, "choices": choices, "template": ("",) if template is True else template or (),
        "examples": examples, "minimum": minimum,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Argument:
    """One declared argument, as the schema, the documentation and the semantic check see it."""

    name: str
    doc: str
    required: bool
    default: object
    accepts: Mapping[str, object]
    """JSON Schema of a rendered value."""
    connection: tuple[str, ...]
    template: tuple[str, ...]
    """Endings of the template files it names; empty when it names none."""


class BadArgument(ValueError):
    """A rendered argument has the wrong type or value. ``name``: which one; ``why``: a sentence."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why


def arguments_of(cls: type) -> dict[str, Argument]:
    """The declared arguments of an ``Args`` dataclass, in order."""
    hints = typing.get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        meta = field.metadata
        accepts = dict(_schema_of(hints[field.name]))
        if meta.get("choices"):
            accepts["enum"] = list(meta["choices"])
        if meta.get("minimum") is not None:
            accepts["minimum"] = meta["minimum"]
        required = field.default is MISSING and field.default_factory is MISSING
        found[field.name] = Argument(
            field.name, meta.get("doc", ""), required, None if required else field.default,
            accepts, tuple(meta.get("connection", ())), tuple(meta.get("template", ())),
        )
    return found


def schema_of(name: str, doc: str, cls: type) -> dict[str, object]:
    """JSON Schema (2020-12) of the ``with:`` mapping of action ``name``."""
    properties: dict[str, object] = {}
    required = []
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for argument in arguments_of(cls).values():
        entry: dict[str, object] = _or_template(argument.accepts)
        entry["description"] = argument.doc
        if not argument.required and argument.default is not None:
            entry["default"] = list(argument.default) if isinstance(argument.default, tuple) else argument.default
        examples = fields[argument.name].metadata.get("examples")
        if examples:
            entry["examples"] = list(examples)
        properties[argument.name] = entry
        if argument.required:
            required.append(argument.name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, "description": doc,
        "type": "object", "properties": properties, "required": required, "additionalProperties": False,
    }


def _or_template(accepts: Mapping[str, object]) -> dict[str, object]:
    if accepts.get("type") == "string" and "enum" not in accepts:
        return dict(accepts)
    if not accepts:
        return {}
    return {"anyOf": [dict(accepts), {"type": "string", "pattern": TEMPLATE_PATTERN}]}


def _schema_of(hint: Any) -> Mapping[str, object]:
    simple = _SIMPLE.get(hint)
    if simple is not None:
        return simple
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        options = [_schema_of(option) for option in inner if option is not type(None)]
        nullable = [{"type": "null"}] if type(None) in inner else []
        return options[0] if len(options) == 1 and not nullable else {"anyOf": [*options, *nullable]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(inner[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(inner[1])}
    raise TypeError(f"an argument cannot have the type {hint!r}")


_SIMPLE: dict[Any, Mapping[str, object]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    object: {}, Any: {}, type(None): {"type": "null"},
}

Check = Callable[[object], object]
"""Takes a rendered value, returns the value to store, raises ``ValueError`` with a sentence."""


@dataclass(frozen=True, slots=True)
class Builder(Generic[A]):
    """Builds an ``Args`` from rendered values. Made once per step, called once per item."""

    cls: type[A]
    checks: Mapping[str, Check]
    required: frozenset[str]

    def __call__(self, values: Mapping[str, object]) -> A:
        """Raises ``BadArgument`` for an unknown, missing or ill-typed argument."""
        built: dict[str, object] = {}
        for name, value in values.items():
            check = self.checks.get(name)
            if check is None:
                raise BadArgument(name, "there is no such argument")
            try:
                built[name] = check(value)
            except ValueError as error:
                raise BadArgument(name, str(error)) from None
        for name in self.required:
            if name not in built:
                raise BadArgument(name, "it is required and was not given")
        return self.cls(**built)


def builder_of(cls: type[A]) -> Builder[A]:
    """Prepares the per-item checks of an ``Args`` dataclass."""
    hints = typing.get_type_hints(cls)
    checks: dict[str, Check] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # every Args is a dataclass; the Action protocol cannot say so
        checks[field.name] = _check_of(hints[field.name], tuple(field.metadata.get("choices", ())))
    required = frozenset(a.name for a in arguments_of(cls).values() if a.required)
    return Builder(cls, checks, required)


def _check_of(hint: Any, choices: tuple[object, ...]) -> Check:
    check = _plain_check(hint)
    if not choices:
        return check

    def among(value: object) -> object:
        checked = check(value)
        if checked not in choices:
            raise ValueError(f"{checked!r} is not one of {', '.join(map(str, choices))}")
        return checked

    return among


def _plain_check(hint: Any) -> Check:
    if hint in _CHECKS:
        return _CHECKS[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_check([_plain_check(option) for option in inner])
    if origin is tuple:
        return _list_check(_plain_check(inner[0]))
    return _mapping_check(_plain_check(inner[1]))


def _union_check(options: list[Check]) -> Check:
    def check(value: object) -> object:
        problem = ""
        for option in options:
            try:
                return option(value)
            except ValueError as error:
                problem = problem or str(error)
        raise ValueError(problem)

    return check


def _list_check(inner: Check) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError(f"a list is needed, not {_name(value)}")
        return tuple(inner(entry) for entry in value)

    return check


def _mapping_check(inner: Check) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, Mapping):
            raise ValueError(f"a mapping is needed, not {_name(value)}")
        return {str(key): inner(entry) for key, entry in value.items()}

    return check


def _text(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"text is needed, not {_name(value)}")


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        raise ValueError(f"a whole number is needed, not {_name(value)}")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number is needed, not {_name(value)}")
    return float(value)


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is needed, not {_name(value)}")
    return value


def _nothing(value: object) -> object:
    if value is not None:
        raise ValueError(f"nothing is needed, not {_name(value)}")
    return None


def _anything(value: object) -> object:
    return value


def _name(value: object) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a mapping"}
    shown = repr(value) if isinstance(value, str | int | float | bool) else ""
    return f"{names.get(type(value), 'nothing' if value is None else type(value).__name__)} {shown}".strip()


_CHECKS: dict[Any, Check] = {
    str: _text, int: _whole, float: _number, bool: _boolean, type(None): _nothing, object: _anything, Any: _anything,
}
