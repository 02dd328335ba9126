"""Makes the reference pages of ``docs/`` from the code: actions, keys, commands, events. ``make generated`` runs it.

What the code says of itself (an argument's text, an option's help, an event's docstring) is the reference; a page written by
hand beside it would be wrong within a month.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from engine.actions.catalog import BUILT_IN
from engine.cli.doc import action_pages
from engine.cli.main import COMMANDS, cli
from engine.cli.schema import WRITTEN
from engine.model import event
from engine.planning.lint.rule import Rule
from engine.planning.lint.rules import RULES
from engine.project import shipped
from engine.reporting.schema_reference import keys_page

ROOT = Path(__file__).resolve().parents[2]
_MADE = "<!-- Made from the code by `make generated`. Do not edit: change the text where it stands in the code. -->\n\n"
# ---------------------------------------------------------------- commands


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = [
        _MADE + "# Commands\n",
        "Data goes to stdout, chatter to stderr; colour and live progress on a terminal only (`NO_COLOR` is respected).\n"
        "`-h` after any command shows this. Exit codes: [operations](operations.md#exit-codes).\n",
    ]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        if command is None:
            raise LookupError(f"{name} is listed, but is no command")
        parts += _command(f"switchover {name}", command)
    return "\n".join(parts)


def _command(path: str, command: click.Command, level: str = "##") -> Iterator[str]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    arguments = [_argument(param) for param in command.params if isinstance(param, click.Argument)]
    inner = command.commands if isinstance(command, click.Group) else {}
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *arguments, *(["COMMAND"] if inner else [])])
    text = f"{level} {path}\n\n{command.help or ''}\n\n```text\n{usage}\n```\n"
    if options:
        text += "\n| option | meaning |\n|---|---|\n" + "".join(f"| {_option(o)} | {_prose(o.help or '')} |\n" for o in options)
    yield text
    for name, below in inner.items():
        yield from _command(f"{path} {name}", below, level + "#")


def _argument(argument: click.Argument) -> str:
    shown = argument.metavar or (argument.name or "").upper()
    return shown if argument.required else f"[{shown}]"


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or _kind(option.type)}"
    return f"`{', '.join(option.opts)}{value}`".replace("|", "\\|") + (" (required)" if option.required else "")


def _kind(kind: Any) -> str:
    return "|".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else str(kind.name).upper()


# ---------------------------------------------------------------- events

_EVENTS_HEAD = """\
# Events

The journal is the truth about every run: facts in the past tense, only ever added. A finished, a running and a crashed run are
read the same way, by folding their events. They are kept in `.switchover/journal.db` (SQLite, table `events`), and
`switchover report RUN --jsonl FILE` writes them out, one JSON object a line:

```json
{"format": "switchover.event/1", "run": "20261122-2014-k3f9", "seq": 7, "at": "2026-11-22T20:14:09.952343+00:00",
 "kind": "item_changed", "address": "phones/config[805ec05705bd]", "data": {"summary": "1 file written"}, "hash": "6a8d..."}
```

`seq` counts from 1 within the run, without a gap. `data` has the fields below, never a secret. Readers must take unknown
fields and kinds from newer versions in their stride; the number after `switchover.event/` rises when an old reader would
misunderstand.

**The order that keeps a run safe.** `item_intended` is on disk before the write it speaks of leaves the machine, and the
outcome afterwards. So after a crash an intent without an outcome means *in doubt*: it is looked at, not guessed.

**The chain.** Each event's `hash` is the SHA-256, in lower-case hex, of the hash before it (64 zeros before the first), a line
feed, and this line: `{"run":..,"seq":..,"at":..,"version":..,"kind":..,"address":..,"data":{..}}`, compact JSON in exactly
this order. The last hash of a run is kept apart, so a tail that was cut off shows too. Every reading checks the chain. It finds
accidents and careless edits; against somebody who rewrites the whole file, keep an exported copy.

**Names of contents.** `receipt` says what an action did and holds what undoing it needs; contents that were replaced are in
`.switchover/keep/`, named by their SHA-256.
"""


def events_page() -> str:
    """Every kind of event with its fields."""
    parts = [_MADE + _EVENTS_HEAD, "## Kinds\n"]
    for kind, cls in event.KINDS.items():
        fields = [f"`{field.name}`" for field in dataclasses.fields(cls)]
        notes = "".join(f"- `{name}`: {text}\n" for name, text in _field_notes(cls))
        about = f"### {kind}\n\n{_prose(inspect.getdoc(cls) or '')}\n\nFields: {', '.join(fields)}.\n"
        parts.append(about + (f"\n{notes}" if notes else ""))
    return "\n".join(parts)


def _field_notes(cls: type) -> Iterator[tuple[str, str]]:
    """Texts that stand under a field, as in ``observable: bool`` and a string below it."""
    source = textwrap.dedent(inspect.getsource(cls))
    for match in re.finditer(r'^    (\w+): [^\n]+\n    """(.*?)"""', source, re.MULTILINE | re.DOTALL):
        yield match[1], _prose(" ".join(match[2].split()))


# ---------------------------------------------------------------- rules

_SEVERITIES = {"error": "an error", "warning": "a warning"}


def rule_page(rule: Rule) -> str:
    """One rule of ``lint``, with the cases that its tests run."""
    facts = [f"{_SEVERITIES[rule.severity.value].capitalize()}, from the profile `{rule.profile}` on."]
    facts += ["Looks only with `-i`."] if rule.needs_inventory else []
    facts += ["`switchover lint --fix` puts it right where the meaning stays the same."] if rule.fixable else []
    return "\n\n".join((
        f"# {rule.id}: {rule.name}", "<!-- Made by `make generated`. -->", " ".join(facts), f"## Why\n\n{rule.doc}",
        f"## Goes against it\n\n{_cases(rule, 'fails')}", f"## Keeps to it\n\n{_cases(rule, 'passes')}",
        f"## What to do\n\n{rule.fix}", f"To excuse a line, say why: `# noqa: {rule.id} reason`.",
    )) + "\n"


def _cases(rule: Rule, name: str) -> str:
    folder = ROOT / "tests" / "lint" / "cases" / rule.id
    beside = folder / name / "inventory.yml"
    text = (folder / f"{name}.yml").read_text(encoding="utf-8")
    told = [f"```yaml\n{text.rstrip()}\n```"]
    if beside.exists():
        told.append(f"with the inventory\n\n```yaml\n{beside.read_text(encoding='utf-8').rstrip()}\n```")
    return "\n\n".join(told)


# ---------------------------------------------------------------- together


def _keys_page(kind: str) -> str:
    """The keys of a runbook, an inventory or a scenario."""
    return keys_page(json.loads((shipped("schemas") / f"{kind}.json").read_text(encoding="utf-8")), _MADE)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page, "events.md": events_page,
    **{name: partial(str, text) for name, text in action_pages(BUILT_IN, _MADE).items()},
    **{f"{kind}-keys.md": partial(_keys_page, kind) for kind in WRITTEN},
    **{f"rules/{rule.id}.md": partial(rule_page, rule) for rule in RULES},
}


def _prose(docstring: str) -> str:
    """A docstring as Markdown: one kind of quoting for code."""
    return docstring.replace("``", "`").replace("|", "\\|").strip()


def main() -> None:
    """Writes every page."""
    (ROOT / "docs" / "rules").mkdir(exist_ok=True)
    for name, made in PAGES.items():
        path = ROOT / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(made(), encoding="utf-8")
    sys.stderr.write(f"Wrote {len(PAGES)} pages to {ROOT / 'docs'}.\n")


if __name__ == "__main__":
    main()
