"""What people get wrong, told with file, line and column, all at once, with exit code 3; what only looks wrong stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.project import CUTOVER, INVENTORY, NAMED, RUNBOOK, Folder, project_at, served_here

HERE = Path(__file__).parent
CASES = [case for file in sorted((HERE / "bad_input").glob("*.yml")) for case in yaml.safe_load(file.read_text(encoding="utf-8"))]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project that no system stands behind."""
    return project_at(tmp_path / "project")


def spoil(folder: Folder, case: dict[str, Any]) -> None:
    """Alters the project as a case says."""
    if "edit" in case:
        folder.edit(*case["edit"])
    for kind, written in (("text", lambda text: text.encode()), ("hex", bytes.fromhex)):
        if kind in case:
            path = folder.root / case[kind][0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written(case[kind][1]))
    if "drop" in case:
        (folder.root / case["drop"]).unlink()
    for more in case.get("also", ()):
        spoil(folder, more)


@pytest.mark.parametrize("case", CASES, ids=[case["name"].replace(" ", "-") for case in CASES])
def test_bad_input_is_told_with_its_place(folder: Folder, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(folder, case)
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    ended = folder.quick(case.get("command", "validate"), *NAMED, *case.get("arguments", ())).must(3)
    assert ended.out == "" or "command" in case
    for fragment in case["told"]:
        assert fragment in ended.err, ended.err
    for fragment in case.get("untold", ()):
        assert fragment not in ended.err
    assert "bug" not in ended.err


@pytest.mark.parametrize("case", CASES[:3], ids=[case["name"].replace(" ", "-") for case in CASES[:3]])
def test_bad_input_stops_a_plan_and_an_apply_too(folder: Folder, case: dict[str, Any]) -> None:
    spoil(folder, case)
    for command in (["plan", "--out", "c.plan"], ["apply", "--yes"]):
        told = folder.quick(command[0], *NAMED, *command[1:]).must(3).err
        assert case["told"][0] in told
    assert not (folder.root / "c.plan").exists()
    assert folder.runs() == []


def test_a_file_of_a_hundred_megabytes_is_refused_before_it_is_read(folder: Folder) -> None:
    with (folder.root / RUNBOOK).open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert "File is too big" in folder.quick("validate", *NAMED).must(3).err


def test_problems_for_machines_have_the_same_places(folder: Folder) -> None:
    folder.edit(RUNBOOK, "action: phone.config", "action: phone.confg")
    found = folder.quick("validate", *NAMED, "--output", "json").must(3).json
    assert found["format"] == "switchover.diagnostics/1"
    (problem,) = found["diagnostics"]
    assert (problem["file"], problem["line"], problem["column"]) == (RUNBOOK, 32, 21)


def test_a_file_that_is_no_plan_is_called_so(folder: Folder) -> None:
    """Without an inventory, whoever applies it meant a plan."""
    (folder.root / "c.plan").write_bytes(b"\x1f\x8b\x08\x00 something else")
    told = folder.quick("apply", "c.plan").must(3).err
    assert "c.plan is no saved plan" in " ".join(told.split())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("plan", "runbooks/none.yml", "-i", INVENTORY), "cutover.yml"),
        (("plan", RUNBOOK, "-i", "inventories/none"), "kestrel"),
        (("apply", "none.plan"), "There is no plan or runbook at none.plan"),
        (("show", "none.plan"), "none.plan"),
        (("show", "inventories/kestrel/phones.csv"), "is not a plan"),
        (("status", "20260101"), "no"),
        (("resume",), "no runs"),
        (("report",), "no runs"),
        (("lab", "reset"), "no lab"),
        (("lab", "fault", "tftpd", "slow"), "Did you mean tftp?"),
        (("plan", *NAMED, "--lab"), "lab"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(folder: Folder, arguments: tuple[str, ...], word: str) -> None:
    """Exit 1, or 0 where having nothing yet is no error."""
    ended = folder.quick(*arguments).must(0, 1)
    assert word.lower() in ended.text.lower()


# ---------------------------------------------------------------- what stays as written

SPREADSHEET = """\
mac,vendor,model,extension,label,opens,mobile
10:20:30:40:50:12,yealink,T54W,0101,no,21:00,+16085550100
"""
INLINE = """\
    items:
      - mac: 10:20:30:40:50:12
        vendor: yealink
        model: T54W
        extension: 0101
        label: no
        opens: 21:00
        mobile: +16085550100
"""
FIELDS = ("mac", "extension", "label", "opens", "mobile")
PROVISIONED = "#!version:1.0.0.1\n" + " ".join(f"{{{{ item.{field} }}}}" for field in FIELDS) + "\n"


@pytest.mark.parametrize("form", ["yaml", "csv", "csv with BOM", "csv with semicolons", "csv in cp1252 with CRLF"])
def test_what_yaml_and_spreadsheets_like_to_change_arrives_as_it_was_written(tmp_path: Path, form: str) -> None:
    """A MAC that YAML 1.1 reads as a number in base 60, a leading zero, a plus, a time, `no`: up to the phone's own file."""
    folder = _one_phone(tmp_path, form)
    folder.quick("plan", *NAMED, "--limit", "phones/config", "--out", "c.plan").must(0)
    folder.quick("apply", "c.plan").must(0)
    (written,) = (tmp_path / "served").iterdir()
    assert written.name == "102030405012.cfg"
    assert written.read_text().splitlines()[1] == "102030405012 0101 no 21:00 +16085550100"


def _one_phone(tmp_path: Path, form: str) -> Folder:
    folder = project_at(tmp_path / "project", CUTOVER)
    inventory = f"{INVENTORY}/inventory.yml"
    served_here(folder, tmp_path / "served")
    folder.edit(inventory, "  numbers: {file: numbers.csv}\n", "  numbers: {items: []}\n")
    folder.edit(f"{INVENTORY}/users.csv", "501,Ansel Bright", "0101,no")
    template = folder.root / "templates/provisioning/yealink/phone.cfg.j2"
    template.parent.mkdir(parents=True)
    template.write_text(PROVISIONED, encoding="utf-8")
    if form == "yaml":
        folder.edit(inventory, "  phones: {file: phones.csv}\n", f"  phones:\n{INLINE}")
    path = folder.root / INVENTORY / "phones.csv"
    path.write_bytes({
        "csv with BOM": b"\xef\xbb\xbf" + SPREADSHEET.encode(),
        "csv with semicolons": SPREADSHEET.replace(",", ";").encode(),
        "csv in cp1252 with CRLF": SPREADSHEET.replace("\n", "\r\n").encode("cp1252"),
    }.get(form, SPREADSHEET.encode()))
    return folder
