"""A plan on a terminal: what has to be decided is shown, the rest is counted."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable

from engine.model.plan import FieldChange, Outlook, PlannedItem
from engine.reporting.plan_text import PlanPrinter
from engine.reporting.terminal import columns
from tests.support.plans import mixed_plan, new_phones, plan_header

Golden = Callable[[str, str], None]


def printed(items: Iterable[PlannedItem], *, color: bool = False, width: int = 100, verbose: bool = False) -> str:
    stream = io.StringIO()
    printer = PlanPrinter(stream, plan_header(), color=color, width=width, verbose=verbose)
    for item in items:
        printer.add(item)
    printer.finish()
    return stream.getvalue()


def test_a_plan_with_everything_in_it(matches_golden: Golden) -> None:
    """As an operator sees it."""
    matches_golden("plan_mixed.txt", printed(mixed_plan()))


def test_a_plan_with_nothing_to_do_says_so(matches_golden: Golden) -> None:
    """The second plan of the day: one glance is enough."""
    done = PlannedItem("p/config[1]", "p/config", "p/config", "1", "phone.config", Outlook.NOTHING)
    matches_golden("plan_nothing.txt", printed([done, done]))


def test_forty_new_phones_fit_two_screens_with_two_files_begun() -> None:
    """The third file looks like the first two; the rest is a line each."""
    text = printed(new_phones(40))
    assert len(text.splitlines()) <= 80
    assert text.count("... 86 more lines") == 2
    assert text.count("create 805ec0") == 40
    assert "40 decided later: after phones/config" in text


def test_forty_phones_that_are_done_fit_one_screen() -> None:
    """What needs no decision takes no room."""
    text = printed(
        PlannedItem(f"p/{step}[{n}]", "p/move", f"p/{step}", str(n), "a", Outlook.NOTHING, label=f"{n} Desk")
        for n in range(40) for step in ("config", "label")
    )
    assert len(text.splitlines()) <= 20


def test_verbose_shows_whole_files_and_what_is_already_so() -> None:
    text = printed(new_phones(5), verbose=True)
    assert text.count("setting_91") == 5
    assert "more lines" not in text
    done = PlannedItem("p/config[1]", "p/config", "p/config", "1", "a", Outlook.NOTHING, label="101 Desk")
    assert "101 Desk                already as it should be" in printed([done], verbose=True)


def test_long_lists_are_cut_and_say_how_to_see_the_rest() -> None:
    """Three hundred final changes are a number, not a wall."""
    items = [
        PlannedItem(f"p/wipe[{n}]", "p/wipe", "p/wipe", str(n), "a", Outlook.CHANGE, "wipe", reversible=False) for n in range(300)
    ]
    text = printed(items)
    assert "Cannot be undone (300)" in text
    assert "... and 288 more: --verbose lists them all" in text
    assert "p/wipe[299]" in printed(items, verbose=True)


def test_no_escape_code_without_colour_and_colour_only_wraps_the_same_text() -> None:
    """``NO_COLOR`` and pipes get plain text."""
    plain, colored = printed(mixed_plan()), printed(mixed_plan(), color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    assert "\x1b[32m+account.1.sip_server = sip.example.net\x1b[0m" in colored


def test_what_a_system_answered_cannot_steer_the_terminal() -> None:
    """Neither from a diff, nor a field, nor a reason."""
    evil = "\x1b[2Jgone\r\x07"
    text = printed([
        PlannedItem("p/a[1]", "p/a", "p/a", "1", "a", Outlook.CHANGE, evil, label=evil, fields=(FieldChange(evil, evil, evil),),
                    diff=(f"+{evil}",), notes=(evil,)),
        PlannedItem("p/a[2]", "p/a", "p/a", "2", "a", Outlook.ERROR, why=evil),
    ])
    assert not set(text) & {"\x1b", "\r", "\x07"}


def test_no_line_is_wider_than_the_terminal() -> None:
    """Except addresses and words, which are not broken."""
    for width in (60, 80, 120):
        lines = printed(mixed_plan(), width=width).splitlines()
        assert max(columns(line) for line in lines if "[" not in line) <= width


def test_each_absent_value_is_told_from_empty_text() -> None:
    """An empty caller ID and none at all are different things."""
    fields = (FieldChange("caller_id", None, ""), FieldChange("lines", 2, [1, "b"]))
    item = PlannedItem("p/a[1]", "p/a", "p/a", "1", "a", Outlook.CHANGE, "set", fields=fields)
    text = printed([item])
    assert "caller_id  (none) -> ''" in text
    assert "lines      2 -> 1, b" in text


def test_a_way_back_says_of_which_run_and_names_what_stays() -> None:
    """What somebody changed since is told apart from what cannot be read, and what stays is listed by its reason."""
    stream = io.StringIO()
    printer = PlanPrinter(stream, plan_header(rollback_of="r-1", back_to="p/first"))
    for item in (
        PlannedItem("p/a[1]", "p/a", "p/a", "1", "a", Outlook.CHANGE, "restore 1.cfg", fields=(FieldChange("to", "2", "1"),)),
        PlannedItem("p/a[2]", "p/a", "p/a", "2", "a", Outlook.REFUSED, why="2.cfg was changed by somebody else since"),
        PlannedItem("p/a[3]", "p/a", "p/a", "3", "a", Outlook.NOTHING),
        PlannedItem("p/m", "p/m", "p/m", None, "m", Outlook.STAYS, "sent", "m has no undo", reversible=False),
    ):
        printer.add(item)
    printer.finish()
    text = stream.getvalue()
    for words in (
        "Rollback of run r-1: ", "back to p/first, which stays", "1  to undo", "1  already as they were before the run",
        "1  changed by somebody else since: left alone", "1  not undone", "p/m: 1 item, m has no undo",
    ):
        assert words in text, words
    assert "Could not be read" not in text
    assert "Cannot be undone" not in text
