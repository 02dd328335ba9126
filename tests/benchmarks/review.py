"""What looking at a change costs: the largest runbook here, checked and held to every rule, with a customer of 10,000 items."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import REPOSITORY, SWITCHOVER, Command, Figure, at_most, in_turn, run

_ITEMS = 10_000
_RUNBOOK, _CUSTOMER = "saas-to-virtual-office.yml", "example-firm-vo"


def review_figures(folder: Path) -> Iterator[Figure]:
    """The whole process. ``lint`` checks all that ``validate`` does before it looks at rules."""
    for part in ("runbooks", "templates", f"inventories/{_CUSTOMER}"):
        shutil.copytree(REPOSITORY / part, folder / part)
    products = folder / "inventories" / _CUSTOMER / "products.csv"
    head, first, *_ = products.read_text(encoding="utf-8").splitlines()
    rest = first.partition(",")[2]
    rows = [first, *(f"Product {number},{rest}" for number in range(1, _ITEMS))]
    products.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    words = [SWITCHOVER, "lint", f"runbooks/{_RUNBOOK}", "-i", f"inventories/{_CUSTOMER}", "--profile", "production"]
    (own,) = in_turn(5, lambda _: run(Command(words, folder)))
    note = f"median {own.median_s:.2f} s, cpu {own.cpu_s:.2f} s"
    yield at_most(f"validate and lint, {_ITEMS:,} items", own.wall_s, "s", 1.0, note)
