"""Watching a run: plain lines for a log, bars for a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

from engine.model import event as ev
from engine.reporting.plain_view import PlainView
from engine.reporting.progress import ProgressView
from tests.support.journals import changed, started
from tests.support.stories import eventful_run, recorded

Golden = Callable[[str, str], None]


def plain(records: list[ev.Record], group: int) -> str:
    stream = io.StringIO()
    with PlainView(stream) as view:
        for n in range(0, len(records), group):
            view.on_records(records[n : n + group])
    return stream.getvalue()


def test_a_run_as_plain_lines(matches_golden: Golden) -> None:
    matches_golden("plain_view.txt", plain(eventful_run(), 5))


def test_a_crowd_is_one_line_and_a_failure_in_it_is_not_lost() -> None:
    """Ten thousand lines that say nothing hide the one that says something."""
    events = [changed(f"p/s[{n}]") for n in range(500)]
    events[250] = ev.ItemFailed("p/s[250]", "disk full", "permanent")  # type: ignore[call-overload]  # a list of events
    lines = plain(list(recorded([*events, *(ev.ItemUnchanged(f"p/t[{n}]") for n in range(3))])), 1000).splitlines()
    assert [line[9:] for line in lines] == [
        "p/s  499 items changed", "p/s[250]  FAILED  disk full", "p/t  3 items unchanged",
    ]


def test_plain_lines_cannot_steer_the_terminal() -> None:
    text = plain(list(recorded([ev.ItemFailed("p/s[\x1b[2J]", "a\r\x1b[31mb\nc", "bug")])), 1)
    assert not {"\x1b", "\r"} & set(text)
    assert len(text.splitlines()) == 1


class Terminal(io.StringIO):
    """Somewhere to draw."""

    def isatty(self) -> bool:
        return True


def drawn(records: list[ev.Record]) -> str:
    """What stands on the terminal after these events."""
    stream = Terminal()
    view = ProgressView(stream, "r1", {"phones/move": ["phones/config", "phones/registered"]}, {"phones/move": 6})
    with view:
        for record in records:
            view.on_records([record])
        stream.seek(0)
        stream.truncate()
        view._live.refresh()
        text = stream.getvalue()
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", text)


def test_bars_count_what_is_durable_and_show_the_last_failures() -> None:
    """A bar per step that has begun; retries are waiting, not failed."""
    text = drawn(eventful_run()[:-3])
    assert re.search(r"phones/config +━+ 6/6 5 changed, 1 unchanged", text)
    assert re.search(r"phones/registered +━+ 6/6 4 proved, 2 failed", text)
    assert "phones/registered[805ec0000002]  FAILED  not registered after 120 s" in text


def test_an_item_that_is_tried_again_is_counted_once() -> None:
    events = [
        started("acme"), ev.ItemFailed("phones/config[1]", "no", "temporary"), ev.ItemRetried("phones/config[2]", "busy", 1, 4.0),
        ev.ItemReopened("phones/config[1]", "ana"), changed("phones/config[1]"),
    ]
    text = drawn(list(recorded(events)))
    assert re.search(r"phones/config +\S+ 1/6 1 changed, 1 waiting to try again", text)


def test_a_tripped_guard_is_said() -> None:
    assert "2 failed, more than the 5% allowed" in drawn(list(recorded([ev.GuardTripped("phones/move", 2, "5%")])))
