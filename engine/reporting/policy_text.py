"""A policy, and what it came to, on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.model.event import PolicyChecked
from engine.model.policy import Demand, Policy, Rule
from engine.reporting.terminal import Paint, printable


def format_policy(policy: Policy, where: str, commit: str, *, color: bool = False) -> str:
    """All rules, each with its place. Several lines without the last line end."""
    paint = Paint(color)
    lines = [f"Policy {paint('bold', where)}" + (f", commit {commit[:10]}" if commit else "")]
    for rule in policy.rules:
        lines += [f"  {paint('bold', printable(rule.name))}  {paint('dim', str(policy.span(rule.path)))}", *_asked(rule)]
    by = ", ".join(policy.overridden_by)
    lines.append(f"  Overridden by: {by}" if by else "  Nobody may override it.")
    return "\n".join(lines)


def _asked(rule: Rule) -> Iterator[str]:
    but = f", but not {', '.join(rule.excepted)}" if rule.excepted else ""
    yield f"      for {'every runbook' if rule.runbooks == ('*',) else ', '.join(rule.runbooks)}{but}"
    yield f"      changes that are not committed: {'allowed' if rule.dirty else 'refused'}"
    if rule.branches:
        yield f"      the commit is in {' or '.join(rule.branches)}"
    if rule.signed:
        yield "      the commit is signed"
    for demand in rule.demands:
        yield f"      reviewed by {_by(demand)}: {', '.join(sorted(risk.value for risk in demand.risks))}"


def _by(demand: Demand) -> str:
    who = " or ".join(demand.by)
    return who if demand.count == 1 else f"{demand.count} of {who}"


def policy_data(policy: Policy) -> list[dict[str, Any]]:
    """The rules for programs."""
    return [
        {
            "name": rule.name, "at": str(policy.span(rule.path)), "runbooks": rule.runbooks, "except": rule.excepted,
            "dirty": rule.dirty, "branches": rule.branches, "signed": rule.signed,
            "approvals": [
                {"risks": sorted(risk.value for risk in d.risks), "by": d.by, "count": d.count} for d in rule.demands
            ],
        }
        for rule in policy.rules
    ]


def format_checked(event: PolicyChecked, go_on: Sequence[str], *, color: bool = False) -> str:
    """What a policy came to: each thing a rule asks, and ``go_on`` for each that does not hold."""
    paint = Paint(color)
    kept = event.outcome == "kept"
    lines = [f"Policy {paint('bold', event.policy)}: {paint('good', 'kept') if kept else paint('alarm', 'refused')}"]
    lines += [f"  {fact}" for fact in _facts(event)]
    for rule, way in zip(event.rules, go_on, strict=True):
        mark = paint("green", "ok ") if rule["kept"] else paint("alarm", "no ")
        lines.append(f"  {mark} {printable(rule['rule'])}: {printable(rule['says'])}  {paint('dim', rule['at'])}")
        if not rule["kept"] and way:
            lines.append(f"      {printable(way)}")
    if not event.rules:
        lines.append("  No rule speaks of this runbook.")
    return "\n".join(lines)


def _facts(event: PolicyChecked) -> Iterator[str]:
    if event.commit:
        yield f"Commit {event.commit[:10]}"
    if event.base:
        yield f"Compared with {str(event.base['commit'])[:10]}, {event.base['why']}"
    for risk in event.risks:
        yield from (f"{risk['risk']}: {printable(reason)}" for reason in risk["reasons"])
    for who in event.approvers:
        yield f"Reviewed by {printable(who['name'])} ({who['role']}): {', '.join(commit[:10] for commit in who['commits'])}"
