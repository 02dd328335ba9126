"""``switchover lsp``, as an editor uses it: over the pipes of a process, with texts that are not saved."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_explain import INVENTORY, RUNBOOK, SITES
from tests.support.cli import in_process
from tests.support.lsp import Editor, editor_at

FILE = "runbooks/sites.yml"

DOOR_PIN = 'door_pin: {type: secret, default: "env:NEVER_SET"}  # noqa: SW302 for the next runbook'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a runbook that names a template, and two customers."""
    text = RUNBOOK.replace('content: "{{ city }} {{ tone }} {{ item.gate_pin }}"', "template: site.conf.j2")
    text = text.replace("      - name: agree\n", "      - name: agree\n        needs: [told]\n")
    text = text.replace("for_each: sites\n", "for_each: sites\n        max_failures: 0\n")  # what the rules ask for
    text = text.replace('door_pin: {type: secret, default: "env:NEVER_SET"}', DOOR_PIN)
    files = {
        FILE: text, "templates/site.conf.j2": "tone {{ tone }}\n",
        "inventories/acme/inventory.yml": INVENTORY, "inventories/acme/sites.yml": SITES,
        "inventories/acme/others.csv": "name,kind\nwest,branch\n",
        "inventories/zenith/inventory.yml": INVENTORY.replace("acme", "zenith").replace("from-inventory", "zenith-region"),
        "inventories/zenith/sites.yml": SITES, "inventories/zenith/others.csv": "name,kind\nwest,branch\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.fixture
def editor(root: Path) -> Iterator[Editor]:
    """An editor that has said hello."""
    with editor_at(root) as editor:
        editor.begin()
        yield editor


def line_of(root: Path, name: str, text: str) -> tuple[int, int]:
    """Where a text stands first: line and character from 0."""
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines) if text in line)
    return number, lines[number].index(text)


def defined_at(editor: Editor, text: str, offset: int = 1) -> list[tuple[str, int]]:
    """Where what a text names is defined: file from the root and line from 1."""
    line, character = line_of(editor.root, FILE, text)
    found = editor.at("definition", FILE, line, character + offset)
    return [(one["uri"].removeprefix(editor.root.as_uri() + "/"), one["range"]["start"]["line"] + 1) for one in found]


def test_it_offers_what_a_schema_cannot(root: Path) -> None:
    """Hover, definitions and problems; completion is the schema's."""
    with editor_at(root) as editor:
        offered = editor.begin()["capabilities"]
    assert offered["hoverProvider"]
    assert offered["definitionProvider"]
    assert "completionProvider" not in offered


def test_a_problem_is_told_while_it_is_typed_and_goes_when_it_is_mended(editor: Editor, root: Path) -> None:
    """Nothing is saved in between; the place is the word's."""
    editor.open(FILE)
    assert editor.problems(FILE) == []
    text = (root / FILE).read_text(encoding="utf-8")
    editor.type(FILE, text.replace("connection: server", "connection: sever"))
    (problem,) = editor.problems(FILE)
    line, character = line_of(root, FILE, "server")
    assert problem["range"] == {
        "start": {"line": line, "character": character}, "end": {"line": line, "character": character + len("sever")},
    }
    assert problem["message"].startswith("Unknown connection: ")
    assert "Did you mean 'server'?" in problem["message"]
    editor.type(FILE, text)
    assert editor.problems(FILE) == []


def test_places_are_counted_as_the_editor_counts(editor: Editor, root: Path) -> None:
    """In UTF-16 units: what stands before may be a face that takes two."""
    editor.open(FILE)
    editor.problems(FILE)
    text = (root / FILE).read_text(encoding="utf-8")
    editor.type(FILE, text.replace("{claims: [{missing:", "{nonsense: '\U0001f600', clams: [{missing:"))
    unknown = [problem for problem in editor.problems(FILE) if "Unknown" in problem["message"]]
    found = {problem["message"].split("'")[1]: problem["range"]["start"]["character"] for problem in unknown}
    assert found["clams"] - found["nonsense"] == len("nonsense: '__', ")


def test_a_text_that_is_no_yaml_is_told_of_and_nothing_else_breaks(editor: Editor, root: Path) -> None:
    """Marks of a merge, half a line, nothing at all: a file is wrong most of the time it is written."""
    editor.open(FILE)
    editor.problems(FILE)
    for text in ("<<<<<<< HEAD\nname: a\n=======\n", "phases: [", "", "- just\n- a list\n"):
        editor.type(FILE, text)
        assert editor.problems(FILE) != []
        assert editor.at("hover", FILE, 0, 0) is None
        assert editor.at("definition", FILE, 0, 0) == []


def test_a_finding_of_lint_carries_its_rule(editor: Editor, root: Path) -> None:
    """So that it can be looked up, and excused by its name."""
    editor.open(FILE)
    editor.problems(FILE)
    text = (root / FILE).read_text(encoding="utf-8").replace("        needs: [told]\n", "        needs: []\n")
    editor.type(FILE, text + "must_precede:\n  - [files/told, files/agree]\n")
    assert "SW101" in [problem.get("code") for problem in editor.problems(FILE)]


def test_a_customer_s_file_is_checked_and_the_open_runbook_with_it(editor: Editor, root: Path) -> None:
    """A connection that is renamed in one file is missed in the other, before either is saved."""
    editor.open(FILE)
    editor.problems(FILE)
    name = "inventories/acme/inventory.yml"
    editor.open(name)
    assert editor.problems(name) == []
    editor.type(name, INVENTORY.replace("server: {type: ssh", "server: {type: shh"))
    assert any("shh" in problem["message"] for problem in editor.problems(name))


def test_a_template_is_checked_by_what_the_runbooks_give_it(editor: Editor, root: Path) -> None:
    """In its own file, at its own line."""
    name = "templates/site.conf.j2"
    editor.open(name)
    assert editor.problems(name) == []
    editor.type(name, "tone {{ tone }}\nkind {{ item.kinds }}\n")
    (problem,) = editor.problems(name)
    assert problem["range"]["start"]["line"] == 1
    assert "kinds" in problem["message"]


def test_hovering_shows_the_value_for_the_first_item(editor: Editor, root: Path) -> None:
    """And what gave it, from what is typed and not from what is saved."""
    editor.open(FILE)
    editor.problems(FILE)
    line, character = line_of(root, FILE, '"/srv/')
    shown = editor.at("hover", FILE, line, character + 3)["contents"]["value"]
    assert "with.path = /srv/from-item/north" in shown
    editor.type(FILE, (root / FILE).read_text(encoding="utf-8").replace('"/srv/', '"/opt/'))
    assert "with.path = /opt/from-item/north" in editor.at("hover", FILE, line, character + 3)["contents"]["value"]


def test_the_customer_may_be_chosen(root: Path) -> None:
    """By the editor's settings."""
    with editor_at(root) as editor:
        editor.begin(inventory="inventories/zenith")
        editor.open(FILE)
        editor.problems(FILE)
        line, character = line_of(root, FILE, "region == 'all'")
        shown = editor.at("hover", FILE, line, character)["contents"]["value"]
    assert "inventories/zenith" in shown


@pytest.mark.parametrize(
    ("text", "offset", "file", "defined"),
    [
        ("template: site", 12, "templates/site.conf.j2", "tone"),
        ("connection: server", 14, "inventories/acme/inventory.yml", "server:"),
        ("needs: [told]", 9, FILE, "name: told"),
        ("steps.write.changed", 8, FILE, "name: write"),
        ("window: evening", 10, FILE, "evening:"),
        ("for_each: sites", 12, "inventories/acme/inventory.yml", "sites: {file"),
        ("{{ region }}", 5, "inventories/acme/sites.yml", "north"),
        ("city }} right", 1, FILE, "city: {type"),
    ],
)
def test_what_is_named_is_one_step_away(editor: Editor, root: Path, text: str, offset: int, file: str, defined: str) -> None:
    """A template file, a connection, a step that is needed or whose result is used, a window, a collection, a variable."""
    editor.open(FILE)
    editor.problems(FILE)
    assert defined_at(editor, text, offset) == [(file, line_of(root, file, defined)[0] + 1)]


def test_what_was_closed_is_no_longer_told_of(editor: Editor, root: Path) -> None:
    """From then on the file counts as it is saved."""
    editor.open(FILE)
    editor.problems(FILE)
    editor.type(FILE, "nothing: at all\n")
    assert editor.problems(FILE) != []
    editor.close(FILE)
    assert editor.problems(FILE) == []


def test_without_its_library_it_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is an extra that most people do not need."""
    monkeypatch.delitem(sys.modules, "engine.cli.lsp_server", raising=False)
    monkeypatch.setitem(sys.modules, "pygls.lsp.server", None)
    assert "pip install 'switchover[lsp]'" in in_process(root, "lsp").must(1).err
