from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def matches_golden() -> Callable[[str, str], None]:
    """Compares with ``golden/NAME``; the difference is what a reviewer looks at."""

    def compare(name: str, text: str) -> None:
        assert text.splitlines() == (GOLDEN / name).read_text(encoding="utf-8").splitlines()

    return compare
