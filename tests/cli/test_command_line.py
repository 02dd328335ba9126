"""The command line as such: quick to start, one meaning per stream and exit code, words for what was mistyped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine import __version__
from engine.cli import border
from engine.cli.main import COMMANDS
from tests.support.cli import environment, switchover
from tests.support.project import NAMED, RUNBOOK, Folder, project_at, served_here

HEAVY = {"paramiko", "httpx", "aiosmtpd", "rich"}
"""What no help needs."""
SLOW = HEAVY | {
    "yaml", "jinja2", "jsonschema", "jsonschema_rs", "phonenumbers", "holidays", "sqlite3", "cryptography", "structlog",
}
"""What the list of commands and the version do not need either."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project whose phones' files go into a folder of this machine: plans and runs need no lab."""
    folder = project_at(tmp_path / "project")
    served_here(folder, tmp_path / "served")
    return folder


PHONES = (*NAMED, "--limit", "phones/config")


def imported_by(*arguments: str) -> set[str]:
    """Top-level packages that a command loaded."""
    program = (
        "import sys\nfrom engine.cli.main import run\n"
        f"run({list(arguments)!r})\n"
        "sys.stderr.write('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("plan", "--help"), ("lab", "--help")])
def test_help_loads_nothing_it_does_not_need(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments) & (SLOW if arguments[0].startswith("--") else HEAVY)


def test_help_lists_every_command_and_exit_code(tmp_path: Path) -> None:
    told = switchover(tmp_path, "--help").must(0)
    for name in COMMANDS:
        assert f"  {name} " in told.out
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 70, 130):
        assert f"{code} " in told.out.replace("\n", " ")
    assert told.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path)
    told = folder.quick(name, "--help").must(0)
    assert f"Usage: switchover {name}" in told.out
    assert told.err == ""


def test_the_version_is_told(tmp_path: Path) -> None:
    assert __version__ in switchover(tmp_path, "--version").must(0).out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("pln",), "Did you mean 'plan'?"),
        (("frobnicate",), "There is no command 'frobnicate'"),
        (("plan",), "Missing argument"),
        (("plan", RUNBOOK), "--inventory"),
        (("plan", *NAMED, "--lmit", "x"), "--limit"),
        (("plan", *NAMED, "--output", "xml"), "xml"),
        (("plan", *NAMED, "--set", "ticket"), "NAME=VALUE"),
        (("apply", RUNBOOK), "-i FOLDER"),
        (("lab", "upp"), "upp"),
    ],
)
def test_what_was_typed_wrongly_is_invalid_input(folder: Folder, arguments: tuple[str, ...], word: str) -> None:
    """Exit 3, on stderr, with the way to help."""
    told = folder.quick(*arguments).must(3)
    assert word in told.err
    assert told.out == ""


def test_data_goes_to_stdout_and_chatter_to_stderr(folder: Folder) -> None:
    planned = folder.quick("plan", *PHONES, "--out", "c.plan").must(0)
    assert "5" in planned.out
    assert "Saved as c.plan" in planned.err
    assert "Saved as" not in planned.out
    applied = folder.run("apply", "c.plan").must(0)
    assert "succeeded" in applied.out
    assert "changed" in applied.err
    assert len(applied.out.splitlines()) < 20
    assert folder.quick("status").must(0).err == ""
    assert folder.quick("report").must(0).err == ""


def test_machines_get_one_document_or_lines_each_with_a_format(folder: Folder) -> None:
    plan = folder.quick("plan", *PHONES, "--output", "json", "--out", "c.plan").must(0).json
    assert plan["format"].startswith("switchover.plan")
    lines = folder.quick("plan", *PHONES, "--output", "jsonl").must(0).lines
    assert lines[0]["format"].startswith("switchover.plan")
    assert len(lines) >= 6
    assert folder.quick("show", "c.plan", "--output", "json").must(0).json["format"] == plan["format"]
    events = folder.run("apply", "c.plan", "--output", "jsonl").must(0)
    assert [line["seq"] for line in events.lines] == list(range(1, len(events.lines) + 1))
    run = folder.runs()[0]
    for command in (("status", run), ("report",)):
        told = folder.quick(*command, "--output", "json").must(0).json
        assert told["format"] == "switchover.run/1"
        assert told["status"] == "succeeded"
    told = folder.quick("resume", "--output", "json").must(0)
    assert told.out == "" or json.loads(told.out)


def test_a_detailed_exit_code_tells_whether_there_is_anything_to_do(folder: Folder) -> None:
    folder.quick("plan", *PHONES, "--detailed-exitcode", "--out", "c.plan").must(2)
    folder.quick("show", "c.plan", "--detailed-exitcode").must(2)
    folder.quick("apply", "c.plan").must(0)
    folder.quick("plan", *PHONES, "--detailed-exitcode").must(0)


@pytest.mark.parametrize(
    ("env", "colored"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)]
)
def test_color_is_for_terminals_and_no_color_is_heeded(folder: Folder, env: dict[str, str], colored: bool) -> None:
    told = folder.run("plan", *PHONES, env=env).must(0)
    assert ("\x1b[" in told.out) is colored
    folder.edit(RUNBOOK, "action: phone.config", "action: phone.confg")
    assert ("\x1b[" in folder.run("validate", *NAMED, env=env).must(3).err) is colored


def test_a_project_is_found_from_any_folder_in_it(folder: Folder) -> None:
    folder.quick("plan", *PHONES, "--out", "c.plan").must(0)
    folder.quick("apply", "c.plan").must(0)
    below = Folder(folder.root / "inventories" / "kestrel")
    assert folder.runs()[0] in below.quick("status").must(0).out
    elsewhere = switchover(folder.root.parent, "status", env={"SWITCHOVER_PROJECT": str(folder.root)})
    assert folder.runs()[0] in elsewhere.must(0).out


def test_init_starts_a_project_that_is_valid_and_overwrites_nothing(tmp_path: Path) -> None:
    """Each runbook with its example customer, without the inputs that a plan will be given."""
    root = tmp_path / "mine"
    here = Folder(tmp_path)
    here.quick("init", root).must(0)
    pairs = {"hosted-pbx-cutover": "dental", "saas-to-local": "firm", "saas-to-virtual-office": "firm-vo"}
    for runbook, customer in pairs.items():
        Folder(root).quick("validate", f"runbooks/{runbook}.yml", "-i", f"inventories/example-{customer}").must(0)
    assert ".switchover/" in (root / ".gitignore").read_text(encoding="utf-8")
    assert "is not empty" in here.quick("init", root).must(1).err


def test_a_bug_is_told_as_ours_and_its_details_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert border.explain(RuntimeError("an unlucky day")) == 70
    (details,) = tmp_path.iterdir()
    assert "an unlucky day" in details.read_text(encoding="utf-8")
    told = capsys.readouterr().err
    assert "This is a bug in switchover" in told
    assert str(details) in told
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert border.explain(RuntimeError("an unlucky day")) == 70
    assert "RuntimeError: an unlucky day" in capsys.readouterr().err
