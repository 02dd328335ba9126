"""Figures about phones' files: planned when converged, applied from empty, applied again; time, memory, and how both grow."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import (
    PEER_BIN,
    PYTHON,
    SWITCHOVER,
    Command,
    Figure,
    Run,
    Sample,
    at_most,
    faster_than,
    in_turn,
    run,
    slower_than,
    told,
)
from tests.benchmarks.phones import DEFAULTS, TEMPLATE, make_ansible, make_nornir, make_project, same_files

FULL = os.environ.get("BENCH_FULL") == "1"
_HERE = Path(__file__).parent
_NAMES = [f"{name}={value}" for name, value in DEFAULTS.items()]
_ANSIBLE_COUNTS = (100, 200)
"""Ansible is measured at these and carried on in a straight line, which flatters it: its cost grows faster than that."""


@dataclass(slots=True)
class Bench:
    """Where the work is laid out. Nothing is deleted while measuring: files made anew under names just deleted cost ten
    times as much on ext4. Every run from empty gets a folder of its own."""

    root: Path
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self, what: str) -> Path:
        """A path that nothing has been at."""
        return self.root / f"{next(self._serial)}-{what}"

    def converged(self, count: int) -> Converged:
        """A project whose phones' files are in place; the floor made them, so a plan without changes proves them equal."""
        folder = self.fresh(f"converged-{count}")
        out = folder / "out"
        project = make_project(folder / "project", count, out)
        run(floor(project, out, "write"))
        return Converged(project, out)


@dataclass(frozen=True, slots=True)
class Converged:
    """A project and its files."""

    project: Path
    out: Path

    def plan(self, _: int = 0) -> Run:
        """The product plans. Exit code 2 would mean that it finds something to change."""
        arguments = [SWITCHOVER, "plan", "runbooks/publish.yml", "-i", "inventories/acme", "--detailed-exitcode"]
        return run(Command(arguments, self.project))

    def apply(self, _: int = 0) -> Run:
        return apply(self.project)

    def check(self, _: int = 0) -> Run:
        """The floor reads and compares."""
        return run(floor(self.project, self.out, "check"))


def floor(project: Path, out: Path, mode: str) -> Command:
    """The floor script over a project's phones."""
    phones = project / "inventories" / "acme" / "phones.yml"
    return Command([PYTHON, str(_HERE / "floor.py"), str(phones), str(TEMPLATE), str(out), mode, *_NAMES], project)


def apply(project: Path) -> Run:
    """The product plans, applies, reads back and journals."""
    return run(Command([SWITCHOVER, "apply", "runbooks/publish.yml", "-i", "inventories/acme", "--yes"], project))


class FromEmpty:
    """Applies ``count`` phones into an empty folder, anew each time."""

    def __init__(self, bench: Bench, count: int) -> None:
        self._bench, self._count = bench, count
        self.last_own = self.last_floor = bench.root

    def own(self, _: int) -> Run:
        folder = self._bench.fresh(f"apply-{self._count}")
        self.last_own = folder / "out"
        return apply(make_project(folder / "project", self._count, self.last_own))

    def floor(self, _: int) -> Run:
        folder = self._bench.fresh(f"floor-{self._count}")
        self.last_floor = folder / "out"
        return run(floor(make_project(folder / "project", self._count, self.last_floor), self.last_floor, "write"))


# ---------------------------------------------------------------- peers


def run_ansible(bench: Bench, count: int, *, check: bool) -> tuple[Run, Path]:
    """From empty; or ``--check`` over a tree that ansible itself has brought about."""
    folder = bench.fresh(f"ansible-{count}")
    out = folder / "out"
    make_ansible(folder / "play", count, out, PEER_BIN / "python")
    play = [str(PEER_BIN / "ansible-playbook"), "play.yml"]
    environment = {"PATH": f"{PEER_BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(folder / "play" / "ansible.cfg")}
    first = run(Command(play, folder / "play", environment))
    if not check:
        return first, out
    return run(Command([*play, "--check"], folder / "play", environment)), out


def ansible_at(bench: Bench, count: int, reference: Path | None, *, check: bool) -> tuple[Sample, str]:
    """What ansible takes for ``count`` phones, and how that was come by."""
    if FULL:
        found, out = run_ansible(bench, count, check=check)
        if reference is not None:
            same_files(reference, out)
        return Sample((found,)), "measured in full"
    small, large = (run_ansible(bench, n, check=check)[0] for n in _ANSIBLE_COUNTS)
    steps = (count - _ANSIBLE_COUNTS[0]) / (_ANSIBLE_COUNTS[1] - _ANSIBLE_COUNTS[0])
    grown = Run(
        small.wall_s + steps * (large.wall_s - small.wall_s), small.cpu_s + steps * (large.cpu_s - small.cpu_s), large.rss_mib
    )
    return Sample((grown,)), f"ansible carried on in a straight line from {_ANSIBLE_COUNTS[0]} and {_ANSIBLE_COUNTS[1]} hosts"


class Nornir:
    """nornir over ``count`` phones."""

    def __init__(self, bench: Bench, count: int) -> None:
        self._bench = bench
        self._folder = make_nornir(bench.fresh("nornir") / "inventory", count)
        self.last = bench.root

    def from_empty(self, _: int) -> Run:
        self.last = self._bench.fresh("nornir-out")
        self.last.mkdir()
        return self.run(self.last, "write")

    def run(self, out: Path, mode: str) -> Run:
        script = str(_HERE / "peers" / "nornir_publish.py")
        return run(Command([str(PEER_BIN / "python"), script, str(self._folder), str(out), mode, *_NAMES], self._folder))


def has_peers() -> bool:
    """Whether ``make bench-peers`` has been run, and its lines are wanted."""
    return os.environ.get("BENCH_PEERS") != "0" and (PEER_BIN / "ansible-playbook").exists()


# ---------------------------------------------------------------- figures


def plan_figures(bench: Bench) -> Iterator[Figure]:
    """Plans of converged phones."""
    small, large = bench.converged(1_000), bench.converged(10_000)
    if has_peers():
        nornir = Nornir(bench, 1_000)
        own, other = in_turn(3, small.plan, lambda _: nornir.run(small.out, "check"))
        ansible, how = ansible_at(bench, 1_000, small.out, check=True)
        yield faster_than("plan 1,000 converged / ansible --check", own, "ansible", ansible, 300, how)
        yield faster_than("plan 1,000 converged / nornir", own, "nornir", other, 5)
    own, other = in_turn(5, large.plan, large.check)
    yield slower_than("plan 10,000 converged / floor", own, "floor", other, 2.0)
    again, other = in_turn(3, large.apply, large.check)
    yield slower_than("apply again 10,000 / floor", again, "floor", other, 2.0)
    yield _growth(small, large, bench.converged(50_000))


def _growth(small: Converged, large: Converged, huge: Converged) -> Figure:
    at_1k, at_10k, at_50k = in_turn(3, small.plan, large.plan, huge.plan)
    low = (at_10k.cpu_s - at_1k.cpu_s) / 9_000
    high = (at_50k.cpu_s - at_10k.cpu_s) / 40_000
    return Figure(
        "plan 1,000..50,000 linear", f"{high * 1e6:.0f} us an item past 10,000", f"{low * 1e6:.0f} us an item before",
        f"{high / low:.2f}", "<= 1.2 x", high / low <= 1.2, "processor time",
        {"cpu_s": {"1000": at_1k.cpu_s, "10000": at_10k.cpu_s, "50000": at_50k.cpu_s}},
    )

def apply_figures(bench: Bench) -> Iterator[Figure]:
    """Applies from empty, and the memory of it."""
    thousand, ten_thousand = FromEmpty(bench, 1_000), FromEmpty(bench, 10_000)
    if has_peers():
        nornir = Nornir(bench, 1_000)
        own, other = in_turn(3, thousand.own, nornir.from_empty)
        same = same_files(thousand.last_own, nornir.last)
        ansible, how = ansible_at(bench, 1_000, thousand.last_own, check=False)
        yield faster_than("apply 1,000 from empty / ansible", own, "ansible", ansible, 200, how)
        yield faster_than("apply 1,000 from empty / nornir", own, "nornir", other, 1.0, f"{same} files byte for byte alike")
        yield _same_asrun_ansible(bench)
    own, other = in_turn(3, ten_thousand.own, ten_thousand.floor)
    same = same_files(ten_thousand.last_own, ten_thousand.last_floor)
    yield told("files alike, product and floor", f"{same} of 10,000")
    yield slower_than("apply 10,000 from empty / floor", own, "floor", other, 2.5)
    yield from _memory(own, FromEmpty(bench, 50_000).own(0))


def _same_asrun_ansible(bench: Bench) -> Figure:
    count = 20
    _, theirs = run_ansible(bench, count, check=False)
    ours = FromEmpty(bench, count)
    ours.own(0)
    return told("files alike, product and ansible", f"{same_files(ours.last_own, theirs)} of {count}")


def _memory(at_10k: Sample, at_50k: Run) -> Iterator[Figure]:
    yield at_most("peak memory, apply of 10,000 from empty", at_10k.rss_mib, "MiB", 120)
    yield at_most("memory an item, 10,000 to 50,000", (at_50k.rss_mib - at_10k.rss_mib) * 1024 / 40_000, "KiB", 8)
    yield at_most("peak memory, apply of 50,000 from empty", at_50k.rss_mib, "MiB", 420)
