"""The page on an action, made from what the code says of itself: as Markdown, and as text for a terminal.

A page written by hand beside the code would be wrong within a month.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.model.args import Argument, arguments_of
from engine.model.plan import Effect
from engine.model.values import dataclass
from engine.ports import Action
from engine.reporting.terminal import Paint

_EFFECTS = {
    Effect.READS: "only reads: it proves that something is so",
    Effect.CHANGES: "changes",
    Effect.DESTROYS: "removes something for good",
}
_DEEDS = (("Looks", "observe"), ("Compares", "diff"), ("Does", "apply"), ("Takes back", "undo"))
"""What an action does, and which of its functions tells it."""
_MACS = "`<mac>` is twelve lower-case hex digits, `<MAC>` the same in upper case: servers on Linux tell the two apart."


@dataclass(frozen=True, slots=True)
class ArgumentEntry:
    """One argument, in words. ``default``: how it is written, ``none`` or ``required``."""

    name: str
    takes: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ActionPage:
    """What there is to know of an action. Texts quote code in single backticks."""

    name: str
    doc: str
    about: str
    deeds: tuple[tuple[str, str], ...]
    traits: tuple[str, ...]
    arguments: tuple[ArgumentEntry, ...]
    facts: Mapping[str, Sequence[str]]
    """Facts of the trade that it rests on: title -> sentences."""
    example: str


def page_of(action: Action[Any, Any], example: str) -> ActionPage:
    """Reads the page off the action; ``example``: YAML, empty when there is none."""
    facts: Callable[[], Mapping[str, Sequence[str]]] = getattr(action, "facts", dict)
    return ActionPage(
        action.name, prose(action.doc), prose(inspect.getdoc(type(action)) or ""), tuple(_deeds(action)), tuple(_traits(action)),
        tuple(_entry(argument, action.Args) for argument in arguments_of(action.Args).values()), facts(), example,
    )


def as_markdown(page: ActionPage, note: str = "") -> str:
    """A page for the documentation; ``note`` comes first, such as that it is generated."""
    parts = [f"{note}# {page.name}", page.doc, page.about, "\n".join(_points(page))]
    parts += ["## Arguments", "\n".join(["| argument | takes | default | meaning |", "|---|---|---|---|", *_rows(page)])]
    if page.facts:
        parts += ["## By vendor", _MACS]
    for title, sentences in page.facts.items():
        parts += [f"### {title}", "\n".join(f"- {sentence}" for sentence in sentences)]
    if page.example:
        parts += ["## Example", "Two files, complete: a runbook and the inventory that goes with it."]
        parts.append(f"```yaml\n{page.example.rstrip()}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def as_text(page: ActionPage, width: int, paint: Paint) -> str:
    """The same for a terminal of ``width`` columns."""
    lines = [paint("bold", page.name), *_filled(page.doc, width, 2), "", *_filled(page.about, width, 2), ""]
    for point in _points(page):
        lines += _filled(point, width, 2, hanging=2)
    lines += ["", paint("heading", "Arguments")]
    for entry in page.arguments:
        default = entry.default if entry.default in ("required", "none") else f"default {plain(entry.default)}"
        lines.append(f"  {paint('bold', entry.name)}  {plain(entry.takes)}; {default.replace('none', 'may be left out')}")
        lines += _filled(entry.meaning, width, 6)
    for title, sentences in page.facts.items():
        lines += ["", paint("heading", plain(title))]
        for sentence in sentences:
            lines += _filled(f"- {sentence}", width, 2, hanging=2)
    if page.example:
        lines += ["", paint("heading", "Example"), *(f"  {line}".rstrip() for line in page.example.rstrip().splitlines())]
    return "\n".join(lines)


def index(actions: Mapping[str, Action[Any, Any]], note: str = "") -> str:
    """The page that lists all actions, each linked to its own below ``actions/``."""
    rows = "\n".join(f"| [{name}](actions/{name}.md) | {in_cell(prose(actions[name].doc))} |" for name in sorted(actions))
    return (
        f"{note}# Actions\n\n"
        "What a step can do. Each is named `system.noun` and takes its arguments under `with:`. Any value may be a template; an\n"
        "argument that does not exist is an error. An action looks first, says what it would change, and after writing looks\n"
        "again: it counts as changed only when that second look finds nothing left to do, within its settle time.\n\n"
        "In a terminal: `switchover doc NAME`. As JSON Schema, for editors: `switchover schema NAME`.\n\n"
        f"| action | what you get |\n|---|---|\n{rows}\n"
    )


def prose(docstring: str) -> str:
    """A docstring as Markdown: one kind of quoting for code."""
    return docstring.replace("``", "`").strip()


def in_cell(text: str) -> str:
    """Text that a table's cell can hold. An angle bracket outside of code would be taken for HTML."""
    told = text.replace("|", "\\|").replace("\n", " ").split("`")
    return "`".join(part if code % 2 else part.replace("<", "&lt;") for code, part in enumerate(told))


def plain(text: str) -> str:
    """Without the quotes of code, which on a terminal are only in the way of copying."""
    return re.sub(r"`([^`]*)`", r"\1", text)


def listed(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _deeds(action: Action[Any, Any]) -> Iterator[tuple[str, str]]:
    for title, function in _DEEDS:
        told = inspect.getdoc(getattr(action, function, None)) or ""
        # What it raises is for whoever writes actions.
        sentence = prose(told.split("\n\n")[0].partition(" Raises ")[0].replace("\n", " "))
        if sentence and not sentence.startswith("Raises "):
            yield title, sentence


def _traits(action: Action[Any, Any]) -> Iterator[str]:
    yield f"Effect: {_EFFECTS[action.effect]}."
    if action.effect is not Effect.READS and not hasattr(action, "undo"):
        yield "Undo: its change cannot be taken back; the plan says so."
    settle = f"{action.settle_s:g} s" if action.settle_s else "none: what is read back at once has to be right"
    yield f"Settle time unless the step gives another: {settle}."
    told: Mapping[str, str] = getattr(action, "Outputs", {})
    if told:
        yield "Outputs for later steps: " + "; ".join(f"`{name}`, {doc}" for name, doc in told.items()) + "."


def _rows(page: ActionPage) -> list[str]:
    told = ((f"`{entry.name}`", entry.takes, entry.default, entry.meaning) for entry in page.arguments)
    return [f"| {' | '.join(map(in_cell, row))} |" for row in told]


def _points(page: ActionPage) -> list[str]:
    return [f"- {title}: {sentence}" for title, sentence in page.deeds] + [f"- {trait}" for trait in page.traits]


def _entry(argument: Argument, cls: type) -> ArgumentEntry:
    meaning = prose(argument.doc)
    if argument.connection:
        meaning += f" A connection of type {listed([f'`{name}`' for name in argument.connection])}."
    declared = next(field.metadata for field in dataclasses.fields(cls) if field.name == argument.name)
    examples: tuple[object, ...] = declared.get("examples", ())
    if examples:
        meaning += " Such as " + ", ".join(f"`{_written(example)}`" for example in examples) + "."
    default = "required" if argument.required else _default(argument.default)
    takes = _takes(argument.accepts) + (" of seconds" if argument.name.endswith("_s") else "")
    return ArgumentEntry(argument.name, takes, default, meaning)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _default(value: object) -> str:
    return "none" if value is None or value in ("", ()) else f"`{json.dumps(value)}`"


def _takes(accepts: Mapping[str, Any]) -> str:
    if "enum" in accepts:
        return listed([f"`{choice}`" for choice in accepts["enum"]])
    if "anyOf" in accepts:
        return " or ".join(dict.fromkeys(_takes(option) for option in accepts["anyOf"] if option.get("type") != "null"))
    kind = accepts.get("type")
    if kind == "array":
        return f"list of {_takes(accepts['items'])}"
    if kind == "object":
        return f"mapping to {_takes(accepts['additionalProperties'])}"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return names.get(str(kind), "anything")


def _filled(text: str, width: int, indent: int, hanging: int = 0) -> list[str]:
    """Paragraphs broken into lines of at most ``width`` columns."""
    lines: list[str] = []
    for number, paragraph in enumerate(filter(None, plain(text).split("\n\n"))):
        lines += [""] if number else []
        lines += textwrap.wrap(
            paragraph, max(width, 40), initial_indent=" " * indent, subsequent_indent=" " * (indent + hanging),
            break_long_words=False, break_on_hyphens=False,
        )
    return lines
