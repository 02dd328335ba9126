"""Every scenario that ships, as ``switchover test`` takes it: three weeks, and the SaaS transitions in each way they can go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import ROOT, switchover

LONG_S = 400.0
"""A case takes tens of turns of the engine, each with a lab of its own to talk to."""
FILES = sorted((ROOT / "tests" / "scenarios").glob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_scenario_goes_as_its_file_says(file: Path) -> None:
    """What is expected stands in the file; what went otherwise is told with all that happened."""
    ended = switchover(ROOT, "test", file, timeout_s=LONG_S)
    assert ended.code == 0, ended.text


def test_both_transitions_are_rehearsed_in_every_way_that_matters() -> None:
    """The plain way, withdrawn, a rejected ticket, and every illegal order for both; what only one has for that one."""
    names = {path.stem for path in FILES}
    for route in ("local", "vo"):
        assert {f"saas-{route}-{way}" for way in ("plain", "withdrawn", "ticket-rejected", "illegal-orders")} <= names
    assert {"saas-vo-missing-licence", "saas-vo-declined-slot", "saas-vo-price-approval", "saas-local-price-rejected"} <= names
