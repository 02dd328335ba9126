"""A plan for programs has a format version and everything a person sees."""

from __future__ import annotations

import io
import json

from engine.reporting.plan_json import PlanJson, PlanJsonLines
from tests.support.plans import mixed_plan, plan_header


def test_the_document_parses_and_holds_every_address() -> None:
    stream = io.StringIO()
    view = PlanJson(stream, plan_header())
    for item in mixed_plan():
        view.add(item)
    view.finish()
    document = json.loads(stream.getvalue())
    assert document["format"] == "switchover.plan/1"
    assert document["plan"]["customer"] == "Example Dental Group"
    assert [item["address"] for item in document["items"]] == [item.address for item in mixed_plan()]
    assert document["totals"]["by_outlook"] == {
        "unpredictable": 1, "nothing": 9, "skip": 10, "check": 12, "change": 5, "later": 2, "error": 1,
    }
    assert document["totals"]["irreversible"] == 2
    assert document["totals"]["pending"] is True


def test_an_empty_plan_is_a_document_too() -> None:
    stream = io.StringIO()
    PlanJson(stream, plan_header()).finish()
    assert json.loads(stream.getvalue())["items"] == []


def test_lines_parse_one_by_one() -> None:
    """Header first, totals last: a reader knows when it has all."""
    stream = io.StringIO()
    view = PlanJsonLines(stream, plan_header())
    for item in mixed_plan():
        view.add(item)
    view.finish()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["format"] for line in lines} == {"switchover.plan/1"}
    assert [line["type"] for line in lines] == ["plan", *["item"] * 40, "totals"]
    changed = next(line for line in lines if line.get("address") == "numbers/forward[+12025550100]")
    assert changed["fields"] == [
        {"name": "forward_to", "before": "+12025550111", "after": "+12025550190"},
        {"name": "enabled", "before": False, "after": True},
    ]
