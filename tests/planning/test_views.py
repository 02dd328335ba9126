"""What templates see of an inventory: whole collections without their secrets, and dates that a calendar reckons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.language.inventory_reader import load_inventory
from engine.language.templates import Templates
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Inventory
from engine.planning.views import Collections, calendars_of

INVENTORY = """\
switchover: 1
customer: acme
timezone: America/Chicago
calendars:
  company: {hours: {mon-fri: "08:00-17:00"}, holidays: {country: US}, closed: {2026-11-27: Friday off}, month_end: 3}
  front-desk: {}
collections:
  prices: {key: family, items: [{family: Tax, price: "10.00"}, {family: Audit, price: "20.50"}]}
  users: {items: [{extension: "101", name: Ann, voicemail_pin: "4711"}]}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    return load_inventory(tmp_path)[0]


def rendered(inventory: Inventory, expression: str) -> Any:
    context = {"collections": Collections(inventory), "calendars": calendars_of(inventory), "start": "2026-11-25T16:30:00+00:00"}
    written = parse_yaml(f'value: "{{{{ {expression} }}}}"\n', "views.yml")
    return Templates().compile_value(f"{{{{ {expression} }}}}", written.source, ("value",)).render(context)


def test_a_collection_is_a_list_of_its_items_fields_in_order(inventory: Inventory) -> None:
    """So a document can have a line for each, and a total is reckoned in decimals."""
    assert rendered(inventory, "collections.prices | map(attribute='family') | list") == ["Tax", "Audit"]
    assert str(rendered(inventory, "collections.prices | map(attribute='price') | map('money') | sum")) == "30.50"
    assert sorted(Collections(inventory)) == ["prices", "users"]
    assert len(Collections(inventory)) == 2


def test_secret_fields_are_not_among_them(inventory: Inventory) -> None:
    """Nothing would mask them: what is shown of a step without an item has no item's secrets to look for."""
    assert "voicemail_pin" not in rendered(inventory, "collections.users")[0]
    assert rendered(inventory, "collections.users")[0]["name"] == "Ann"


@pytest.mark.parametrize(("expression", "result"), [
    ("calendars.company.after(start, '1 business day')", "2026-11-30T10:30-06:00"),
    ("calendars.company.after(start, '4 business hours')", "2026-11-25T14:30-06:00"),
    ("calendars.company.after(start, '2 days')", "2026-11-27T10:30-06:00"),
    ("calendars.front_desk.after(start, '1h')", "2026-11-25T11:30-06:00"),
    ("calendars.company.local(start)", "2026-11-25T10:30-06:00"),
    ("calendars.company.after(start, '1 business day') | date", "Mon 30 Nov 2026"),
    ("calendars.company.month_end(start)", ""),
    ("calendars.company.month_end('2026-11-28T12:00-06:00')", "Sat 2026-11-28 is month end: one of the last 3 days of the month"),
    ("calendars.company.month_end(start, '3 business days')", "Mon 2026-11-30 is month end: one of the last 3 days of the month"),
    ("calendars.company.month_end('2026-12-01T09:00-06:00', '2 business days')", ""),
])
def test_what_a_calendar_reckons(inventory: Inventory, expression: str, result: str) -> None:
    """Thanksgiving and the day after are closed; month end is told when an open day on the way falls into it."""
    assert rendered(inventory, expression) == result


@pytest.mark.parametrize(("expression", "said"), [
    ("calendars.company.after('tomorrow', '1h')", "is no time"),
    ("calendars.company.after('2026-11-25T10:00', '1h')", "says no time zone"),
    ("calendars.company.after(start, 'a while')", "is not a duration"),
])
def test_what_cannot_be_reckoned_is_an_error_with_its_place(inventory: Inventory, expression: str, said: str) -> None:
    """Never a date that is a guess."""
    with pytest.raises(InvalidInput) as refused:
        rendered(inventory, expression)
    assert said in refused.value.diagnostics[0].detail
