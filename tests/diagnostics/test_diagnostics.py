"""Bad runbooks, each beside the exact text an operator is shown: ``cases/<case>/{runbook.yml, expected.txt}``.

All are held against one small customer and two actions that stand here, so that the texts change only when the words do. The
case ``alone`` has no inventory. After changing words: ``ACCEPT=1 pytest tests/diagnostics``, then read the difference.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import read_runbook
from engine.language.semantics import ActionSpec, check_runbook
from engine.language.templates import Templates
from engine.model.args import arg, arguments_of
from engine.model.diagnostic import Diagnostic
from engine.reporting.diagnostics import format_diagnostics

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in (HERE / "cases").iterdir())


@dataclass(frozen=True)
class ConfigArgs:
    connection: str = arg("Where the phone fetches its file from.", connection=("local", "tftp"))
    mac: str = arg("The phone's MAC address.")
    vendor: str = arg("Who made it.", choices=("yealink", "poly"))
    template: str = arg("Template of the file.", default="phone.cfg.j2", template=True)
    lines: tuple[str, ...] = arg("Extensions.", default=())
    port: int = arg("Port of the server.", default=5060)
    tries: int = arg("How often.", default=1, minimum=1)
    note: str | None = arg("For people.", default=None)


@dataclass(frozen=True)
class RestartArgs:
    note: str | None = arg("For people.", default=None)


CATALOG = {
    "phone.config": ActionSpec("phone.config", arguments_of(ConfigArgs)),
    "phone.restart": ActionSpec(
        "phone.restart", arguments_of(RestartArgs),
        unseen=lambda given: "" if "note" in given else "a phone that was started anew looks as it did before",
    ),
}


def problems_of(case: str) -> list[Diagnostic]:
    """What ``validate`` would show for the case's runbook."""
    draft = read_runbook(HERE / "cases" / case / "runbook.yml", "runbook.yml")
    if draft.runbook is None:
        return list(draft.problems)
    inventory = None if case == "alone" else load_inventory(HERE / "customer", "customer")[0]
    templates = Templates([HERE / "templates"], lambda path: str(path.relative_to(HERE)))
    return [*draft.problems, *check_runbook(draft.runbook, CATALOG, inventory, templates)]


@pytest.mark.parametrize("case", CASES)
def test_a_bad_runbook_tells_all_its_problems_in_these_words(case: str) -> None:
    """Every problem at once: what, where, the line with a mark, why, and what was probably meant."""
    shown = format_diagnostics(problems_of(case))
    expected = HERE / "cases" / case / "expected.txt"
    if os.environ.get("ACCEPT"):
        expected.write_text(shown, encoding="utf-8")
    assert shown == expected.read_text(encoding="utf-8")


def test_every_problem_has_a_place_and_says_what_to_do() -> None:
    """None of the cases shows a problem without file, line, column and a sentence."""
    everything = [problem for case in CASES for problem in problems_of(case)]
    assert [p for p in everything if p.span is None or not p.detail.endswith((".", "?"))] == []
    assert len(everything) > 50
