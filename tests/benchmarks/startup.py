"""What a command costs before it does anything, and a run of one step over one local file."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.measure import PYTHON, SWITCHOVER, Command, Figure, at_most, faster_than, in_turn, run, slower_than
from tests.benchmarks.publish import Bench, FromEmpty, has_peers, run_ansible


def startup_figures(bench: Bench) -> Iterator[Figure]:
    """Against ``python -c pass``, and against ansible."""
    for option in ("--help", "--version"):
        own, bare = in_turn(
            11, lambda _, option=option: run(Command([SWITCHOVER, option], bench.root)),  # type: ignore[misc]
            lambda _: run(Command([PYTHON, "-c", "pass"], bench.root)),
        )
        yield slower_than(f"{option} / python -c pass", own, "python", bare, 7)
    one = FromEmpty(bench, 1)
    if has_peers():
        own, ansible = in_turn(5, one.own, lambda _: run_ansible(bench, 1, check=False)[0])
        yield faster_than("one step, one local file / ansible", own, "ansible", ansible, 4)
    else:
        (own,) = in_turn(5, one.own)
    yield at_most("one step, one local file", own.wall_s, "s", 0.4, f"median {own.median_s:.2f} s, cpu {own.cpu_s:.2f} s")
