"""Whole processes, timed by the operating system's own account of them; and the table that figures end in.

A shared machine is noisy, and its speed drifts by a third within a minute: contenders take turns (A B A B ...), and a ratio is
the median of the ratios of neighbouring runs, which a drift hits alike. Each figure keeps all its runs; the table shows minimum
and median, and processor time beside wall time because a busy neighbour disturbs it less.

What is measured is what people have: an installer compiles every module once. So the product's are compiled before the first
run, and no contender is told to do without bytecode; else each start would compile three hundred files, and the peers none.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
SWITCHOVER = str(Path(sys.executable).with_name("switchover"))
PEER_BIN = REPOSITORY / ".bench-venv" / "bin"


def compile_product() -> None:
    """As an installer does."""
    compileall.compile_dir(REPOSITORY / "engine", quiet=1)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: seconds of wall and processor time (children included), and its greatest resident size."""

    wall_s: float
    cpu_s: float
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Command:
    """A process to be measured. ``ok``: exit codes that count as success."""

    arguments: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ok: tuple[int, ...] = (0,)


def run(command: Command) -> Run:
    """Runs to the end with its output thrown away. Raises ``RuntimeError`` with the end of stderr when it fails."""
    errors = command.cwd / ".stderr"
    environment = {**os.environ, **command.env}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with errors.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command.arguments), cwd=command.cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in command.ok:
        tail = errors.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command.arguments)} ended with {process.returncode}:\n{tail}")
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@dataclass(frozen=True, slots=True)
class Sample:
    """All runs of one contender."""

    runs: tuple[Run, ...]

    @property
    def wall_s(self) -> float:
        """The quickest run: what the work itself costs when nobody disturbs it."""
        return min(run.wall_s for run in self.runs)

    @property
    def median_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        return min(run.cpu_s for run in self.runs)

    @property
    def rss_mib(self) -> float:
        return max(run.rss_mib for run in self.runs)

    def times(self, factor: float) -> Sample:
        """As if ``factor`` times the work had been done: for peers too slow to be given all of it."""
        return Sample(tuple(Run(r.wall_s * factor, r.cpu_s * factor, r.rss_mib) for r in self.runs))


def in_turn(rounds: int, *contenders: Callable[[int], Run]) -> list[Sample]:
    """Each contender ``rounds`` times, taking turns; a contender is told the round it is in."""
    results: list[list[Run]] = [[] for _ in contenders]
    for number in range(rounds):
        for runs, contender in zip(results, contenders, strict=True):
            runs.append(contender(number))
    return [Sample(tuple(runs)) for runs in results]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``met`` is None where there is no goal, or nothing to compare with."""

    name: str
    measured: str
    against: str
    ratio: str
    goal: str
    met: bool | None
    note: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


def ratios(own: Sample, other: Sample) -> tuple[float, float]:
    """How many times the other's wall and processor time own takes: the medians over pairs of runs that were neighbours. The
    quickest runs' where one was measured more often."""
    if len(own.runs) != len(other.runs):
        return own.wall_s / other.wall_s, own.cpu_s / other.cpu_s
    pairs = list(zip(own.runs, other.runs, strict=True))
    return statistics.median(a.wall_s / b.wall_s for a, b in pairs), statistics.median(a.cpu_s / b.cpu_s for a, b in pairs)


def slower_than(name: str, own: Sample, other_name: str, other: Sample, limit: float) -> Figure:
    """A figure whose goal is: at most ``limit`` times what the other takes."""
    ratio, cpu = ratios(own, other)
    return Figure(
        name, spell(own), f"{other_name} {spell(other)}", f"{ratio:.2f} (cpu {cpu:.2f})", f"<= {limit:g} x", ratio <= limit,
        data=_data(own, other, ratio, cpu),
    )


def faster_than(name: str, own: Sample, other_name: str, other: Sample, limit: float, note: str = "") -> Figure:
    """A figure whose goal is: at least ``limit`` times as fast as the other."""
    ratio, cpu = ratios(other, own)
    return Figure(
        name, spell(own), f"{other_name} {spell(other)}", f"{ratio:.1f} (cpu {cpu:.1f})", f">= {limit:g} x", ratio >= limit, note,
        data=_data(own, other, ratio, cpu),
    )


def at_most(name: str, measured: float, unit: str, limit: float, note: str = "") -> Figure:
    """A figure with a limit of its own."""
    return Figure(name, f"{measured:.3g} {unit}", "", "", f"<= {limit:g} {unit}", measured <= limit, note, {"measured": measured})


def told(name: str, measured: str, note: str = "") -> Figure:
    """A figure without a goal."""
    return Figure(name, measured, "", "", "", None, note)


def spell(sample: Sample) -> str:
    """``0.42 s (median 0.45, cpu 0.51)``."""
    return f"{_seconds(sample.wall_s)} (med {_seconds(sample.median_s)}, cpu {_seconds(sample.cpu_s)})"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _data(own: Sample, other: Sample, ratio: float, cpu: float) -> dict[str, object]:
    return {"own": _runs(own), "other": _runs(other), "ratio": ratio, "cpu_ratio": cpu}


def _runs(sample: Sample) -> list[dict[str, float]]:
    return [{"wall_s": r.wall_s, "cpu_s": r.cpu_s, "rss_mib": r.rss_mib} for r in sample.runs]
