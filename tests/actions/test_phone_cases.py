"""What resync and registered make of what they read, as data: see the ``cases.yml`` beside this file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.phone.proof import Fetch, moment_given
from engine.actions.phone.registered import PhoneRegistered, PhoneRegisteredArgs, RegisteredSeen, Registration
from engine.actions.phone.resync import PhoneResync, PhoneResyncArgs, ResyncSeen
from engine.model.args import builder_of, schema_of
from engine.model.errors import Permanent
from engine.model.plan import Change, Unpredictable

HERE = Path(__file__).parent
NOW = datetime(2026, 3, 2, 23, tzinfo=UTC)


def cases_of(folder: str) -> list[Any]:
    cases = yaml.safe_load((HERE / folder / "cases.yml").read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["title"]) for case in cases]


@pytest.mark.parametrize("case", cases_of("phone_resync"))
def test_resync_plans(case: dict[str, Any]) -> None:
    """Last fetch and time of change decide."""
    args = builder_of(PhoneResyncArgs)({"connection": "c", "mac": "001565a1b2c3", "extension": "101", **case["args"]})
    fetch = None
    if "seen" in case:
        fetch = Fetch(moment_given(case["seen"]["last"]), case["seen"].get("remark", ""))
    planned = PhoneResync().diff(args, ResyncSeen(fetch, moment_given(args.since)))
    if "nothing" in case:
        assert planned is None
    elif "unpredictable" in case:
        assert isinstance(planned, Unpredictable)
        assert planned.summary == case["unpredictable"]
    else:
        assert isinstance(planned, Change)
        (field,) = planned.fields
        assert {"summary": planned.summary, "before": field.before, "after": field.after} == case["change"]
        assert planned.reversible


@pytest.mark.parametrize("case", cases_of("phone_registered"))
def test_registered_finds_what_is_lacking(case: dict[str, Any]) -> None:
    """Each field that is not true yet is named with what was seen and what is wanted."""
    args = builder_of(PhoneRegisteredArgs)({"connection": "c", "extension": "101", **case["args"]})
    times = {name: moment_given(case["seen"].get(name)) for name in ("registered_at", "expires_at")}
    registration = Registration(**{**case["seen"], **times})
    planned = PhoneRegistered().diff(args, RegisteredSeen(registration, None, moment_given(args.since), NOW))
    lacking = [[field.name, field.before, field.after] for field in planned.fields] if planned else []
    assert lacking == case["lacking"]


def test_a_time_that_is_none_is_refused() -> None:
    """A template that renders to nonsense does not count as 'no time known'."""
    with pytest.raises(Permanent, match="since is 'yesterday', which is not a time"):
        moment_given("yesterday")


@pytest.mark.parametrize("args", [PhoneResyncArgs, PhoneRegisteredArgs])
def test_arguments_have_a_schema_with_a_sentence_each(args: type) -> None:
    """Editors show what each argument means."""
    properties = schema_of("x", "y", args)["properties"]
    assert isinstance(properties, dict)
    assert all(entry["description"].endswith(".") for entry in properties.values())
