"""SW201, SW202: what gets to people that it is not meant for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.language.secret_names import is_reference, is_secret_name
from engine.model.diagnostic import Severity
from engine.model.inventory import Connection, Inventory
from engine.model.runbook import Step
from engine.model.source import DataPath, Document
from engine.planning.lint.rule import Finding, Rule, Subject

_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@{}]+:(?P<secret>[^/\s@{}]+)@", re.IGNORECASE)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PERSON = re.compile(r"\{\{\s*people\.(\w+)\.email\s*\}\}")
_MAILS = ("mail.send", "mail.invite")
_ADVICE = "Give a reference instead, such as env:NAME, and change the secret: it is known to whoever has the file."


def _plain(subject: Subject) -> Iterator[Finding]:
    data: Any = subject.runbook.document.data
    # What a form asks for, and which inputs there are, is called by names of secrets without being one.
    yield from _below({key: value for key, value in data.items() if key != "inputs"}, (), subject.runbook.document)
    if subject.inventory is None:
        return
    told: Any = subject.inventory.document.data
    shown = {key: value for key, value in told.items() if key != "collections"} if isinstance(told, dict) else {}
    yield from _below(shown, (), subject.inventory.document)
    yield from _in_items(subject.inventory)


def _below(value: object, path: DataPath, document: Document) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = (*path, key)
            if is_secret_name(str(key)) and _is_literal(inner):
                yield Finding(place, f"{key!r} is written out.", _ADVICE, document, secret=str(inner))
            elif key != "form":
                yield from _below(inner, place, document)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _below(inner, (*path, index), document)
    elif isinstance(value, str):
        match = _IN_URL.search(value)
        if match is not None and not is_reference(match["secret"]):
            yield Finding(path, "The address holds a password.", _ADVICE, document, secret=match["secret"])
        elif _KEY.search(value):
            yield Finding(path, "A private key is written out.", _ADVICE, document)


def _is_literal(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    return bool(text) and not is_reference(text) and "{{" not in text and "{%" not in text


def _in_items(inventory: Inventory) -> Iterator[Finding]:
    """One finding for each field of a collection: the first item stands for all."""
    for collection in inventory.collections.values():
        names = {name for item in collection.items[:1] for name in item.fields if is_secret_name(name)} | collection.secret_fields
        for name in sorted(names):
            literal = [item for item in collection.items if _is_literal(item.fields.get(name))]
            if literal:
                first = literal[0]
                path = (*collection.data_path, first.row, name)
                detail = f"{name!r} of {len(literal)} of the {collection.name} is written out, first that of {first.key}."
                yield Finding(path, detail, _ADVICE, collection.source, secret=str(first.fields[name]))


def _outside(subject: Subject) -> Iterator[Finding]:
    inventory = subject.inventory
    if inventory is None:
        return
    for name, connection in inventory.connections.items():
        if connection.type != "smtp" or connection.settings.get("allow"):
            continue
        step = next((s for s in subject.runbook.every_step() if _goes_outside(s, connection, inventory)), None)
        if step is not None:
            detail = f"{step.address} mails to people outside, or nobody knows yet to whom, and {name!r} sends to any address."
            hint = "Write who may get mail: allow: ['*@example.net']"
            yield Finding(("connections", name), detail, hint, inventory.document)


def _goes_outside(step: Step, connection: Connection, inventory: Inventory) -> bool:
    if step.action not in _MAILS or step.args.get("connection") != connection.name:
        return False
    own = _domain(str(connection.settings.get("from", "")))
    return any(_domain(_address(text, inventory)) != own for text in _recipients(step))


def _recipients(step: Step) -> Iterator[str]:
    for key in ("to", "cc", "bcc"):
        value = step.args.get(key, ())
        yield from (str(one) for one in (value if isinstance(value, list | tuple) else [value]))


def _address(text: str, inventory: Inventory) -> str:
    person = _PERSON.fullmatch(text.strip())
    return text if person is None else str(inventory.people.get(person[1], {}).get("email", ""))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].strip("<> ").lower()


PLAIN_SECRET = Rule(
    "SW201", "Secret in plain text", Severity.ERROR,
    "Runbooks and inventories are kept in git and copied into every run. A secret in one is known to all who ever read it.",
    _plain, _ADVICE, "basic",
)
OUTSIDE_MAIL = Rule(
    "SW202", "Mail to outside without an allow-list", Severity.WARNING,
    "A wrong address in an inventory sends a customer's data to strangers. A connection that mails to other domains than its own "
    "says to which.",
    _outside, "Give the connection an allow: list of patterns.", "production", needs_inventory=True,
)
