"""Bad inventories, each beside the exact text an operator is shown: ``cases_inventory/<case>/expected.txt``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from engine.language.inventory_reader import load_inventory
from engine.model.diagnostic import Diagnostic, InvalidInput

CASES = Path(__file__).parent / "cases_inventory"


def spelled(diagnostics: tuple[Diagnostic, ...]) -> str:
    """Problems as text: place, kind, summary, detail, hint, and the line that is shown."""
    lines = []
    for found in diagnostics:
        lines.append(f"{found.span}: {found.severity.value}: {found.summary}")
        lines += [f"    {text}" for text in (found.detail, found.hint) if text]
        lines += [f"    | {found.line}"] if found.line else []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_a_bad_inventory_tells_all_its_problems_in_these_words(case: str) -> None:
    """Everything wrong in every file of the folder is reported at once, placed, and says what to do."""
    with pytest.raises(InvalidInput) as refused:
        load_inventory(CASES / case, case, today=date(2026, 11, 22))
    assert spelled(refused.value.diagnostics) == (CASES / case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("secret", ["hunter2", "correct-horse", "493817", "verysecret", "86753090"])
def test_no_problem_shows_a_secret(secret: str) -> None:
    """A bad value often stands beside a password; neither the line nor the words around it give it away."""
    assert not any(secret in path.read_text(encoding="utf-8") for path in CASES.glob("*/expected.txt"))
