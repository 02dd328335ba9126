"""What a review costs: two revisions of the largest runbook here, each with an inventory of 10,000 items, as a whole process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import REPOSITORY, SWITCHOVER, Command, Figure, at_most, run

ITEMS, ENTERING = 10_000, 142


def diff_figures(folder: Path) -> Iterator[Figure]:
    """``diff``, with runbook and inventory changed: once for the largest runbook, once for phones that enter the scope."""
    for runbook, customer, collection, before, after in (
        ("saas-to-virtual-office", "example-firm-vo", "products", "order: strict", "order: free"),
        ("hosted-pbx-cutover", "example-dental", "phones", "parallel: 16", "parallel: 32"),
    ):
        project = _project(folder / runbook, customer)
        table = project / "inventories" / customer / f"{collection}.csv"
        head, row = table.read_text("utf-8").splitlines()[:2]
        rows = [_another(row, number) for number in range(ITEMS)]
        for name, count in (("before", ITEMS - ENTERING), ("after", ITEMS)):
            table.write_text("\n".join([head, *rows[:count], ""]), "utf-8")
            if name == "after":
                book = project / "runbooks" / f"{runbook}.yml"
                book.write_text(book.read_text("utf-8").replace(before, after, 1), "utf-8")
            _git(project, "add", "-A")
            _git(project, "commit", "--quiet", "-m", name)
        command = Command(
            [SWITCHOVER, "diff", "HEAD~1", "HEAD", "-i", f"inventories/{customer}", "--", f"runbooks/{runbook}.yml"], project
        )
        taken = min((run(command) for _ in range(5)), key=lambda sample: sample.wall_s)
        yield at_most(f"diff of {runbook}, {ITEMS:,} {collection}", taken.wall_s, "s", 2.0)


def _project(folder: Path, customer: str) -> Path:
    for name in ("runbooks", "templates", f"inventories/{customer}"):
        shutil.copytree(REPOSITORY / name, folder / name)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for table, lines in (("users.csv", 1), ("numbers.csv", 1)):
        path = folder / "inventories" / customer / table
        if path.exists():  # whoever the phones no longer ring
            path.write_text("\n".join(path.read_text("utf-8").splitlines()[:lines]) + "\n", "utf-8")
    return folder


def _another(row: str, number: int) -> str:
    first, *others = row.split(",")
    if ":" in first:
        others[2] = str(100_000 + number)
        others[-1] = "env:LINE_PASSWORD"
        return ",".join([f"805ec0{number:06x}", *others])
    return ",".join([f"{first} {number}", *others])


def _git(project: Path, *arguments: str) -> None:
    command = ["git", "-C", str(project), "-c", "user.name=Bench", "-c", "user.email=bench@example.net", *arguments]
    subprocess.run(command, check=True, capture_output=True)
