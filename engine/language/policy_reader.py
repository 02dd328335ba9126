"""A policy into the model: read, checked against its schema, and held against the runbooks and people it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from engine.language.nearest import did_you_mean, offered
from engine.language.schema_check import schema_check
from engine.language.yaml_reader import decode, parse_yaml
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.policy import Demand, Policy, Rule, mails_of, risks_of
from engine.model.source import DataPath, Document, Span


def read_policy(content: bytes, display: str) -> Policy:
    """Reads a policy's bytes, as they stand in a tree or in a commit. Raises ``InvalidInput`` with everything that is wrong with
    it by itself."""
    text = decode(content, display)
    conflict = _conflict(text, display)
    if conflict is not None:
        raise InvalidInput([conflict])
    document = parse_yaml(text, display)
    problems = schema_check("policy").problems(document.data, document.source) or list(_forms(document))
    if problems:
        raise InvalidInput(problems)
    return _policy(document)


def _conflict(text: str, display: str) -> Diagnostic | None:
    """Where git left a merge to a person."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            detail = "A merge stopped here, and both sides still stand in the file. Keep what is meant, delete the marks, commit."
            return Diagnostic("Merge conflict", detail, Span(display, number, 1), line)
    return None


def _forms(document: Document) -> Iterator[Diagnostic]:
    """What the schema cannot say well: what needs another key, names that stand twice, people nobody could recognise."""
    data: Any = document.data
    names: set[str] = set()
    for index, rule in enumerate(data["rules"]):
        path: DataPath = ("rules", index)
        if rule["name"] in names:
            detail = f"Another rule is called {rule['name']!r} already. A refusal names rules: give each a name of its own."
            yield _problem(document, "Duplicate name", detail, (*path, "name"))
        names.add(rule["name"])
        for place, demand in enumerate(rule.get("approvals", ())):
            if "risks" not in demand and "levels" not in demand:
                detail = "It does not say which kinds of change it is about: give 'risks', or 'levels', or both."
                yield _problem(document, "Missing key", detail, (*path, "approvals", place))
    for index, rule in enumerate(data["rules"]):
        for place, demand in enumerate(rule.get("approvals", ())):
            for nth, role in enumerate(demand["by"]):
                person = data.get("people", {}).get(role)
                if person is not None and not mails_of(person):
                    detail = f"{person['name']} has no e-mail address, and reviewers are told by it. Give one with 'email'."
                    yield _problem(document, "Cannot be recognised", detail, ("rules", index, "approvals", place, "by", nth))


def _policy(document: Document) -> Policy:
    data: Any = document.data
    rules = tuple(_rule(raw, ("rules", index)) for index, raw in enumerate(data["rules"]))
    by = tuple(data.get("overrides", {}).get("by", ()))
    return Policy(rules, data.get("people", {}), by, data.get("allowed_signers", ""), document)


def _rule(raw: Mapping[str, Any], path: DataPath) -> Rule:
    demands = tuple(
        Demand(
            risks_of(demand.get("risks", ()), demand.get("levels", ())), tuple(demand["by"]), demand.get("count", 1),
            (*path, "approvals", index),
        )
        for index, demand in enumerate(raw.get("approvals", ()))
    )
    return Rule(
        raw["name"], tuple(raw.get("runbooks", ("*",))), tuple(raw.get("except", ())), raw.get("dirty", False),
        tuple(raw.get("branches", ())), raw.get("signed", False), demands, path,
    )


def policy_problems(policy: Policy, runbooks: Collection[str], roles: Collection[str]) -> list[Diagnostic]:
    """Names that lead nowhere: of runbooks, and of roles that neither the policy nor ``roles`` of inventories have."""
    return [*_runbooks(policy, runbooks), *_roles(policy, {*policy.people, *roles})]


def _runbooks(policy: Policy, known: Collection[str]) -> Iterator[Diagnostic]:
    for rule in policy.rules:
        for key, patterns in (("runbooks", rule.runbooks), ("except", rule.excepted)):
            for index, pattern in enumerate(patterns):
                if pattern != "*" and not any(fnmatchcase(name, pattern) for name in known):
                    detail = f"No runbook of this project is called {pattern!r}, so the rule would not hold where it is meant. " \
                             f"{offered(sorted(known))}"
                    hint = did_you_mean(pattern, known)
                    yield _problem(policy.document, "Unknown runbook", detail, (*rule.path, key, index), hint)


def _roles(policy: Policy, known: Collection[str]) -> Iterator[Diagnostic]:
    places = [((*demand.path, "by"), demand.by) for rule in policy.rules for demand in rule.demands]
    for path, roles in (*places, (("overrides", "by"), policy.overridden_by)):
        for index, role in enumerate(roles):
            if role not in known:
                detail = f"No role is called {role!r}, neither here under 'people' nor in an inventory. {offered(sorted(known))}"
                yield _problem(policy.document, "Unknown role", detail, (*path, index), did_you_mean(role, known))


def people_in(content: bytes, display: str) -> Mapping[str, Mapping[str, object]]:
    """The people of an inventory, as its file's bytes have them; none when it cannot be read."""
    try:
        data = parse_yaml(decode(content, display), display).data
    except InvalidInput:
        return {}
    people = data.get("people") if isinstance(data, dict) else None
    return {role: person for role, person in people.items() if isinstance(person, dict)} if isinstance(people, dict) else {}


def name_in(content: bytes, display: str) -> str | None:
    """What a runbook is called, as its file's bytes have it; None when it cannot be read."""
    try:
        data = parse_yaml(decode(content, display), display).data
    except InvalidInput:
        return None
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None


def _problem(document: Document, summary: str, detail: str, path: DataPath, hint: str = "") -> Diagnostic:
    span = document.source.value(path)
    return Diagnostic(summary, detail, span, document.source.line(span.line), hint)
