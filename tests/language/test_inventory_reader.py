"""A customer's folder that is in order: what was written is what the items hold, whatever file it stands in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from engine.language.inventory_reader import load_inventory
from engine.language.item_types import item_types
from engine.language.schema_check import schema_check
from engine.language.telephone_numbers import NumberReader
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Inventory

HEAD = "switchover: 1\ncustomer: case\ntitle: Case\ntimezone: America/New_York\ncountry: US\n"
EXAMPLE = Path(__file__).parents[2] / "inventories" / "example-dental"
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a customer's folder from the body of its inventory.yml and further files."""

    def make(body: str, files: Mapping[str, str] | None = None) -> Path:
        (tmp_path / "inventory.yml").write_text(HEAD + body, encoding="utf-8")
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def load(folder: Path) -> Inventory:
    inventory, warnings = load_inventory(folder, "case", today=date(2026, 11, 22))
    assert warnings == []
    return inventory


def test_unquoted_values_stay_what_was_written(folder: Folder) -> None:
    """MACs of digits, times, leading zeros, +1 numbers and `no` are the classic ways YAML dials a wrong number."""
    inventory = load(folder("""
defaults: {opens: 21:00, dnd: no, from: +12025550100, zero: 0101}
collections:
  phones:
    items:
      - {mac: 10:20:30:40:50:11, vendor: snom, model: 320, extension: 0101, label: no, page: 21:00}
      - {mac: 805012345678, vendor: yealink, model: T54W, extension: 101}
      - {mac: 805e12345678, vendor: yealink, model: T54W, extension: 102}
  numbers: {items: [{number: +12025550100, routes_to: 0101}, {number: 12025550101}]}
"""))
    phones = [item.fields for item in inventory.collections["phones"].items]
    assert [(phone["mac"], phone["extension"]) for phone in phones] == [
        ("102030405011", "0101"), ("805012345678", "101"), ("805e12345678", "102"),
    ]
    assert (phones[0]["model"], phones[0]["label"], phones[0]["page"]) == ("320", "no", "21:00")
    assert inventory.defaults == {"opens": "21:00", "dnd": "no", "from": "+12025550100", "zero": "0101"}
    assert [item.key for item in inventory.collections["numbers"].items] == ["+12025550100", "+12025550101"]


def test_a_csv_and_a_yaml_file_of_the_same_phones_mean_the_same(folder: Folder, tmp_path: Path) -> None:
    """Digests are over the meaning: kind of file, notation, layout, comments and absent empty columns do not count."""
    in_csv = load(folder(
        "collections: {phones: {file: p.csv}}",
        {"p.csv": "Label;MAC Address;Make;Model;Ext\nLobby;00-04-F2-AB-CD-EF;Polycom;VVX 450;0101\n"},
    ))
    in_yaml = load(folder(
        "# moved\ncollections: {phones: {file: p.yml}}",
        {"p.yml": "- mac: 0004.f2ab.cdef  # the lobby's\n  vendor: poly\n  model: VVX 450\n  extension: 0101\n  label: Lobby\n"},
    ))
    assert in_csv.collections["phones"].items[0].fields == in_yaml.collections["phones"].items[0].fields
    assert in_csv.digest == in_yaml.digest
    assert (in_csv.files, in_yaml.files) == (("inventory.yml", "p.csv"), ("inventory.yml", "p.yml"))


@pytest.mark.parametrize(
    "changed", ["timezone: America/Chicago", "defaults: {a: 2}", "people: {noc: {name: B}}", "collections: {users: {items: []}}"]
)
def test_whatever_has_a_meaning_changes_the_digest(folder: Folder, changed: str) -> None:
    before = load(folder("defaults: {a: 1}\npeople: {noc: {name: A}}\n")).digest
    kept = [line for line in HEAD.splitlines() if not changed.startswith(line.split(":")[0])]
    path = folder("")
    (path / "inventory.yml").write_text("\n".join([*kept, changed, ""]), encoding="utf-8")
    assert load(path).digest != before


def test_holidays_of_another_year_leave_the_digest_alone(folder: Folder) -> None:
    """Or every plan would be stale on New Year's Day."""
    path = folder("calendars: {company: {holidays: US}}")
    assert load_inventory(path, today=date(2026, 12, 31))[0].digest == load_inventory(path, today=date(2027, 1, 1))[0].digest


def test_fields_a_type_knows_are_empty_when_not_given(folder: Folder) -> None:
    """So a runbook may say `where: item.temporary_did` for any customer."""
    item = load(folder("collections: {numbers: {items: [{number: +12025550100}]}}")).collections["numbers"].items[0]
    assert item.fields == {"number": "+12025550100", "temporary_did": "", "routes_to": "", "label": "", "caller_id": ""}


def test_free_collections_keep_their_fields_as_written(folder: Folder) -> None:
    inventory = load(folder("collections: {doors: {key: id, items: [{id: 7, open: true, codes: [1, 2]}]}}"))
    items = inventory.collections["doors"].items
    assert [(item.key, item.fields) for item in items] == [("7", {"id": "7", "open": True, "codes": [1, 2]})]


def test_decimals_of_free_collections_that_would_print_otherwise_stay_as_written(tmp_path: Path) -> None:
    """A firmware 1.10 is not 1.1; a plain decimal stays a number to reckon with."""
    (tmp_path / "inventory.yml").write_text(
        "switchover: 1\ncustomer: c\ntimezone: UTC\ncollections:\n  boxes:\n    key: id\n    items:\n"
        "      - {id: a, firmware: 1.10, price: 1.5, count: 3, more: {low: 2.50, all: [1.0, 1.00]}}\n"
    )
    (item,) = load(tmp_path).collections["boxes"].items
    assert item.fields == {
        "id": "a", "firmware": "1.10", "price": 1.5, "count": 3, "more": {"low": "2.50", "all": [1.0, "1.00"]},
    }


def test_every_item_and_field_knows_where_it_was_written(folder: Folder) -> None:
    inventory = load(folder(
        "collections:\n  users: {file: u.csv}\n  doors: {key: id, items: [{id: north}]}\n",
        {"u.csv": "name,ext\nOkafor,101\n\nPetrakis,102\n"},
    ))
    users, doors = inventory.collections["users"], inventory.collections["doors"]
    assert str(users.span(users.items[1], "extension")) == "case/u.csv:4:10"
    assert str(doors.span(doors.items[0])) == "case/inventory.yml:8:28"


def test_secret_columns_are_known_by_their_names(folder: Folder) -> None:
    collections = load(folder(
        "collections: {users: {file: u.csv}}",
        {"u.csv": "extension,name,voicemail_pin,door_secret,pinned\n101,Okafor,env:PIN,file:s#1,yes\n"},
    )).collections
    assert collections["users"].secret_fields == {"voicemail_pin", "door_secret"}


def test_secrets_written_out_are_warned_of_once_per_file(folder: Folder) -> None:
    rows = "".join(f"0004f2abcd{i:02x},poly,VVX 450,hunter{i}\n" for i in range(20))
    path = folder("collections: {phones: {file: p.csv}}", {"p.csv": "mac,vendor,model,line_password\n" + rows})
    _, warnings = load_inventory(path, "case")
    assert [(found.summary, str(found.span)) for found in warnings] == [("Secrets written out", "case/p.csv:2:27")]
    assert "20 secrets" in warnings[0].detail and "hunter" not in str(warnings)


def test_the_encoding_assumed_is_a_warning_of_the_inventory(folder: Folder) -> None:
    path = folder("collections: {users: {file: u.csv}}")
    (path / "u.csv").write_bytes("extension;name\n101;José\n".encode("cp1252"))
    inventory, warnings = load_inventory(path, "case")
    assert inventory.collections["users"].items[0].fields["name"] == "José"
    assert [found.summary for found in warnings] == ["Encoding assumed"]


def test_a_file_that_leads_out_of_the_folder_by_a_link_is_refused(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "users.csv"
    outside.write_text("extension,name\n101,Okafor\n", encoding="utf-8")
    path = folder("collections: {users: {file: u.csv}}")
    (path / "u.csv").symlink_to(outside)
    with pytest.raises(InvalidInput) as refused:
        load_inventory(path)
    assert refused.value.diagnostics[0].summary == "File outside the folder"


@pytest.mark.parametrize("data", [b"", b"- a\n", b"switchover: 1\ncustomer: \xe9\n", b"a: [\n"])
def test_an_inventory_that_cannot_be_read_is_a_problem_not_a_crash(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "inventory.yml").write_bytes(data)
    with pytest.raises(InvalidInput):
        load_inventory(tmp_path)


def test_a_folder_without_inventory_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_inventory(tmp_path / "nobody")
    assert refused.value.diagnostics[0].summary == "File not found"


def test_calendars_hold_public_holidays_and_the_customers_own_days(folder: Folder) -> None:
    calendar = load(folder("calendars: {company: {holidays: US-MA, closed: {2026-12-24: Christmas Eve}}}")).calendars["company"]
    closed = {day: why for day, why in calendar.closed.items() if day.year == 2026}
    assert closed[date(2026, 12, 24)] == "Christmas Eve"
    assert closed[date(2026, 11, 26)] == "Thanksgiving Day" and date(2026, 4, 20) in closed  # Patriots' Day, in MA alone
    assert {day.year for day in calendar.closed} == {2025, 2026, 2027, 2028}


def test_a_calendar_has_hours_exceptional_days_and_a_clock_of_its_own(folder: Folder) -> None:
    """Spans of days, several intervals a day, half days; its time zone is the customer's unless it says another."""
    calendars = load(folder("""calendars:
  plant:
    timezone: Europe/Berlin
    hours: {mon-thu: ["13:00-17:00", "07:00-12:00"], "fri, sun": "07:00-24:00"}
    closed: {2026-05-15: Bridge day}
    open: {2026-12-24: "07:00-12:00", 2026-05-16: ["07:00-12:00"]}
    month_end: 3
  plain: {}
""")).calendars
    plant, plain = calendars["plant"], calendars["plain"]
    assert (plant.timezone, plain.timezone, plant.month_end_days) == ("Europe/Berlin", "America/New_York", 3)
    assert plain.hours is None
    assert {day: [str(part) for part in parts] for day, parts in plant.weekly.items()} == {
        **{day: ["07:00-12:00", "13:00-17:00"] for day in ("mon", "tue", "wed", "thu")},
        **{day: ["07:00-24:00"] for day in ("fri", "sun")},
    }
    assert [str(part) for part in plant.hours_on(date(2026, 12, 24))] == ["07:00-12:00"]
    assert plant.hours_on(date(2026, 5, 15)) == () and plant.hours_on(date(2026, 5, 16)) != ()


def test_holidays_are_the_public_ones_without_those_that_close_nothing(folder: Folder) -> None:
    """A region's list holds observances, which can be taken out by name; other categories come in when asked for."""
    inventory = load(folder("""calendars:
  all: {holidays: US-WI}
  some: {holidays: {country: US, subdivision: WI, except: [Susan B. Anthony Day]}}
  more: {holidays: {country: DE, subdivision: BY, categories: [public, catholic]}}
  less: {holidays: {country: DE, subdivision: BY}}
"""))
    observed, assumption = date(2026, 2, 15), date(2026, 8, 15)
    assert observed in inventory.calendars["all"].closed and observed not in inventory.calendars["some"].closed
    assert inventory.calendars["some"].closed[date(2027, 2, 15)] == "Washington's Birthday", "two on one day"
    assert assumption in inventory.calendars["more"].closed and assumption not in inventory.calendars["less"].closed


def test_the_types_of_items_are_those_of_the_schema() -> None:
    """Fields, needed fields and keys come from what editors complete from; no field of a type lacks its check."""
    definitions = schema_check("inventory").schema["$defs"]
    types = item_types(NumberReader("US"))
    assert {name: (kind.key, kind.required) for name, kind in types.items()} == {
        "phones": ("mac", ("mac", "vendor", "model")), "numbers": ("number", ("number",)),
        "users": ("extension", ("extension", "name")),
    }
    for name in ("phone", "number", "user"):
        aliases = definitions[name]["x-aliases"]
        assert set(aliases.values()) <= set(definitions[name]["properties"])
        assert not set(aliases) & set(definitions[name]["properties"])


def test_loading_a_plain_inventory_imports_neither_number_tables_nor_holidays(folder: Folder) -> None:
    """Both cost a tenth of a second, and `validate` has half a second for everything."""
    path = folder("collections: {numbers: {items: [{number: +12025550100}, {number: (202) 555-0101}]}}")
    program = (
        "import json, sys; from pathlib import Path; from engine.language.inventory_reader import load_inventory;"
        f"load_inventory(Path({str(path)!r})); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not {"phonenumbers", "holidays", "jsonschema"} & set(json.loads(done.stdout))


def test_the_example_customer_is_in_order() -> None:
    """40 phones of five makers, 40 users, 25 numbers; nothing to warn of; everybody and every number fictional."""
    inventory, warnings = load_inventory(EXAMPLE, "example-dental")
    assert warnings == []
    phones, numbers, users = (inventory.collections[name].items for name in ("phones", "numbers", "users"))
    assert (len(phones), len(numbers), len(users)) == (40, 25, 40)
    assert {phone.fields["vendor"] for phone in phones} == {"yealink", "poly", "grandstream", "cisco", "snom"}
    all_numbers = [str(number.fields[name]) for number in numbers for name in ("number", "temporary_did")]
    assert all("55501" in text for text in all_numbers) and len(set(all_numbers)) == 50
    assert {"mail", "provisioning", "sip", "platform", "carrier"} <= set(inventory.connections)
    assert {"partner", "project_manager", "noc"} == set(inventory.people) and "company" in inventory.calendars
