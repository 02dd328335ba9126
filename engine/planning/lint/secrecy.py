"""Secrets that stand in a file, and mail that reaches whom nobody meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.language.secret_names import is_reference, is_secret_name
from engine.model.diagnostic import Severity
from engine.model.inventory import Inventory
from engine.model.source import DataPath
from engine.planning.lint.rule import Finding, Profile, Rule, Subject

_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|\bglpat-[\w-]{20}"
    r"|\bxox[abprs]-[\w-]{10,}|\bKEY[0-9A-F]{32}_\w{20,}|\bAGE-SECRET-KEY-1[0-9A-Z]{58}|\bsk_live_[0-9a-zA-Z]{24,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
)
"""Forms that nothing else has: PEM keys, AWS, GitHub, GitLab, Slack, Telnyx, age, Stripe, JSON Web Tokens."""
_LOGIN_IN_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@{}]+:(?!\*{3})[^/\s:@{}]+@")
_ADDRESS = re.compile(r"[\w.+-]+@(?P<domain>[\w-]+(?:\.[\w-]+)+)")


def _plain(subject: Subject) -> Iterator[Finding]:
    yield from (Finding(path, detail, _ADVICE) for path, detail in _in_plain(subject.runbook.document.data))
    if subject.inventory is None:
        return
    documents = {id(subject.inventory.document): subject.inventory.document}
    documents |= {id(collection.source): collection.source for collection in subject.inventory.collections.values()}
    for document in documents.values():
        for path, detail in _in_plain(document.data):
            yield Finding(path, detail, _ADVICE, document.source)


_ADVICE = "Write where it is kept instead, such as env:NAME or file:secrets.yml#key."


def _in_plain(value: object, path: DataPath = ()) -> Iterator[tuple[DataPath, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and inner and isinstance(key, str) and is_secret_name(key) and not _is_elsewhere(inner):
                yield (*path, key), f"{key!r} holds its value. Whoever can read the repository, now or later, has it."
            else:
                yield from _in_plain(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _in_plain(inner, (*path, index))
    elif isinstance(value, str) and len(value) > _SHORTEST and not is_reference(value):
        if _LOOKS_SECRET.search(value):
            yield path, "This looks like a key or a token. Whoever can read the repository, now or later, has it."
        elif _LOGIN_IN_URL.search(value):
            yield path, "The URL holds a password. Whoever can read the repository, now or later, has it."


_SHORTEST = 10
"""Characters that any of the forms above has."""


def _is_elsewhere(text: str) -> bool:
    return is_reference(text) or "{{" in text or "{%" in text


PLAIN_SECRETS = Rule(
    "SW106", "Secret in plain text", Severity.ERROR,
    "No file of the repository holds a secret: passwords, PINs, tokens and keys are references to where they are kept.",
    _plain, Profile.BASIC,
    "What was committed once stays in the history, in every clone and in every backup.",
    "Keep it in a secret store and write the reference. Then change the secret: it is known.",
)


def _outside(subject: Subject) -> Iterator[Finding]:
    inventory = subject.inventory
    if inventory is None:
        return
    used = {str(step.args.get("connection")) for step in subject.runbook.every_step() if step.gate is None}
    if inventory.notify is not None:
        used.add(inventory.notify.connection)
    for name in sorted(used):
        connection = inventory.connections.get(name)
        if connection is None or connection.type != "smtp" or {"allow", "redirect_all"} & connection.settings.keys():
            continue
        own = _domain(connection.settings.get("from")) or _domain(connection.settings.get("host"))
        others = sorted(_reached(subject, inventory) - {own})
        if others:
            more = " and others" if len(others) > _LISTED else ""
            detail = (
                f"Mail through {name!r} may go to anybody: {', '.join(others[:_LISTED])}{more}, outside "
                f"{own or 'its own domain'}, are reached, and nothing says that they are meant."
            )
            hint = "Say who may get mail: allow: [\"*@example.net\", ...]."
            yield Finding(("connections", name), detail, hint, inventory.document.source, at_key=True)


_LISTED = 3


def _reached(subject: Subject, inventory: Inventory) -> set[str]:
    """Domains of people, of items, and of addresses that stand in the runbook."""
    found = {domain for person in inventory.people.values() if (domain := _domain(person.get("email")))}
    for collection in inventory.collections.values():
        found |= {domain for item in collection.items if (domain := _domain(item.fields.get("email")))}
    for step in subject.runbook.every_step():
        for key in ("to", "cc", "bcc"):
            written = step.args.get(key)
            texts = written if isinstance(written, list | tuple) else [written]
            found |= {domain for text in texts if (domain := _domain(text))}
    return found


def _domain(text: object) -> str:
    match = _ADDRESS.search(text) if isinstance(text, str) else None
    return match["domain"].lower() if match else ""


OUTSIDE_MAIL = Rule(
    "SW302", "Mail to anybody", Severity.WARNING,
    "A mail server that reaches people of other domains says who may get mail: allow, or redirect_all for a rehearsal.",
    _outside, Profile.PRODUCTION,
    "One wrong cell of a spreadsheet sends a customer's data to a stranger, and a mail cannot be taken back.",
    "Give the connection an allow list: patterns of addresses, such as *@example.net.",
    of_inventory=True,
)
