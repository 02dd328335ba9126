"""The page: complete, harmless, without any other file, and of bounded size."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from engine.model import event as ev
from engine.reporting.html import render_html
from tests.support.journals import changed, started
from tests.support.stories import big_run, eventful_run, quiet_run, recorded

_VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects what a page has, and whether its tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_html(eventful_run()))


def test_it_needs_no_network_no_script_and_no_other_file(page: Page) -> None:
    """It must read the same in an archive in ten years."""
    html = render_html(eventful_run())
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "a", "base", "form", "svg"}
    assert not page.attributes & {"src", "href", "onclick", "onload", "srcset", "action"}
    assert not re.search(r"url\(|@import|https?:|//[a-z]", html.replace("http-equiv", ""))


def test_it_says_who_what_when_and_from_what(page: Page) -> None:
    for part in (
        "Example Dental Group", "Hosted PBX cutover", "r-20260303-7f3a", "by ana on pbx-admin-1", "stopped by its guard",
        "2026-03-03 22:14:00 UTC", "Runbook digest", "04d70f5c", "phone.config", "CHG-7",
    ):
        assert part in page.text


def test_problems_come_before_everything_that_went_well(page: Page) -> None:
    """With the reason and the command that goes on."""
    attention = page.text.index("Needs attention")
    assert attention < page.text.index("Timeline") < page.text.index("Outcomes")
    for part in (
        "Is the phone powered and on the voice VLAN?", "(every attempt failed)",
        "because phones/registered[805ec0000002] did not succeed",
        "switchover resume r-20260303-7f3a --done numbers/announce",
    ):
        assert attention < page.text.index(part)


def test_known_gaps_and_overrides_are_not_hidden(page: Page) -> None:
    assert "Known gaps: not migrated" in page.text
    assert "Call recordings stay behind unless exported" in page.text
    assert "ana let work start outside its window (mon-fri 17:00-21:00 America/New_York)" in page.text
    assert "customer asked for the afternoon, ticket CHG-7" in page.text


def test_before_and_after_stand_with_the_item(page: Page) -> None:
    for part in (
        "-account.1.sip_server.1.address = old.example.net", "forward_to", "(none)", "+12025550191", "cannot be undone",
        "found in place",
    ):
        assert part in page.text


def test_the_last_hash_ties_the_page_to_its_journal(page: Page) -> None:
    records = eventful_run()
    assert f"Made from {len(records)} journalled events" in page.text
    assert records[-1].hash in page.text


def test_markup_in_data_stays_text(page: Page) -> None:
    """From a device, a label, a reason, a header."""
    assert "<script>alert('the platform says no')</script>" in page.text
    assert 'account.1.label = <b>"Front & back"</b>' in page.text
    evil = "</style><script>x</script>\x00\x1b"
    html = render_html(recorded([
        started(evil, customer=evil, runbook_title=evil, known_gaps=[evil], inputs={evil: evil}),
        ev.WindowOverridden(evil, evil, evil), changed(f"p/s[{evil}]", summary=evil, fields=((evil, evil, evil),), diff=(evil,)),
        ev.ItemFailed("p/s[2]", evil, evil), ev.RunInterrupted(evil),
    ]))
    assert Page(html).tags.isdisjoint({"script"})
    assert not {"\x00", "\x1b"} & set(html)


def test_a_run_without_trouble_has_no_trouble_on_its_page() -> None:
    text = Page(render_html(quiet_run())).text
    assert "Needs attention" not in text
    assert "Overrides" not in text
    assert "succeeded" in text


def test_a_run_that_has_only_begun_or_lost_its_beginning_still_has_a_page() -> None:
    """The report of a crash is the one that is needed most."""
    assert "Nothing was started yet" in Page(render_html(list(recorded([started("acme")])))).text
    cut = list(recorded([ev.ItemIntended("p/s", "k", "s", 1, True)]))
    assert "not finished when this page was made" in Page(render_html(cut)).text
    Page(render_html([]))


def test_ten_thousand_items_stay_a_few_megabytes() -> None:
    """Each with a new file of 90 lines; what is cut is said."""
    html = render_html(big_run(10_000))
    assert 1_000_000 < len(html) < 6_000_000
    assert html.count("<tr><td><code>") == 10_000
    assert "88 more lines" in html


def test_a_run_over_midnight_shows_both_days() -> None:
    text = Page(render_html(list(recorded(
        [started("acme"), ev.ItemUnchanged("p/s[1]"), ev.RunFinished("succeeded")], pace_s=40_000
    )))).text
    assert "2026-03-03 22:14:00 UTC to 2026-03-04 20:27:20 UTC" in text
