"""SARIF 2.1.0, as code scanning takes it: a log of one run of a tool, its rules, and results at places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine import __version__
from engine.model.diagnostic import Diagnostic, Severity
from engine.model.values import dataclass

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True, slots=True)
class ToolRule:
    """A kind of result. ``doc`` says what and why, ``help`` what to do."""

    id: str
    name: str
    doc: str
    help: str = ""
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Result:
    """One result: the id of its rule, what to tell, and where when it stands in a file."""

    rule: str
    diagnostic: Diagnostic


def sarif_log(tool_rules: Sequence[ToolRule], results: Iterable[Result]) -> dict[str, object]:
    """The whole log, as data for JSON."""
    index = {rule.id: number for number, rule in enumerate(tool_rules)}
    driver = {"name": "switchover", "version": __version__, "rules": [_rule(rule) for rule in tool_rules]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(one, index) for one in results]}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: ToolRule) -> dict[str, object]:
    told: dict[str, object] = {
        "id": rule.id, "shortDescription": {"text": rule.name}, "fullDescription": {"text": rule.doc},
        "defaultConfiguration": {"level": rule.severity.value},
    }
    return {**told, "help": {"text": rule.help}} if rule.help else told


def _result(result: Result, index: dict[str, int]) -> dict[str, object]:
    shown = result.diagnostic
    told: dict[str, object] = {
        "ruleId": result.rule, "level": shown.severity.value,
        "message": {"text": " ".join(filter(None, (f"{shown.summary}.", shown.detail, shown.hint)))},
    }
    if result.rule in index:
        told["ruleIndex"] = index[result.rule]
    if shown.span is not None:
        region = {"startLine": max(shown.span.line, 1), "startColumn": max(shown.span.column, 1)}
        place = {"artifactLocation": {"uri": shown.span.file.replace("\\", "/")}, "region": region}
        told["locations"] = [{"physicalLocation": place}]
    return told
