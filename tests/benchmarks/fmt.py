"""What laying out a long runbook costs, the whole process."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.measure import REPOSITORY, SWITCHOVER, Command, Figure, Run, at_most, in_turn, run
from tests.benchmarks.publish import Bench

_LINES = 2000


def fmt_figures(bench: Bench) -> Iterator[Figure]:
    """A runbook of 2,000 lines that is not in its layout: quotes, indentation and the order of keys are all to be settled."""
    folder = bench.fresh("fmt")
    folder.mkdir()
    text = _long_runbook()

    def laid_out(_: int) -> Run:
        (folder / "long.yml").write_text(text, encoding="utf-8")
        return run(Command([SWITCHOVER, "fmt", "long.yml"], folder))

    (own,) = in_turn(7, laid_out)
    note = f"median {own.median_s:.2f} s, cpu {own.cpu_s:.2f} s, {own.rss_mib:.0f} MiB"
    yield at_most(f"fmt, {text.count(chr(10)):,} lines / whole process", own.wall_s, "s", 1.0, note)


def _long_runbook() -> str:
    """The phases of a shipped runbook over and over, indented as no one would."""
    shipped = REPOSITORY / "runbooks" / "saas-to-virtual-office.yml"
    head, _, phases = shipped.read_text(encoding="utf-8").partition("\nphases:\n")
    phases = phases.partition("\non_cancel:")[0].replace("&", "&x").replace("*", "*x").replace("title:", "'title':")
    lines = [*head.split("\n"), "phases:"]
    while len(lines) < _LINES:
        lines += ["    " + line if line else "" for line in phases.split("\n")]
    return "\n".join(lines[: _last_whole_step(lines)]) + "\n"


def _last_whole_step(lines: list[str]) -> int:
    return max(number for number in range(min(_LINES, len(lines))) if lines[number].strip().startswith("- name:"))
