"""What a schema cannot say about connections: secrets, jumps through each other, addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.findings import Findings
from engine.language.item_values import BadValueError, email
from engine.language.nearest import did_you_mean, listed
from engine.language.secret_names import is_reference, is_secret_name
from engine.model.inventory import Connection
from engine.model.source import DataPath, Document

_ADDRESSES = ("from", "redirect_all")
Settings = Mapping[str, object]


def read_connections(written: Mapping[str, object], document: Document, findings: Findings) -> dict[str, Connection]:
    """The connections that have the form of one; problems go to ``findings``."""
    connections = {}
    for name, entry in written.items():
        if isinstance(entry, dict) and isinstance(entry.get("type"), str):
            settings = {key: value for key, value in entry.items() if key != "type"}
            connections[name] = Connection(name, entry["type"], settings)
    _warn_of_literal_secrets(connections, document, findings)
    for connection in connections.values():
        _refuse_misplaced_references(connection, document, findings)
        _check_addresses(connection, document, findings)
        _check_jump(connection, connections, document, findings)
    return connections


def literal_secrets(settings: Settings) -> dict[str, str]:
    """Secret settings that hold the secret itself, as text."""
    found = {}
    for name, value in settings.items():
        if is_secret_name(name) and isinstance(value, str | int | float) and not is_reference(str(value)):
            found[name] = str(value)
    return found


def _warn_of_literal_secrets(connections: Mapping[str, Connection], document: Document, findings: Findings) -> None:
    literal: list[DataPath] = [
        ("connections", connection.name, name)
        for connection in connections.values() for name in literal_secrets(connection.settings)
    ]
    if literal:
        places = listed(f"{connection}.{name}" for _, connection, name in literal)
        detail = (
            f"Secrets stand in this file as such ({places}): whoever reads the file, or its history in git, knows them. "
            "Put references in their place: env:NAME, file:PATH or keyring:SERVICE/USER."
        )
        findings.warn(document, literal[0], "Secrets written out", detail)


def _refuse_misplaced_references(connection: Connection, document: Document, findings: Findings) -> None:
    for name, value in connection.settings.items():
        if isinstance(value, str) and is_reference(value) and not is_secret_name(name):
            detail = (
                f"`{name}` is no secret and is used as it stands. References are for secret settings, and for the values of "
                "`headers`."
            )
            findings.add(document, ("connections", connection.name, name), "Reference where none is resolved", detail)


def _check_addresses(connection: Connection, document: Document, findings: Findings) -> None:
    for name in _ADDRESSES:
        value = connection.settings.get(name)
        if isinstance(value, str) and value:
            try:
                email(value)
            except BadValueError as problem:
                findings.add(document, ("connections", connection.name, name), problem.summary, problem.detail)


def _check_jump(connection: Connection, known: Mapping[str, Connection], document: Document, findings: Findings) -> None:
    jump = connection.settings.get("jump")
    if not isinstance(jump, str):
        return
    at: DataPath = ("connections", connection.name, "jump")
    if jump not in known:
        detail = f"There is no connection {jump!r} to go through. Known are {listed(known)}."
        findings.add(document, at, "Unknown connection", detail, hint=did_you_mean(jump, known))
    elif known[jump].type != "ssh":
        detail = f"The connection {jump!r} is of type {known[jump].type}; only one of type ssh can be gone through."
        findings.add(document, at, "Connection cannot be a jump host", detail)
    elif connection.name in _jumps(connection, known):
        findings.add(document, at, "Jump hosts in a circle", f"Going through {jump!r} leads back to {connection.name!r}.")


def _jumps(connection: Connection, known: Mapping[str, Connection]) -> Iterator[str]:
    """The connections gone through, nearest first; each once."""
    seen: set[str] = set()
    jump = connection.settings.get("jump")
    while isinstance(jump, str) and jump in known and jump not in seen:
        seen.add(jump)
        yield jump
        jump = known[jump].settings.get("jump")
