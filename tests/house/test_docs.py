"""The documentation is true: commands exist, examples are valid, links lead somewhere, and nothing is left out."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from engine.actions.catalog import BUILT_IN
from engine.cli.main import COMMANDS, cli
from engine.cli.running import EXIT_CODES
from engine.lab.control import SERVERS
from engine.language.template_filters import FILTERS
from engine.model.event import KINDS
from engine.model.plan import Outlook
from tests.house.reference import PAGES as MADE
from tests.house.shell_lines import PAGES, ROOT, Block, all_blocks, command_lines, inline_commands, named_file
from tests.support.cli import in_process, switchover

SHELL = all_blocks("sh")
TOUR = next(block for block in SHELL if block.note.startswith("the tour"))
_LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(#[^)\s]*)?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("name", MADE)
def test_reference_pages_are_what_the_code_makes_of_them(name: str) -> None:
    """To refresh them: make generated."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == MADE[name]()


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_shown_is_one_the_program_takes(block: Block) -> None:
    """Its name, its options and how many arguments it wants; nothing is run."""
    for words in command_lines(block):
        if words[0] == "switchover":
            _parse(words[1:])
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no target {words[1]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_mentioned_exists_with_its_options(page: Path) -> None:
    """In running text a command may be cut short, but never be one that there is not."""
    for words in inline_commands(page):
        command: click.Command = cli
        rest = words[1:]
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(click.Context(command), rest[0])
            assert found is not None, f"{page.name} names {shlex.join(words)}"
            command, rest = found, rest[1:]
        known = {name for param in command.params for name in param.opts} | {"--version", "--help", "-h"}
        assert {word for word in rest if re.match(r"--?[a-z]", word)} <= known, f"{page.name}: {shlex.join(words)}"


@pytest.mark.xdist_group("tour")
def test_the_tour_of_the_readme_works_as_printed(tmp_path: Path) -> None:
    """A newcomer's first five minutes, against a lab of its own."""
    folder = tmp_path
    try:
        for words in command_lines(TOUR):
            if words[0] == "cd":
                folder = folder / words[1]
                continue
            assert words[0] == "switchover", words
            ended = switchover(folder, *words[1:])
            assert ended.code == 0, f"{shlex.join(words)}\n{ended.text}"
    finally:
        if (folder / ".switchover").exists():
            switchover(folder, "lab", "down")
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_runbook_and_the_inventory_of_the_pages_are_valid_together(tmp_path: Path) -> None:
    """Whoever copies an example gets one that works."""
    runbook = tmp_path / "example.yml"
    runbook.write_text(named_file("runbooks/change-speed-dials.yml").text, encoding="utf-8")
    customer = tmp_path / "riverside-clinic"
    customer.mkdir()
    (customer / "inventory.yml").write_text(named_file("inventory.yml").text, encoding="utf-8")
    (customer / "phones.csv").write_text(
        "MAC Address,Make,Model,Ext,Label,Line Password\n805ec05705bd,yealink,T54W,101,Front,env:LINE_101\n", encoding="utf-8",
    )
    (customer / "users.yml").write_text("- {extension: \"101\", name: Front desk}\n", encoding="utf-8")
    ended = in_process(tmp_path, "validate", runbook, "-i", customer, "--set", "ticket=OPS-1", "--output", "json").must(0)
    assert ended.json["diagnostics"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    for path, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {path}"
        if anchor:
            assert anchor[1:] in _anchors(target), f"{page.name} links to {path}{anchor}"


def test_every_schema_key_of_a_runbook_is_explained() -> None:
    """A key that is not in runbooks.md is one nobody finds."""
    schema = json.loads((ROOT / "schemas" / "runbook.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for part in (schema, *(schema["$defs"][name] for name in ("input", "window", "phase", "group", "step", "retry"))):
        for key in part["properties"]:
            assert re.search(rf"`{key}[`:]", text) or f"{key}:" in named_file("runbooks/change-speed-dials.yml").text, key


def test_every_connection_type_and_its_needs_are_explained() -> None:
    """Types of the schema, with what each requires."""
    schema = json.loads((ROOT / "schemas" / "inventory.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "inventories.md").read_text(encoding="utf-8")
    for kind in schema["$defs"]["connection"]["properties"]["type"]["enum"]:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        needed = schema["$defs"]["ssh" if kind == "sftp" else kind].get("required", [])
        assert kind == "sftp" or all(f"`{name}`" in row for name in needed), row


def test_every_exit_code_mark_and_filter_is_explained() -> None:
    """Small tables go stale first."""
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    codes = set(map(int, re.findall(r"^\| (\d+) \|", operations, re.MULTILINE)))
    assert codes == {*EXIT_CODES.values(), 0, 2, 3, 4, 70}
    marks = importlib.import_module("engine.reporting.plan_text")._MARKS
    assert {marks[outlook][0] for outlook in Outlook} <= set(re.findall(r"`([^`]{1,2})`", operations))
    templates = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    assert set(FILTERS) <= set(re.findall(r"^\| `(\w+)` \|", templates, re.MULTILINE))


def test_every_lab_server_and_each_of_its_faults_is_explained() -> None:
    """Faults are found in the code by the names the servers ask for."""
    text = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    for kind in SERVERS:
        assert f"| `{kind.name}` |" in text
    asked = set()
    for path in (ROOT / "engine" / "lab").glob("*.py"):
        asked |= set(re.findall(r'\.fault\("(\w+)"', path.read_text(encoding="utf-8")))
    assert asked
    assert {name for name in asked if f"`{name}`" not in text} == set()


def test_nothing_is_missing_from_the_reference() -> None:
    """Every action, argument, command and event has its entry."""
    for name, action in BUILT_IN.items():
        entry = (ROOT / "docs" / "actions" / f"{name}.md").read_text(encoding="utf-8")
        assert all(f"| `{field.name}` |" in entry for field in dataclasses.fields(action.Args)), name
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert all(f"\n## switchover {name}\n" in commands for name in COMMANDS)
    events = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    assert all(f"\n### {kind}\n" in events for kind in KINDS)


def test_words_of_the_glossary_stand_once() -> None:
    """One word for one idea."""
    words = re.findall(r"^\| \*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(words) == len(set(words)) > 30


def _parse(words: list[str]) -> None:
    context = click.Context(cli)
    command: click.Command = cli
    name = "switchover"
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {name} {words[0]}"
        command, name, words = found, f"{name} {words[0]}", words[1:]
    try:
        command.make_context(name, list(words))
    except click.UsageError as error:
        pytest.fail(f"{name} {shlex.join(words)}: {error.format_message()}")


def _anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
