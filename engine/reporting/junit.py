"""A run as JUnit XML, which every CI system shows: a suite per step, a case per item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from engine.model.diagnostic import Diagnostic
from engine.model.event import Record
from engine.model.run import ItemStatus
from engine.reporting.diagnostics import format_diagnostics
from engine.reporting.story import Outcome, StepStory, tell
from engine.reporting.wording import STATUS_WORDS, UNFINISHED


class JudgedScenario(Protocol):
    """What is told of one scenario."""

    @property
    def file(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def took_s(self) -> float: ...
    @property
    def failures(self) -> Sequence[Diagnostic]: ...
    @property
    def story(self) -> Sequence[str]: ...


_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters XML 1.0 has no form for."""


def render_junit(records: Iterable[Record]) -> str:
    """The whole document. What was not tried, or not finished, is skipped; what is in doubt failed."""
    story = tell(records)
    root = Element("testsuites", name=_text(f"{story.header.get('runbook_name', 'run')} {story.state.run}"))
    suites = [_suite(root, step) for step in story.steps.values()]
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(root, encoding='unicode')}\n"


def junit_of_scenarios(judged: Sequence[JudgedScenario]) -> str:
    """Scenarios as one suite, a case each."""
    failed = sum(bool(one.failures) for one in judged)
    suite = Element("testsuite", {
        "name": "scenarios", "tests": str(len(judged)), "failures": str(failed), "errors": "0", "skipped": "0",
        "time": f"{sum(one.took_s for one in judged):.3f}",
    })
    for one in judged:
        names = {"classname": _text(one.file), "name": _text(one.name), "time": f"{one.took_s:.3f}"}
        case = SubElement(suite, "testcase", names)
        if one.failures:
            first = one.failures[0]
            failure = SubElement(case, "failure", {"type": _text(first.summary), "message": _text(first.detail)})
            failure.text = _text(format_diagnostics(one.failures))
        SubElement(case, "system-out").text = _text("\n".join(one.story))
    indent(suite)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(suite, encoding='unicode')}\n"


def _suite(root: Element, step: StepStory) -> Element:
    counts = step.counts
    bugs = sum(outcome.cause == "bug" for outcome in step.outcomes)
    skipped = sum(counts[status] for status in (ItemStatus.SKIPPED, ItemStatus.BLOCKED, *UNFINISHED))
    suite = SubElement(root, "testsuite", {
        "name": _text(step.address), "tests": str(len(step.outcomes)), "errors": str(bugs),
        "failures": str(counts[ItemStatus.FAILED] + counts[ItemStatus.IN_DOUBT] - bugs), "skipped": str(skipped),
        "timestamp": step.started_at.isoformat(), "time": f"{(step.ended_at - step.started_at).total_seconds():.3f}",
    })
    for outcome in step.outcomes:
        _case(suite, outcome)
    return suite


def _case(suite: Element, outcome: Outcome) -> None:
    case = SubElement(suite, "testcase", {
        "classname": _text(outcome.step), "name": _text(f"{outcome.item or outcome.step} {outcome.label}".strip()),
        "time": f"{outcome.took_s:.3f}",
    })
    why = _text(outcome.why)
    if outcome.status in (ItemStatus.FAILED, ItemStatus.IN_DOUBT):
        kind = "error" if outcome.cause == "bug" else "failure"
        SubElement(case, kind, {"type": outcome.cause or "in doubt", "message": why}).text = why
    elif outcome.status is ItemStatus.BLOCKED:
        SubElement(case, "skipped", {"message": f"not tried: {why} did not succeed"})
    elif outcome.status is ItemStatus.SKIPPED or outcome.status in UNFINISHED:
        SubElement(case, "skipped", {"message": why or STATUS_WORDS[outcome.status]})
    elif outcome.summary:
        SubElement(case, "system-out").text = _text(f"{STATUS_WORDS[outcome.status]}: {outcome.summary}")


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
