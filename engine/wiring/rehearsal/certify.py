"""A run killed at every boundary and taken up again: does it end as if nothing had happened, with each effect once?

First the run goes through undisturbed, and every boundary it comes to is noted. Then, for each of these, lab and journal start
over, the engine's process is killed there with SIGKILL, and the run is taken up until it has ended. What is compared is counted
on the other side: the lab's logs, mails and files, beside how each address stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.run import ItemStatus, RunState
from engine.model.scenario import Scenario
from engine.model.values import dataclass
from engine.wiring.loading import Loaded
from engine.wiring.rehearsal.boundaries import AFTER_EFFECT
from engine.wiring.rehearsal.place import Place, private_place
from engine.wiring.rehearsal.rehearse import Rehearsal
from engine.wiring.runs import answered

_BY_THEMSELVES = ("REGISTER",)
"""Writes that the lab's phones make when it suits them."""
_FILES = ("local-root", "tftp-root", "ssh-root")


@dataclass(frozen=True, slots=True)
class Boundary:
    """The ``nth`` time that the run comes to an instant."""

    where: str
    kind: str
    address: str
    nth: int

    def __str__(self) -> str:
        at = f" of {self.address}" if self.address else ""
        again = f", the {self.nth}. time" if self.nth > 1 else ""
        return f"{self.where} {self.kind}".rstrip() + at + again


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to, as far as it must not depend on being killed."""

    status: str
    items: tuple[tuple[str, str], ...]
    effects: tuple[tuple[str, int], ...]
    """Address -> how often its write was carried out."""
    heard: tuple[tuple[str, int], ...]
    """What each lab server was told to write -> how often."""
    files: tuple[tuple[str, str], ...]

    def differences(self, other: Outcome) -> list[str]:
        """In what the other one differs, in words."""
        found = [] if self.status == other.status else [f"the run {other.status}, and not {self.status}"]
        for what, mine, theirs in (
            ("", self.items, other.items), ("written, by the engine's count: ", self.effects, other.effects),
            ("written, by the lab's count: ", self.heard, other.heard), ("file ", self.files, other.files),
        ):
            before: dict[str, object] = dict(mine)
            after: dict[str, object] = dict(theirs)
            found += [
                f"{what}{name}: {after.get(name, 'nothing')}, and not {before.get(name, 'nothing')}"
                for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)
            ]
        return found


@dataclass(frozen=True, slots=True)
class Certificate:
    """What killing a run everywhere came to."""

    undisturbed: Outcome
    boundaries: int
    tried: int
    differing: tuple[tuple[Boundary, tuple[str, ...]], ...]
    took_s: float

    @property
    def holds(self) -> bool:
        return not self.differing


class _Tracer:
    """Writes down every boundary, in a file that outlives the process, and dies at one."""

    def __init__(self, file: Path, deadly: Boundary | None = None) -> None:
        self._file, self._deadly = file, deadly
        self._lock = threading.Lock()
        self._pid, self._passed = 0, Counter[tuple[str, str, str]]()

    def __call__(self, where: str, kind: str, address: str, say: Callable[[Any], None]) -> None:
        with self._lock:  # held while dying: no other thread gets any further
            if self._pid != os.getpid():
                self._pid, self._passed = os.getpid(), Counter((b.where, b.kind, b.address) for b in passed(self._file))
            self._passed[where, kind, address] += 1
            here = Boundary(where, kind, address, self._passed[where, kind, address])
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([where, kind, address]) + "\n")
            if here == self._deadly:
                say(str(here))
                os.kill(os.getpid(), signal.SIGKILL)


def passed(file: Path) -> Iterator[Boundary]:
    """The boundaries in a trace, in order."""
    counts = Counter[tuple[str, str, str]]()
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        where, kind, address = json.loads(line)
        counts[where, kind, address] += 1
        yield Boundary(where, kind, address, counts[where, kind, address])


def certify(
    scenario: Scenario, loaded: Loaded, *, every: int = 1, tell: Callable[[int, int], None] = lambda _done, _all: None
) -> Certificate:
    """Kills at each ``every``-th boundary. ``tell``: how many are done, of how many. Raises ``SwitchoverError`` when the run does
    not even get through undisturbed."""
    began = time.monotonic()
    scenario = replace(scenario, crashes=(), second_apply="skip")
    with private_place(loaded.project, scenario.inventory, scenario.seed) as place:
        trace = place.project.state.parent / "trace"
        here = replace(loaded, project=place.project)
        undisturbed = _outcome(place, scenario, here, _Tracer(trace), trace)
        boundaries = list(passed(trace))
        if not boundaries:
            raise SwitchoverError("There is nothing to certify", "The plan found nothing to do, so no run came of it.")
        chosen, differing = boundaries[::every], []
        for number, boundary in enumerate(chosen, 1):
            found = _killed_at(boundary, place, scenario, here, undisturbed, trace)
            if found:
                differing.append((boundary, tuple(found)))
            tell(number, len(chosen))
    return Certificate(undisturbed, len(boundaries), len(chosen), tuple(differing), time.monotonic() - began)


def _killed_at(
    boundary: Boundary, place: Place, scenario: Scenario, loaded: Loaded, undisturbed: Outcome, trace: Path
) -> list[str]:
    """How a run that died there differs from one that did not."""
    place.start_over()
    trace.unlink(missing_ok=True)
    try:
        found = _outcome(place, scenario, loaded, _Tracer(trace, boundary), trace, kills=1)
    except SwitchoverError as error:
        return [str(error)]
    return undisturbed.differences(found)


def _outcome(
    place: Place, scenario: Scenario, loaded: Loaded, tracer: _Tracer, trace: Path, kills: int = 0
) -> Outcome:
    rehearsal = Rehearsal(
        place, scenario, loaded, deadly=tracer, answers=lambda state: _answers(state, trace), at_once=False
    )
    result = rehearsal.run()
    if result.kills != kills:
        raise SwitchoverError("The run did not come to this boundary again", "It depends on something that is not in the seed.")
    items = tuple(sorted((address, item.status.value) for address, item in result.state.items.items()))
    return Outcome(result.status, items, _effects(trace), tuple(sorted(_heard(place.lab).items())), tuple(_files(place.lab)))


def _effects(trace: Path) -> tuple[tuple[str, int], ...]:
    counts = Counter(boundary.address for boundary in passed(trace) if boundary.where == AFTER_EFFECT)
    return tuple(sorted(counts.items()))


def _answers(state: RunState, trace: Path) -> Sequence[Event]:
    """What somebody who looked over there would say of items in doubt: the trace tells whether it was done."""
    done = {address for address, _ in _effects(trace)}
    doubtful = [address for address, item in state.items.items() if item.status is ItemStatus.IN_DOUBT]
    return answered(state, [a for a in doubtful if a in done], [a for a in doubtful if a not in done], "rehearsal")


def _heard(lab: Path) -> Counter[str]:
    """What the lab's servers were told to write, by server."""
    counts = Counter[str]()
    for log in sorted(lab.glob("*.jsonl")):
        for entry in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
            if entry["kind"] == "write" and entry["what"] not in _BY_THEMSELVES:
                about = entry.get("to") or entry.get("file") or entry.get("path") or entry.get("command") or ""
                counts[f"{log.stem} {entry['what']} {about if isinstance(about, str) else ', '.join(about)}".rstrip()] += 1
    return counts


def _files(lab: Path) -> Iterator[tuple[str, str]]:
    """Every file of the lab's systems, by digest."""
    for path in sorted(path for name in _FILES for path in (lab / name).rglob("*") if path.is_file()):
        yield str(path.relative_to(lab)), hashlib.sha256(path.read_bytes()).hexdigest()[:12]
