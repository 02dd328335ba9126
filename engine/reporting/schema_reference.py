"""The keys of a file, made from its JSON Schema: each with what it takes, its default and its meaning.

The schema is what the engine checks by, so its own words are the reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.values import dataclass
from engine.reporting.action_reference import in_cell, listed

Schema = Mapping[str, Any]
_TYPES = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list",
    "object": "mapping", "null": "nothing",
}


def keys_page(schema: Schema, note: str = "") -> str:
    """Markdown: the keys of the whole file, then those of each part of it, then how values are written."""
    parts = _Parts(schema.get("$defs", {}))
    title = f"{note}# Keys of {_an(str(schema['title']).lower())}"
    sections = [title, str(schema.get("description", "")), _table(parts, schema)]
    for name, definition in parts.definitions.items():
        if parts.has_keys(name):
            about = str(definition.get("description", ""))
            sections += [f"## {name}", *([about] if about else []), _table(parts, parts.keyed(definition))]
    written = "\n".join(f"| {name} | {in_cell(text)} |" for name, text in parts.written())
    if written:
        sections += ["## How values are written", f"| value | how |\n|---|---|\n{written}"]
    return "\n\n".join(sections) + "\n"


@dataclass(frozen=True, slots=True)
class _Parts:
    """The definitions that a schema refers to."""

    definitions: Mapping[str, Schema]

    def keyed(self, definition: Schema) -> Schema:
        """The form of a definition that has keys: itself, or the one for a mapping where it also takes something shorter."""
        short = definition.get("else", {})
        return short if "properties" in short and "properties" not in definition else definition

    def has_keys(self, name: str) -> bool:
        """Whether a definition has keys of its own, and so a section."""
        return "properties" in self.keyed(self.definitions[name])

    def written(self) -> Iterator[tuple[str, str]]:
        """Values with a form of their own: name, and how they are written."""
        for name, definition in self.definitions.items():
            if _has_form(definition) and not self.has_keys(name):
                examples = ", ".join(f"`{_literal(example)}`" for example in definition.get("examples", ()))
                how = str(definition.get("patternErrorMessage") or definition.get("description") or "")
                yield name, f"{how} Such as {examples}." if examples else how

    def named(self, value: Schema) -> str:
        """The definition a value refers to; empty when it stands for itself."""
        return str(value.get("$ref", "")).removeprefix("#/$defs/")


def _table(parts: _Parts, schema: Schema) -> str:
    rows = "\n".join(f"| {' | '.join(map(in_cell, row))} |" for row in _rows(parts, schema, ""))
    return f"| key | takes | default | meaning |\n|---|---|---|---|\n{rows}"


def _rows(parts: _Parts, schema: Schema, above: str) -> Iterator[tuple[str, str, str, str]]:
    """Key, what it takes, its default and its meaning; those of a mapping without a name follow it, dotted."""
    required = schema.get("required", ())
    for key, value in schema["properties"].items():
        target = parts.definitions.get(parts.named(value), {})
        default = "required" if key in required else _default({**target, **value})
        meaning = value.get("description") or target.get("description") or ("Always this." if "const" in value else "")
        yield f"`{above}{key}`", _takes(parts, value), default, str(meaning)
        if "properties" in value:
            yield from _rows(parts, value, f"{above}{key}.")


def _default(value: Schema) -> str:
    return f"`{_literal(value['default'])}`" if "default" in value else "none"


def _takes(parts: _Parts, value: Schema) -> str:
    name = parts.named(value)
    if name:
        target = parts.definitions[name]
        if parts.has_keys(name):
            short = "list or " if "array" in target.get("type", ()) else ""
            return f"{short}[{name}](#{name})"
        if "if" in target:
            return " or ".join(dict.fromkeys(_takes(parts, target[way]) for way in ("then", "else")))
        return f"[{name}](#how-values-are-written)" if _has_form(target) else _takes(parts, target)
    if "const" in value:
        return f"`{_literal(value['const'])}`"
    if "enum" in value:
        return listed([f"`{_literal(choice)}`" for choice in value["enum"]])
    options = value.get("anyOf") or value.get("oneOf")
    if options and "type" not in value:
        return " or ".join(dict.fromkeys(_takes(parts, option) for option in options))
    kinds = value.get("type", "anything")
    names = [_kind(parts, kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    return listed(list(dict.fromkeys(names)))


def _kind(parts: _Parts, kind: str, value: Schema) -> str:
    inner = value.get("items") if kind == "array" else _entries(value) if kind == "object" else None
    word = _TYPES.get(kind, kind)
    if not inner:
        return word
    return f"{word} {'of' if kind == 'array' else 'of name to'} {_takes(parts, inner)}"


def _entries(value: Schema) -> Schema | None:
    """What the entries of a mapping with free names are."""
    named = next(iter(value.get("patternProperties", {}).values()), None)
    rest = value.get("additionalProperties")
    return named or (rest if isinstance(rest, Mapping) else None)


def _has_form(definition: Schema) -> bool:
    """Whether it says how a value is written, beyond its type."""
    return "patternErrorMessage" in definition or bool(definition.get("writeOnly")) or "examples" in definition


def _literal(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _an(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
