"""``switchover explain``: which layer won, why an item is left out or skipped, and what nobody can know before the run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Ended, in_process, switchover

RUNBOOK = """\
switchover: 1
name: sites
defaults: {region: from-runbook, city: Oslo, tone: low}
inputs:
  city: {type: string, default: Bergen}
  door_pin: {type: secret, default: "env:NEVER_SET"}
windows:
  evening: {days: [mon, tue, wed, thu, fri, sat, sun], from: "18:00", until: "22:00", timezone: Europe/Oslo, calendar: company}
phases:
  - name: files
    window: evening
    steps:
      - name: write
        action: ssh.file
        for_each: sites
        where: item.kind == 'branch' and not item.closed
        when: item.size | int > 10 or region == 'all'
        with:
          connection: server
          path: "/srv/{{ region }}/{{ item.name }}"
          content: "{{ city }} {{ tone }} {{ item.gate_pin }}"
        retry: {attempts: 4}
      - name: told
        action: check.that
        with: {claims: [{missing: "{{ [] if steps.write.changed else ['x'] }}", otherwise: nobody was told}]}
      - name: agree
        approval:
          by: manager
          message: "{{ people.manager.name }}, is {{ city }} right?"
          within: 2 business days
          calendar: company
"""
INVENTORY = """\
switchover: 1
customer: acme
title: Acme
timezone: Europe/Oslo
connections:
  server: {type: ssh, host: files.example.net, username: root, password: env:FILES_PASSWORD}
defaults: {region: from-inventory, city: Trondheim}
calendars:
  company: {hours: {mon-fri: "08:00-16:00"}}
people:
  manager: {name: Kari Nordmann, email: kari@example.net, deputy: {role: deputy}}
  deputy: {name: Ola Nordmann, email: ola@example.net}
collections:
  sites: {file: sites.yml, key: name}
  others: {file: others.csv, key: name}
"""
SITES = """\
- {name: north, kind: branch, closed: "", size: "20", gate_pin: "env:NORTH_PIN", vars: {region: from-item}}
- {name: south, kind: branch, closed: "", size: "5", gate_pin: "4711"}
- {name: old, kind: branch, closed: "yes", size: "30", gate_pin: "4712"}
- {name: head, kind: office, closed: "", size: "90", gate_pin: "4713"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one runbook and one customer."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "inventories" / "acme").mkdir(parents=True)
    (tmp_path / "runbooks" / "sites.yml").write_text(RUNBOOK, encoding="utf-8")
    folder = tmp_path / "inventories" / "acme"
    (folder / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    (folder / "sites.yml").write_text(SITES, encoding="utf-8")
    (folder / "others.csv").write_text("name,kind\r\nwest,branch\r\n", encoding="utf-8")
    return tmp_path


def explain(project: Path, address: str, *more: object) -> Ended:
    return in_process(project, "explain", address, "-i", "inventories/acme", *more)


def explained(project: Path, address: str, *more: object) -> Any:
    return explain(project, address, *more, "--output", "json").must(0).json


def field(found: Any, name: str) -> Any:
    return next(entry for entry in found["fields"] if entry["name"] == name)


def layers(found: Any, name: str, variable: str) -> list[tuple[str, object, bool]]:
    entry = next(v for v in field(found, name)["variables"] if v["name"] == variable)
    return [(layer["level"], layer["value"], layer["won"]) for layer in entry["layers"]]


def test_every_layer_is_told_weakest_first_and_the_strongest_won(project: Path) -> None:
    """Runbook, inventory and item gave the region; the command line beats even the input's default for the city."""
    found = explained(project, "files/write[north]", "--set", "city=Tromso")
    assert field(found, "with.path")["value"] == "/srv/from-item/north"
    assert layers(found, "with.path", "region") == [
        ("runbook defaults", "from-runbook", False), ("inventory defaults", "from-inventory", False), ("item", "from-item", True),
    ]
    assert layers(found, "with.content", "city") == [
        ("runbook defaults", "Oslo", False), ("inventory defaults", "Trondheim", False), ("run input", "Bergen", False),
        ("command line", "Tromso", True),
    ]


def test_each_layer_has_its_line_and_column(project: Path) -> None:
    """Somebody who reads it goes there and changes it."""
    text = explain(project, "files/write[south].with.path").must(0).out
    assert "runbooks/sites.yml:20:17" in text
    assert "won  from-inventory  inventory defaults, inventories/acme/inventory.yml:7:20" in text
    assert "lost from-runbook  runbook defaults, runbooks/sites.yml:3:20" in text
    assert "item.name = south  item, inventories/acme/sites.yml:2:10" in text


def test_a_cell_of_a_spreadsheet_has_its_line_and_its_column_s_name(project: Path) -> None:
    """A letter of the alphabet means nothing in a text editor, a name does in both."""
    folder = project / "inventories" / "acme"
    (folder / "sites.csv").write_text("kind,name,size,closed,gate_pin\r\nbranch,north,20,,\r\n", encoding="utf-8")
    text = (folder / "inventory.yml").read_text(encoding="utf-8").replace("file: sites.yml", "file: sites.csv")
    (folder / "inventory.yml").write_text(text, encoding="utf-8")
    out = explain(project, "files/write[north].item.size").must(0).out
    assert "item.size = 20  item, inventories/acme/sites.csv:2:14, column size" in out


def test_no_secret_is_shown_and_none_is_looked_up(project: Path) -> None:
    """The variables that hold them are not set, and what was written out does not come out."""
    for address in ("files/write[north]", "files/write[south]", "files/write[south].item.gate_pin", "files/write"):
        for output in ("human", "json"):
            out = explain(project, address, "--output", output).must(0).out
            assert "4711" not in out
            assert "***" in out
    found = explained(project, "files/write[north]")
    assert field(found, "with.content")["value"] == "Bergen low ***"
    password = next(fact for fact in field(found, "with.connection")["facts"] if fact["name"] == "password")
    assert password["value"] == "*** (env:FILES_PASSWORD)"


@pytest.mark.parametrize(
    ("when", "status"),
    [("item.gate_pin == '4711'", "decided in the run"), ("item.gate_pin", "in scope"),
     ("item.gate_pin == '4711' and false", "skipped"), ("item.gate_pin | int > 3 or item.kind == 'branch'", "in scope")],
)
def test_a_condition_that_hangs_on_a_secret_is_not_guessed(project: Path, when: str, status: str) -> None:
    """Whether there is one can be told, and so can what the rest settles; what it says cannot."""
    path = project / "runbooks" / "sites.yml"
    old = "when: item.size | int > 10 or region == 'all'"
    path.write_text(path.read_text(encoding="utf-8").replace(old, f'when: "{when}"'), encoding="utf-8")
    ended = explain(project, "files/write[south]", "--output", "json").must(0)
    assert ended.json["status"] == status
    assert [v["value"] for verdict in ended.json["verdicts"] for t in verdict["terms"] for v in t["variables"]].count("***") == 1
    assert ended.out.count("4711") == ended.out.count("== '4711'")


def test_it_may_be_asked_from_anywhere(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The project is that of the customer's folder."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    found = in_process(elsewhere, "explain", "files/told", "-i", project / "inventories" / "acme").must(0)
    assert "files/told" in found.out


def test_a_step_that_is_skipped_says_which_part_of_when_is_false(project: Path) -> None:
    """With the values that made it so."""
    found = explained(project, "files/write[south]")
    assert found["status"] == "skipped"
    when = next(verdict for verdict in found["verdicts"] if verdict["what"] == "when")
    assert [(term["words"], term["holds"], term["decides"]) for term in when["terms"]] == [
        ("item.size | int > 10", False, True), ("region == 'all'", False, True),
    ]
    assert [v["value"] for term in when["terms"] for v in term["variables"]] == ["5", "from-inventory"]


@pytest.mark.parametrize(("item", "false"), [("head", "item.kind == 'branch'"), ("old", "item.closed")])
def test_an_item_that_where_leaves_out_says_which_part_did(project: Path, item: str, false: str) -> None:
    """Its own flag among them: ``not item.closed`` is false because the flag is set."""
    found = explained(project, f"files/write[{item}]")
    assert found["status"] == "out of scope"
    where = next(verdict for verdict in found["verdicts"] if verdict["what"] == "where")
    assert [term["words"] for term in where["terms"] if term["decides"]] == [false]


def test_an_item_beyond_the_limit_says_so(project: Path) -> None:
    """The limit is that of the command line that is being wondered about."""
    found = explained(project, "files/write[north]", "--limit", "[south]")
    assert found["status"] == "out of scope"
    assert ("limit", False) in [(verdict["what"], verdict["holds"]) for verdict in found["verdicts"]]


def test_a_whole_step_counts_its_items_by_what_becomes_of_them(project: Path) -> None:
    """Those that fare alike together, with the reason."""
    found = explained(project, "files/write")
    assert [(group["status"], group["keys"]) for group in found["groups"]] == [
        ("in scope", ["north"]), ("out of scope", ["old"]), ("out of scope", ["head"]), ("skipped", ["south"]),
    ]
    assert "item.kind == 'branch' is false" in found["groups"][2]["reason"]
    assert field(found, "with.path")["origin"].startswith("differs from item to item")


def test_what_only_the_run_can_tell_names_the_step(project: Path) -> None:
    """No guess is shown for it."""
    claims = field(explained(project, "files/told"), "with.claims")
    assert (claims["value"], claims["later"]) == (None, "files/write")


def test_a_gate_says_who_is_asked_and_who_stands_in(project: Path) -> None:
    """And until when, if it opened now."""
    found = explained(project, "files/agree")
    assert [fact["value"] for fact in field(found, "approval.by")["facts"]] == [
        "Kari Nordmann <kari@example.net>", "Ola Nordmann, deputy of Kari Nordmann",
    ]
    assert field(found, "approval.message")["value"] == "Kari Nordmann, is Bergen right?"
    assert field(found, "approval.within")["facts"][0]["value"].startswith("until ")
    assert (field(found, "approval.quorum")["value"], field(found, "approval.quorum")["origin"]) == (1, "default")


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [("retry.attempts", 4, ""), ("retry.backoff", "1 s", "default"), ("timeout", "60 s", "default"),
     ("window", "evening: mon-sun 18:00-22:00 Europe/Oslo", ""), ("with.mode", None, "default of ssh.file")],
)
def test_a_setting_says_whether_somebody_wrote_it(project: Path, name: str, value: object, origin: str) -> None:
    """A default is called one."""
    found = field(explained(project, f"files/write[north].{name}"), name)
    assert (found["value"], found["origin"]) == (value, origin)


def test_a_name_that_the_step_does_not_use_may_be_asked_for(project: Path) -> None:
    """``vars.NAME`` is what every template of the address sees, with the item's own before the defaults."""
    assert field(explained(project, "files/write[south].vars.tone"), "vars.tone")["value"] == "low"
    assert field(explained(project, "files/write[north].vars.region"), "vars.region")["value"] == "from-item"


def test_a_variable_called_like_what_the_engine_gives_does_not_hide_it(project: Path) -> None:
    """Nor does it for an item that has variables of its own."""
    sites = project / "inventories" / "acme" / "sites.yml"
    sites.write_text(sites.read_text(encoding="utf-8").replace("{region: from-item}", "{run: mine, people: none}"), "utf-8")
    runbook = project / "runbooks" / "sites.yml"
    runbook.write_text(runbook.read_text(encoding="utf-8").replace("{{ item.name }}", "{{ people.manager.name }}"), "utf-8")
    assert field(explained(project, "files/write[north]"), "with.path")["value"] == "/srv/from-inventory/Kari Nordmann"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("files/wriet", "Did you mean 'files/write'?"),
        ("files/write[nroth]", "Did you mean 'north'?"),
        ("files/write[west]", "'others' has, but the step does not run over that"),
        ("files/told[north]", "has no for_each: it runs once"),
        ("files/write[north].with.pth", "Did you mean 'with.path'?"),
        ("files", "There are 'files/write', 'files/told', 'files/agree'."),
        ("", "There are 'files/write'"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_there_is(project: Path, address: str, says: str) -> None:
    """As invalid input."""
    assert says in " ".join(explain(project, address).must(3).err.split())


def test_a_runbook_is_named_when_several_have_the_address(project: Path) -> None:
    """It is not guessed, and naming one is enough."""
    shutil.copyfile(project / "runbooks" / "sites.yml", project / "runbooks" / "twin.yml")
    err = explain(project, "files/told").must(1).err
    assert "runbooks/sites.yml or runbooks/twin.yml" in err
    explain(project, "files/told", "runbooks/twin.yml").must(0)


def test_a_runbook_that_cannot_be_read_is_not_passed_over_in_silence(project: Path) -> None:
    """The address may stand in it, as behind the marks of a merge."""
    (project / "runbooks" / "merged.yml").write_text("<<<<<<< HEAD\nname: a\n=======\nname: b\n>>>>>>> c\n", encoding="utf-8")
    explain(project, "files/told").must(0)
    assert "cannot be read: runbooks/merged.yml" in " ".join(explain(project, "mail/send").must(3).err.split())


def test_files_from_windows_have_the_same_places(project: Path) -> None:
    """CRLF moves nothing."""
    before = explain(project, "files/write[north]").must(0).out
    for path in (*(project / "runbooks").glob("*.yml"), *(project / "inventories").rglob("*.yml")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert explain(project, "files/write[north]").must(0).out == before


def test_explaining_leaves_no_trace(project: Path) -> None:
    """It opens no journal and makes no key: as a process of its own, in a project that nothing was planned in."""
    switchover(project, "explain", "files/write[north]", "-i", "inventories/acme").must(0)
    assert not (project / ".switchover").exists()


def test_a_value_is_shown_as_the_action_takes_it(project: Path) -> None:
    """A number where text is declared arrives as text; also for an item that is skipped."""
    path = project / "runbooks" / "sites.yml"
    old = 'path: "/srv/{{ region }}/{{ item.name }}"'
    path.write_text(path.read_text(encoding="utf-8").replace(old, 'path: "{{ item.size | int }}"'), encoding="utf-8")
    assert [field(explained(project, f"files/write[{key}]"), "with.path")["value"] for key in ("north", "south")] == ["20", "5"]
