"""A run as JUnit XML, which every CI system shows: a suite per step, a case per item."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from engine.model.event import Record
from engine.model.run import ItemStatus
from engine.reporting.story import Outcome, StepStory, tell
from engine.reporting.wording import STATUS_WORDS, UNFINISHED

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
