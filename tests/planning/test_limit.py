"""Address patterns."""

from __future__ import annotations

import pytest

from engine.planning.limit import admits, idle, matches


@pytest.mark.parametrize(
    ("pattern", "step", "item", "fits"),
    [
        ("phones", "phones/config", "805ec0a10001", True),
        ("phones/", "phones/config", None, True),
        ("phone", "phones/config", None, False),
        ("phones/config", "phones/config", "805ec0a10001", True),
        ("phones/config", "phones/resync", "805ec0a10001", False),
        ("phones/*", "phones/resync", "805ec0a10001", True),
        ("*/config", "phones/config", "805ec0a10001", True),
        ("phones/config[805ec0a10001]", "phones/config", "805ec0a10001", True),
        ("phones/config[805e*]", "phones/config", "0004f2a10001", False),
        ("[805e*]", "phones/config", "805ec0a10001", True),
        ("[805e*]", "report/notify", None, False),
        ("numbers/forward[+1202555010?]", "numbers/forward", "+12025550104", True),
    ],
)
def test_a_pattern_fits_what_it_reads_like(pattern: str, step: str, item: str | None, fits: bool) -> None:
    """Brackets are part of an address, never a character class."""
    assert matches(pattern, step, item) is fits


def test_no_pattern_admits_everything() -> None:
    """Without --limit the whole runbook is planned."""
    assert admits((), "phones/config", None)


def test_a_pattern_that_fits_nothing_is_found_out() -> None:
    addresses = [("phones/config", "805ec0a10001"), ("announce/mail", None)]
    assert idle(["phones", "phones/confg", "[805e*]", "[0004*]", "announce/mail"], addresses) == ["phones/confg", "[0004*]"]
