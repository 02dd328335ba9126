"""Tables, CI results, event lines, Markdown and the log: each parses, each is safe to open."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.model import event as ev
from engine.model.errors import SwitchoverError
from engine.model.secret import Redactor
from engine.reporting.csv_items import COLUMNS, render_csv
from engine.reporting.events_jsonl import render_jsonl
from engine.reporting.junit import render_junit
from engine.reporting.log import LogObserver
from engine.reporting.markdown import render_markdown
from tests.support.journals import changed, started
from tests.support.rendered import must_be_tame
from tests.support.stories import big_run, eventful_run, quiet_run, recorded


def test_csv_has_a_row_per_address() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(eventful_run()))))
    assert tuple(rows[0]) == COLUMNS
    by_address = {row["address"]: row for row in rows}
    assert len(by_address) == len(rows) == 17
    assert by_address["phones/registered[805ec0000002]"]["outcome"] == "failed"
    assert by_address["phones/registered[805ec0000002]"]["attempts"] == "3"
    assert by_address["numbers/forward[+12025550101]"]["changes"] == "forward_to: (none) -> +12025550191; enabled: no -> yes"
    assert by_address["numbers/forward[+12025550101]"]["can_be_undone"] == "no"


@pytest.mark.parametrize("text", ["=HYPERLINK(\"http://x\")", "+1202", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_csv_cell_is_a_formula(text: str) -> None:
    """Whoever names a phone ``=cmd|...`` must not run anything on the project manager's machine."""
    records = list(recorded([started("acme"), ev.ItemFailed(f"p/s[{text}]", text, "permanent"), changed("p/s[2]", summary=text)]))
    rows = list(csv.reader(io.StringIO(render_csv(records), newline="")))
    assert len(rows) == 3
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    assert f"'{text}" in rows[1]


def test_junit_parses_and_counts_add_up() -> None:
    root = ElementTree.fromstring(render_junit(eventful_run()).encode())
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "17", "failures": "3", "errors": "0", "skipped": "2",
    }
    suites = {suite.get("name"): suite for suite in root}
    assert [case.get("name") for case in suites["phones/config"]] == [f"805ec00000{n:02x}" for n in range(6)]
    failure = root.find(".//testcase[@name='805ec0000005']/failure")
    assert failure is not None
    assert failure.get("message") == "<script>alert('the platform says no')</script>"


def test_junit_tells_bugs_from_failures_and_survives_control_characters() -> None:
    """XML has no form for most of them."""
    bug = ev.ItemFailed("p/s[1]", "answered \x00\x1b\ud800 ]]>", "bug")
    root = ElementTree.fromstring(render_junit(list(recorded([started("acme"), bug]))).encode())
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
    assert root.find(".//error") is not None


def test_event_lines_parse_with_number_and_hash() -> None:
    lines = [json.loads(line) for line in render_jsonl(eventful_run()).splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["kind"] == "run_started"
    assert lines[0]["format"] == "switchover.event/1"
    assert all(len(line["hash"]) == 64 for line in lines)


def test_markdown_is_a_short_summary() -> None:
    text = render_markdown(eventful_run())
    assert "## Hosted PBX cutover: Example Dental Group" in text
    assert "| `phones/registered` |" in text
    assert "<script>" in must_be_tame(text).words
    assert "<script>" not in text
    assert "Call recordings stay behind" in text
    assert "Needs attention" not in render_markdown(quiet_run())


def test_ten_thousand_items_are_no_trouble() -> None:
    records = big_run(10_000)
    assert len(render_csv(records).splitlines()) == 10_001
    assert ElementTree.fromstring(render_junit(records)).get("failures") == "100"
    assert len(render_markdown(records).splitlines()) < 60


def test_the_log_has_a_line_per_event_with_the_run_bound(tmp_path: Path) -> None:
    """For a collector: names as journalled, levels to alarm on, times as journalled; only its owner may read it."""
    log = LogObserver(tmp_path / "run.log", Redactor([]))
    log.on_records(eventful_run())
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == [record.event.kind for record in eventful_run()]
    assert {line["run"] for line in lines} == {"r-20260303-7f3a"}
    assert {line["event"]: line["level"] for line in lines}["item_failed"] == "error"
    assert lines[0]["timestamp"] == "2026-03-03T22:14:00+00:00"
    assert stat.S_IMODE((tmp_path / "run.log").stat().st_mode) == 0o600


def test_no_secret_reaches_the_log(tmp_path: Path) -> None:
    """Not in a reason, not nested in a field, not in a diff."""
    log = LogObserver(tmp_path / "run.log", Redactor(["hunter2!"]))
    fields = (("password", "hunter2!", {"deep": ["hunter2!"]}),)
    log.on_records(list(recorded([
        started("acme", inputs={"p": "hunter2!"}), ev.ItemFailed("p/s[1]", 'refused "hunter2!"', "permanent"),
        changed("p/s[2]", fields=fields, diff=("+pw = hunter2!",), receipt={"was": "hunter2!"}),
    ])))
    log.close()
    text = (tmp_path / "run.log").read_text()
    assert "hunter2" not in text
    assert "***" in text


def test_a_log_goes_on_where_it_ended_and_an_impossible_one_is_worded(tmp_path: Path) -> None:
    for _ in range(2):
        log = LogObserver(tmp_path / "run.log", Redactor([]))
        log.on_records(quiet_run())
        log.close()
    assert len((tmp_path / "run.log").read_text().splitlines()) == 2 * len(quiet_run())
    with pytest.raises(SwitchoverError, match="The log cannot be written"):
        LogObserver(tmp_path / "no" / "run.log", Redactor([]))
