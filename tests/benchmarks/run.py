"""``python -m tests.benchmarks.run [GROUP ...]``: measures, one table, ``.bench/results.json``. Always exits with 0.

Groups: startup, plan, apply, noop, ssh, tftp, fmt, waiting, review; all of them when none is named. ``BENCH_FULL=1`` gives
ansible all of the work instead of a part that is carried on in a straight line. Peers come from ``make bench-peers``; without
them, or with ``BENCH_PEERS=0``, their lines are left out. ``TMPDIR`` says where the work is laid out: a busy disk shows in every
figure.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from tests.benchmarks.diff import diff_figures
from tests.benchmarks.fmt import fmt_figures
from tests.benchmarks.measure import REPOSITORY, Figure, compile_product
from tests.benchmarks.noop import noop_figures
from tests.benchmarks.publish import Bench, apply_figures, has_peers, plan_figures
from tests.benchmarks.review import review_figures
from tests.benchmarks.ssh import ssh_figures
from tests.benchmarks.startup import startup_figures
from tests.benchmarks.tftp import tftp_figures
from tests.benchmarks.waiting import waiting_figures

_COLUMNS = ("figure", "measured", "against", "ratio", "goal", "met")


def groups(bench: Bench) -> dict[str, Callable[[], Iterator[Figure]]]:
    """What can be measured, by name, in the order of the table."""
    return {
        "startup": lambda: startup_figures(bench),
        "plan": lambda: plan_figures(bench),
        "apply": lambda: apply_figures(bench),
        "noop": lambda: noop_figures(bench.fresh("noop")),
        "ssh": lambda: ssh_figures(bench),
        "tftp": lambda: tftp_figures(bench.fresh("tftp")),
        "fmt": lambda: fmt_figures(bench),
        "waiting": lambda: waiting_figures(bench.fresh("waiting")),
        "review": lambda: chain(review_figures(bench.fresh("review")), diff_figures(bench.fresh("diff"))),
    }


def main(wanted: list[str]) -> None:
    figures: dict[str, list[Figure]] = {}
    if not has_peers():
        print("No peers: their lines are left out. Install them with: make bench-peers", file=sys.stderr)
    compile_product()
    with tempfile.TemporaryDirectory(prefix="switchover-bench-") as folder:
        for name, measure in groups(Bench(Path(folder))).items():
            if not wanted or name in wanted:
                print(f"{name} ...", file=sys.stderr, flush=True)
                figures[name] = list(_measured(name, measure))
    print(table([figure for group in figures.values() for figure in group]))
    _write(figures)


def _measured(name: str, measure: Callable[[], Iterator[Figure]]) -> Iterator[Figure]:
    """One group that fails is a line of the table, and the others are still measured."""
    try:
        for figure in measure():
            print(f"  {figure.name}: {figure.measured}  {figure.ratio}", file=sys.stderr, flush=True)
            yield figure
    except Exception as error:  # noqa: BLE001  # said in the table
        traceback.print_exc()
        yield Figure(f"{name} could not be measured", type(error).__name__, "", "", "", None, str(error))


def table(figures: list[Figure]) -> str:
    """The figures in columns; notes below the line they belong to."""
    rows = [(f.name, f.measured, f.against, f.ratio, f.goal, _MET[f.met]) for f in figures]
    widths = [max(len(row[column]) for row in (*rows, _COLUMNS)) for column in range(len(_COLUMNS))]
    lines = [_line(_COLUMNS, widths), "  ".join("-" * width for width in widths)]
    for figure, row in zip(figures, rows, strict=True):
        lines.append(_line(row, widths))
        if figure.note:
            lines.append(f"    {figure.note}")
    return "\n".join(lines)


_MET = {True: "yes", False: "NO", None: ""}


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _write(figures: dict[str, list[Figure]]) -> None:
    """Adds to what earlier calls for other groups left."""
    path = REPOSITORY / ".bench" / "results.json"
    path.parent.mkdir(exist_ok=True)
    earlier = json.loads(path.read_text()) if path.exists() else {}
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load": os.getloadavg()}
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    groups_now = {
        name: {"at": at, "machine": machine, "figures": [asdict(figure) for figure in found]} for name, found in figures.items()
    }
    path.write_text(json.dumps({**earlier, **groups_now}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
