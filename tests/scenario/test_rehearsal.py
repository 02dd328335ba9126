"""The shipped runbook for the shipped customer, from an empty folder to the report, with nothing but the command line."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree

import pytest

from tests.support.cli import Ended, switchover
from tests.support.project import Folder, Lab, lab_for

NAMED = ("runbooks/hosted-pbx-cutover.yml", "-i", "inventories/example-dental")
PHONES = 40
NUMBERS = 25

pytestmark = pytest.mark.xdist_group("rehearsal")


@dataclass(frozen=True)
class Rehearsal:
    """Everything an evening's rehearsal printed, in the order it happened."""

    folder: Folder
    lab: Lab
    planned: Ended
    requests_of_plan: dict[str, list[str]]
    """Kinds of all requests the plan made, by server."""
    writes_of_plan: int
    shown: Ended
    applied: Ended
    again: Ended
    applied_again: Ended
    writes_of_apply: int
    runs_after_all: list[str]
    writes_after_all: int

    @property
    def printed(self) -> str:
        ends = (self.planned, self.shown, self.applied, self.again, self.applied_again)
        return "\n".join(end.text for end in ends)


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    root = tmp_path_factory.mktemp("evening") / "project"
    switchover(root.parent, "init", root).must(0)
    with lab_for(root, "inventories/example-dental") as lab:
        yield _rehearsed(Folder(root), lab)


def _rehearsed(folder: Folder, lab: Lab) -> Rehearsal:
    planned = folder.run("plan", *NAMED, "--lab", "--out", "c.plan", "--verbose").must(0)
    kinds = {server: [kind for kind in ("read", "write", "other") for _ in lab.requests(server, kind)] for server in lab.status()}
    writes_of_plan = lab.writes()
    shown = folder.run("show", "c.plan", "--detailed-exitcode").must(2)
    applied = folder.run("apply", "c.plan", "--ignore-window", "a rehearsal", "--log", "engine.log")
    writes_of_apply = lab.writes()
    again = folder.run("plan", *NAMED, "--lab", "--detailed-exitcode")
    applied_again = folder.run("apply", *NAMED, "--lab", "--yes", "--ignore-window", "a rehearsal")
    return Rehearsal(
        folder, lab, planned, kinds, writes_of_plan, shown, applied, again, applied_again, writes_of_apply,
        runs_after_all=folder.runs(), writes_after_all=lab.writes(),
    )


def test_the_dry_run_makes_not_one_request_that_could_alter_anything(evening: Rehearsal) -> None:
    """Counted and logged by the systems themselves; and it did read all of them that hold state."""
    assert evening.writes_of_plan == 0
    assert {kind for kinds in evening.requests_of_plan.values() for kind in kinds} == {"read"}
    assert len(evening.requests_of_plan["tftp"]) >= PHONES
    assert len(evening.requests_of_plan["carrier"]) >= NUMBERS
    assert len(evening.requests_of_plan["platform"]) >= PHONES + NUMBERS


def test_the_plan_shows_every_item_before_anything_is_done(evening: Rehearsal) -> None:
    assert "against the lab" in evening.planned.out
    for word in ("Amara Okafor", "forward +16175550110", "will send", "Cannot be undone", "Decided later", "Call recordings"):
        assert word in evening.shown.out, word
    assert "Saved as c.plan" in evening.planned.err


def test_the_run_does_all_of_it_and_proves_it(evening: Rehearsal) -> None:
    evening.applied.must(0)
    state = evening.folder.fold()
    assert state.counts() == {"changed": 2 * PHONES + 2 * NUMBERS, "ran": 2, "proved": 2 * PHONES}
    assert sum(evening.lab.files_written().values()) >= PHONES
    assert set(evening.lab.files_written().values()) == {1}
    assert set(evening.lab.patches().values()) == {1}
    assert len(evening.lab.patches()) == 2 * NUMBERS
    assert [mail["To"] for mail in evening.lab.mails()] == ["priya.raman@partner.example"] * 2
    assert evening.writes_of_apply > evening.writes_of_plan


def test_the_window_was_overridden_by_name_and_for_a_reason(evening: Rehearsal) -> None:
    assert "a rehearsal" in evening.applied.out
    (override,) = evening.folder.fold(evening.folder.runs()[-1]).overrides
    assert (override.reason, override.window) == ("a rehearsal", "mon-fri 17:00-21:00 America/New_York")


def test_a_second_plan_finds_nothing_to_do(evening: Rehearsal) -> None:
    evening.again.must(0)
    assert "Nothing to change" in evening.again.out


def test_a_second_apply_reports_no_change_starts_no_run_and_writes_nothing(evening: Rehearsal) -> None:
    evening.applied_again.must(0)
    assert "0 changes" in evening.applied_again.text
    assert len(evening.runs_after_all) == 1
    assert evening.writes_after_all == evening.writes_of_apply


def test_a_plan_is_applied_once(evening: Rehearsal) -> None:
    refused = evening.folder.run("apply", "c.plan", "--ignore-window", "a rehearsal").must(4)
    assert f"by run {evening.runs_after_all[0]}" in refused.err
    assert "make a new plan" in refused.err


def test_status_lists_the_run_and_tells_it_in_full(evening: Rehearsal) -> None:
    (run,) = evening.runs_after_all
    listed = evening.folder.quick("status").must(0).out
    assert run in listed
    assert "succeeded" in listed
    told = evening.folder.quick("status", run[-4:]).must(0).out
    assert "phones/config" in told
    (line,) = evening.folder.quick("status", "--output", "json").must(0).json
    assert line["run"] == run


def test_the_report_is_one_page_that_needs_no_network(evening: Rehearsal, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    evening.folder.quick("report", "--html", page).must(0)
    text = page.read_text(encoding="utf-8")
    for word in ("Example Dental Group", "Amara Okafor", "+16175550110", "a rehearsal", "Voicemail messages"):
        assert word in text, word
    assert "<script src" not in text
    assert "<link" not in text
    assert "http://" not in text.replace("http://www.w3.org/", "")


def test_the_report_for_machines_has_a_line_per_item(evening: Rehearsal, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("csv", "junit", "jsonl")}
    evening.folder.quick("report", *(part for kind, path in files.items() for part in (f"--{kind}", path))).must(0)
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8"))))
    items = evening.folder.fold().items
    assert len(rows) == len(items)
    suite = ElementTree.parse(files["junit"]).getroot()
    cases = list(suite.iter("testcase"))
    assert len(cases) == len(items)
    assert not list(suite.iter("failure"))
    events = [json.loads(line) for line in files["jsonl"].read_text(encoding="utf-8").splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["hash"] for event in events)


# ---------------------------------------------------------------- secrets


def spellings(secret: str) -> set[str]:
    """A secret, and the same as XML, URLs, base64 and hex would write it."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()}
    return {secret, quote(secret, safe=""), quote_plus(secret), escape(secret), json.dumps(secret)[1:-1], *encoded}


def test_no_secret_stands_anywhere_but_where_it_belongs(evening: Rehearsal, tmp_path: Path) -> None:
    """Not in what was printed, nor in a plan, the journal, a run's folder, a report or a log."""
    folder, lab = evening.folder, evening.lab
    reports = [tmp_path / f"report.{kind}" for kind in ("html", "csv", "junit", "jsonl")]
    folder.quick("report", *(part for path in reports for part in (f"--{path.suffix[1:]}", path))).must(0)
    machine = [folder.quick("show", "c.plan", "--output", kind).text for kind in ("json", "jsonl")]
    machine += [folder.quick("status", evening.runs_after_all[0], "--output", "json").text]
    texts = {"printed": "\n".join([evening.printed, *machine])}
    for path in [*reports, folder.root / "c.plan", folder.root / "engine.log", *_kept_by_the_engine(folder)]:
        texts[str(path)] = path.read_bytes().decode("latin-1")
    secrets = _secrets(folder, lab)
    assert len(secrets) >= PHONES - 2
    found = [
        (where, secret) for where, text in texts.items() for secret in secrets
        if any(spelling in text for spelling in spellings(secret))
    ]
    assert found == []


def _kept_by_the_engine(folder: Folder) -> list[Path]:
    """All files in ``.switchover`` but the lab's own, contents kept for undo, and the pinned copy of the inventory."""
    kept = (path for path in folder.state.rglob("*") if path.is_file())
    apart = [folder.state / name for name in ("lab", "keep", "outbox")]
    return [
        path for path in kept
        if not any(path.is_relative_to(one) for one in apart) and "inventory" not in path.relative_to(folder.state).parts
    ]


def _secrets(folder: Folder, lab: Lab) -> set[str]:
    lines = (folder.root / "inventories/example-dental/secrets/line-passwords.yml").read_text(encoding="utf-8").splitlines()
    passwords = {line.partition(": ")[2] for line in lines if line.startswith('"')}
    servers = {value for name, value in lab.secrets().items() if not name.endswith(("username", "sid"))}
    return passwords | servers


def test_what_is_kept_for_undo_is_for_its_owner_alone(evening: Rehearsal) -> None:
    kept = [path for path in (evening.folder.state / "keep").rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    assert evening.folder.state.stat().st_mode & 0o077 == 0
    assert evening.folder.journal.stat().st_mode & 0o077 == 0
