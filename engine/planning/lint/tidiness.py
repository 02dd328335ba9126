"""What a runbook has and does not need, and what it writes otherwise than all others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from engine.language.deprecated import deprecated_in
from engine.model.diagnostic import Severity
from engine.planning.lint.rule import Edit, Finding, Profile, Rule, Subject

_WORDS = re.compile(r"[A-Za-z_]\w*")
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def _unused(subject: Subject) -> Iterator[Finding]:
    runbook = subject.runbook
    left = set(runbook.inputs)
    data = runbook.document.data
    if left and isinstance(data, Mapping):
        left -= {word for text in _strings({k: v for k, v in data.items() if k != "inputs"}) for word in _WORDS.findall(text)}
    if left:
        left -= {word for text in subject.files() for word in _WORDS.findall(text)}
    for name in runbook.inputs:
        if name in left:
            detail = f"Nothing uses the input {name!r}: whatever is given, the run is the same."
            yield Finding(("inputs", name), detail, at_key=True)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


UNUSED = Rule(
    "SW103", "Unused input", Severity.WARNING,
    "Every input is used by a template, a condition or a template file.",
    _unused, Profile.BASIC,
    "Whoever starts the run is asked for a value, gives it, and believes that it counts.",
    "Use it where it was meant to be used, or remove it.",
)


def _deprecated(subject: Subject) -> Iterator[Finding]:
    for path, spelling in deprecated_in(subject.runbook.document.data):
        old, kind = (spelling.value, "value") if spelling.value else (spelling.key, "key")
        detail = f"The {kind} {old!r} is written {spelling.instead!r} since version {spelling.since}. It means the same."
        yield Finding(path, detail, at_key=not spelling.value, fix=(Edit(path, old, spelling.instead, key=not spelling.value),))


DEPRECATED = Rule(
    "SW105", "Deprecated spelling", Severity.WARNING,
    "No key or value is written in a way that a later version may no longer read.",
    _deprecated, Profile.BASIC,
    "Old spellings are read for a while and then refused, perhaps on the evening of a cutover.",
    "Write the new spelling; --fix does.",
)


def _names(subject: Subject) -> Iterator[Finding]:
    runbook = subject.runbook
    stem = PurePath(runbook.document.source.file).stem
    if stem != runbook.name and runbook.document.source.file.endswith((".yml", ".yaml")):
        detail = f"The file is called {stem!r} and the runbook in it {runbook.name!r}: runs and reports carry the second."
        yield Finding(("name",), detail, f"Call both {runbook.name!r}.")
    if subject.inventory is not None:
        source = subject.inventory.document.source
        for section in ("connections", "calendars"):
            for name in getattr(subject.inventory, section):
                if _KEBAB.fullmatch(name) is None:
                    detail = f"{name!r} is not written as names are: small letters, digits and '-'."
                    yield Finding((section, name), detail, source=source, at_key=True)


NAMES = Rule(
    "SW201", "Name not as names are", Severity.WARNING,
    "Connections and calendars have names in kebab-case, and a runbook's file carries its name. Runbooks, phases, steps and "
    "windows cannot be named otherwise.",
    _names, Profile.SHARED,
    "Names stand in addresses, reports and shell lines. Two ways of writing them are two names, and blanks have to be quoted.",
    "Rename it here and where it is used.",
)
