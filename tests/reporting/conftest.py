from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def matches_golden() -> Callable[[str, str], None]:
    """Compares with ``golden/NAME``; the difference is what a reviewer looks at."""

    def compare(name: str, text: str) -> None:
        if os.environ.get("ACCEPT"):
            (GOLDEN / name).write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
        assert text.splitlines() == (GOLDEN / name).read_text(encoding="utf-8").splitlines()

    return compare
