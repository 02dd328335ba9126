"""Data against a JSON Schema, with errors an operator can act on.

The compiled validator says yes or no in microseconds. Only what it refuses is walked again by the one that explains, and its
findings are put into words here: which key, what was meant, what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs

from engine.language.nearest import did_you_mean, listed, nearest
from engine.language.yaml_positions import written_in
from engine.model.diagnostic import Diagnostic
from engine.model.source import DataPath, SourceMap, Span
from engine.model.values import dataclass
from engine.project import shipped

Finding = Any
"""A ``jsonschema.ValidationError``; its typed form admits ``Unset`` everywhere, which an error raised by a check never has."""


@cache
def schema_check(name: str) -> SchemaCheck:
    """The check for one of the product's own schemas, such as ``runbook``."""
    path = shipped("schemas") / f"{name}.json"
    return SchemaCheck.of(json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """A compiled schema (2020-12)."""

    schema: dict[str, Any]
    fast: Any

    @classmethod
    def of(cls, schema: dict[str, Any]) -> SchemaCheck:
        """Compiles ``schema``."""
        return cls(schema, jsonschema_rs.Draft202012Validator(schema))

    def is_valid(self, data: object) -> bool:
        """Whether there is nothing to say. Costs microseconds."""
        return bool(self.fast.is_valid(data))

    def problems(self, data: object, source: SourceMap, at: DataPath = ()) -> list[Diagnostic]:
        """Everything wrong with ``data``, which stands at ``at`` in the file of ``source``."""
        if self.is_valid(data):
            return []
        words = _Words(source, at)
        found = [d for error in _explain(self.schema, data) for d in words.describe(error)]
        # The two validators should agree; should they not, the refusal still stands.
        return found or [words.unexplained(error) for error in self.fast.iter_errors(data)]


def _explain(schema: dict[str, Any], data: object) -> Iterator[Finding]:
    # Costs a tenth of a second to import, and only a file with errors needs it.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    for error in Draft202012Validator(schema).iter_errors(data):
        yield from _leaves(error)


def _leaves(error: Finding) -> Iterator[Finding]:
    """The errors behind a refused choice of forms: those of the form that was most likely meant."""
    if error.validator not in ("anyOf", "oneOf") or not error.context or "oneOfErrorMessage" in error.schema:
        yield error
        return
    branches: dict[object, list[Finding]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    started = [errors for errors in branches.values() if not any(_is_of_other_type(e) for e in errors)]
    if not started:
        yield error
        return
    for inner in min(started, key=len):
        yield from _leaves(inner)


def _is_of_other_type(error: Finding) -> bool:
    return error.validator == "type" and not error.path


@dataclass(frozen=True, slots=True)
class _Words:
    source: SourceMap
    at: DataPath

    def describe(self, error: Finding) -> Iterable[Diagnostic]:
        path = (*self.at, *error.absolute_path)
        describe = _DESCRIBE.get(str(error.validator))
        return describe(self, error, path) if describe else [self.problem("Not valid", f"{error.message}.", path)]

    def problem(self, summary: str, detail: str, path: DataPath, hint: str = "", *, at_key: bool = False) -> Diagnostic:
        span: Span = self.source.key(path) if at_key else self.source.value(path)
        return Diagnostic(summary, detail, span, self.source.line(span.line), hint)

    def unexplained(self, error: Any) -> Diagnostic:
        return self.problem("Not valid", f"{error.message}.", (*self.at, *error.instance_path))

    def unknown_keys(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        known = list(error.schema.get("properties", ()))
        patterns = list(error.schema.get("patternProperties", ()))
        for key in error.instance:
            if key not in known and not any(_matches(pattern, key) for pattern in patterns):
                if patterns and not known:
                    yield self.bad_name(key, error.schema, (*path, key))
                    continue
                detail = f"{key!r} means nothing {_place(path)}. Known are {listed(sorted(known), 24)}."
                yield self.problem("Unknown key", detail, (*path, key), did_you_mean(key, known), at_key=True)

    def bad_name(self, key: str, schema: Mapping[str, Any], path: DataPath) -> Diagnostic:
        why = schema.get("nameErrorMessage", "it has characters that a name may not have")
        return self.problem("Bad name", f"{key!r} cannot be a name here: {why}.", path, at_key=True)

    def missing_key(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        # The library reports each missing key on its own, and only in its message.
        missing = [key for key in error.validator_value if key not in error.instance and repr(key) in error.message]
        for key in missing:
            if _is_misspelt(key, error):
                # The unknown key beside it is reported, with this one as what was meant.
                continue
            about = error.schema.get("properties", {}).get(key, {}).get("description", "")
            detail = f"{key!r} must be given {_place(path)}{': ' + about if about else '.'}"
            yield self.problem("Missing key", detail, path, at_key=True)

    def dependent_key(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        for key, needed in error.validator_value.items():
            absent = [name for name in needed if key in error.instance and name not in error.instance]
            if absent:
                detail = f"{key!r} only means something together with {listed(absent)}, which is not given."
                yield self.problem("Missing key", detail, (*path, key), at_key=True)

    def wrong_type(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        kinds = [error.validator_value] if isinstance(error.validator_value, str) else list(error.validator_value)
        hint = ""
        if "string" in kinds and isinstance(error.instance, int | float):
            text = written_in(self.source, path)
            hint = f'Put quotes round it: "{text}".' if text else "Put quotes round it."
        yield self.problem("Wrong type", f"{_needed(kinds)} is needed, not {spell(error.instance)}.", path, hint)

    def no_form(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        if "oneOfErrorMessage" in error.schema:
            yield from self.not_one(error, path)
            return
        kinds = [kind for branch in error.validator_value for kind in _kinds_of(branch)]
        yield self.problem("Wrong type", f"{_needed(kinds)} is needed, not {spell(error.instance)}.", path)

    def not_one(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        if not isinstance(error.instance, Mapping):
            return  # that is said already
        keys = [branch["required"][0] for branch in error.validator_value]
        given = [key for key in keys if key in error.instance]
        if not given and any(nearest(name, keys) for name in error.instance if name not in error.schema["properties"]):
            return  # the misspelt key is reported, with the one that was meant
        said = f"{listed(given)} stand here together." if given else "None of them stands here."
        yield self.problem("Not exactly one", f"{error.schema['oneOfErrorMessage']} {said}", path, at_key=True)

    def no_choice(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        choices = [str(choice) for choice in error.validator_value]
        detail = f"{spell(error.instance)} is not one of {', '.join(choices)}."
        yield self.problem("Not one of the choices", _sentence(detail), path, did_you_mean(str(error.instance), choices))

    def no_constant(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        detail = error.schema.get("errorMessage") or f"It must be {error.validator_value!r}, not {spell(error.instance)}."
        yield self.problem("Wrong value", detail, path)

    def wrong_form(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        why = error.schema.get("patternErrorMessage") or f"It must match {error.validator_value}."
        yield self.problem("Not in the right form", f"{error.instance!r} is not in the right form. {why}", path)

    def out_of_range(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        bound = _BOUNDS[str(error.validator)].format(error.validator_value)
        yield self.problem("Out of range", f"{error.instance} is given, but it must be {bound}.", path)

    def not_wanted(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        # `not: {}`, which nothing meets, is how a condition forbids a key; for `false` the library does not tell which one.
        what = repr(path[-1]) if path else "this"
        yield self.problem("Does not belong here", f"{what} does not go with what else is given: leave it out.", path)

    def too_short(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        yield self.problem("Empty", "At least one entry must stand here; this is empty.", path)

    def repeated(self, error: Finding, path: DataPath) -> Iterable[Diagnostic]:
        seen: list[object] = []
        for index, entry in enumerate(error.instance):
            if entry in seen:
                detail = _sentence(f"{spell(entry)} already stands in this list.")
                yield self.problem("Duplicate entry", detail, (*path, index))
            seen.append(entry)


_DESCRIBE = {
    "additionalProperties": _Words.unknown_keys, "required": _Words.missing_key, "dependentRequired": _Words.dependent_key,
    "type": _Words.wrong_type, "anyOf": _Words.no_form, "oneOf": _Words.no_form, "enum": _Words.no_choice,
    "const": _Words.no_constant, "pattern": _Words.wrong_form, "minItems": _Words.too_short, "minLength": _Words.too_short,
    "minProperties": _Words.too_short, "uniqueItems": _Words.repeated, "minimum": _Words.out_of_range,
    "maximum": _Words.out_of_range, "exclusiveMinimum": _Words.out_of_range, "not": _Words.not_wanted,
}
_BOUNDS = {"minimum": "at least {}", "maximum": "at most {}", "exclusiveMinimum": "more than {}"}
_KINDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list",
    "object": "a mapping", "null": "nothing",
}


def spell(value: object) -> str:
    """A value for a sentence: ``text 'x'``, ``a list``, ``nothing``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"text {value if len(value) <= 60 else value[:57] + '...'!r}"
    return "a list" if isinstance(value, Sequence) else "a mapping"


def _needed(kinds: list[str]) -> str:
    names = list(dict.fromkeys(_KINDS.get(kind, kind) for kind in kinds if kind != "null")) or ["nothing"]
    return _sentence(" or ".join(names))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kinds_of(branch: Mapping[str, Any]) -> list[str]:
    kind = branch.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _place(path: DataPath) -> str:
    names = [part for part in path if isinstance(part, str)]
    if not path:
        return "at the top of this file"
    if isinstance(path[-1], int):
        return f"in entry {path[-1] + 1} of {names[-1]!r}" if names else f"in entry {path[-1] + 1}"
    return f"in {path[-1]!r}"


def _matches(pattern: str, key: str) -> bool:
    return re.search(pattern, key) is not None


def _is_misspelt(key: str, error: Finding) -> bool:
    known = error.schema.get("properties", {})
    strangers = [name for name in error.instance if name not in known]
    return error.schema.get("additionalProperties") is False and any(nearest(name, known) == key for name in strangers)
