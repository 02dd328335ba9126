"""Holds what came of a scenario against what it expects. Pure: everything is passed in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

from engine.language.scenario_reader import problem_at
from engine.model.diagnostic import Diagnostic
from engine.model.plan import split_address
from engine.model.run import ItemState
from engine.model.scenario import Scenario
from engine.model.source import DataPath
from engine.model.values import dataclass
from engine.wiring.rehearsal.rehearse import Rehearsed
from engine.wiring.rehearsal.world import World

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Judge:
    """One scenario, and what came of it."""

    scenario: Scenario
    rehearsed: Rehearsed
    world: World
    mails: Sequence[EmailMessage]

    def failures(self) -> list[Diagnostic]:
        """Everything that is not as expected, each where the expectation stands."""
        return [
            *self._status(), *self._steps(), *self._order(), *self._times(), *self._mails(), *self._acts(), *self._deeds(),
            *self._crashes(), *self._second(),
        ]

    def _status(self) -> Iterator[Diagnostic]:
        wanted, found = self.scenario.expect.status, self.rehearsed.status
        if wanted and wanted != found:
            yield self._differs(("expect", "status"), wanted, f"{found}{self._reasons()}")

    def _reasons(self) -> str:
        """Why the run did not end well, and what it waits for."""
        bad = [f"{a} {item.status.value}: {item.why or item.summary}" for a, item in self._items() if not item.status.ended_well]
        return f" ({'; '.join(bad[:3])})" if bad else ""

    def _steps(self) -> Iterator[Diagnostic]:
        for pattern, wanted in self.scenario.expect.steps.items():
            path = ("expect", "steps", pattern)
            matching = self._matching(pattern)
            if not matching:
                if wanted != ABSENT:
                    yield self._differs(path, wanted, "the run never came to it")
                continue
            for address, item in matching.items():
                if item.status.value != wanted:
                    why = f": {item.why}" if item.why else ""
                    where = f"{address} " if address != pattern else ""
                    yield self._differs(path, wanted, f"{where}{item.status.value}{why}")

    def _order(self) -> Iterator[Diagnostic]:
        last: tuple[datetime, int, str] | None = None
        for index, pattern in enumerate(self.scenario.expect.order):
            path = ("expect", "order", index)
            ended = self._ended(pattern)
            if ended is None:
                yield self._differs(path, f"{pattern} to end", "it did not end")
                continue
            if last is not None and (ended[0], ended[1]) < (last[0], last[1]):
                found = f"it ended {ended[0]:%Y-%m-%d %H:%M}, and {last[2]} {last[0]:%Y-%m-%d %H:%M}"
                yield self._differs(path, f"{pattern} to end after {last[2]}", found)
            last = (ended[0], ended[1], pattern)

    def _times(self) -> Iterator[Diagnostic]:
        expect = self.scenario.expect
        for key, limits in (("before", expect.before), ("after", expect.after)):
            for pattern, limit in limits.items():
                ended, at = self._ended(pattern), self.world.moment(limit)
                found = "it did not end" if ended is None else f"it ended {ended[0]:%Y-%m-%d %H:%M %Z}"
                if ended is None or (ended[0] >= at if key == "before" else ended[0] < at):
                    yield self._differs(("expect", key, pattern), f"{pattern} to end {key} {limit:%Y-%m-%d %H:%M}", found)

    def _mails(self) -> Iterator[Diagnostic]:
        for index, wanted in enumerate(self.scenario.expect.mails):
            count = sum(_is_mail(mail, wanted) for mail in self.mails)
            if count != wanted["count"] if "count" in wanted else not count:
                sent = "; ".join(f"{mail['Subject']} to {mail['To']}" for mail in self.mails) or "none at all"
                much = f"{wanted['count']} of it" if "count" in wanted else "such a mail"
                yield self._differs(("expect", "mails", index), much, f"{count or 'none'} among what was sent: {sent}")

    def _acts(self) -> Iterator[Diagnostic]:
        expected = list(enumerate(self.scenario.expect.refused))
        for did in self.world.did:
            if not did.refused:
                continue
            fitting = next(((i, e) for i, e in expected if _is_refusal(did, e)), None)
            if fitting is None:
                detail = f"It was refused on {did.at:%Y-%m-%d %H:%M %Z}, and the scenario does not expect that: {did.refused}"
                yield problem_at(self.scenario.document, "An act was refused", detail, did.act.path)
            else:
                expected.remove(fitting)
        for index, entry in expected:
            wanted = f"an act to be refused ({entry['reason']})"
            yield self._differs(("expect", "refused", index), wanted, "none was, for that reason")
        for act in self.world.undone():
            opened = f"the gate {act.gate} was not opened" if act.gate else "the run was over"
            more = f" for the {act.opening}. time" if act.opening > 1 else ""
            detail = f"It never came to this: {opened}{more}. Where that is fine, write 'optional: true'."
            yield problem_at(self.scenario.document, "An act was not done", detail, act.path)

    def _deeds(self) -> Iterator[Diagnostic]:
        for deed, why in self.world.troubles:
            yield problem_at(self.scenario.document, "Something could not be done in the lab", why, (*deed.path, "action"))

    def _crashes(self) -> Iterator[Diagnostic]:
        wanted, found = len(self.scenario.crashes), self.rehearsed.kills
        if found < wanted:
            yield self._differs(("crash",), f"{wanted} crashes", f"{found}: the run did not come to the others")

    def _second(self) -> Iterator[Diagnostic]:
        wanted, found = self.scenario.second_apply, list(self.rehearsed.left)
        if wanted == "skip" or self.rehearsed.status != "succeeded":
            return
        names = [] if isinstance(wanted, str) else list(wanted)
        if sorted(names) != sorted(found):
            said = ", ".join(names) if names else "a second plan with nothing to change"
            yield self._differs(("second_apply",), said, ", ".join(found) or "nothing to change")

    # ------------------------------------------------------------ looking

    def _items(self) -> Iterator[tuple[str, ItemState]]:
        yield from self.rehearsed.state.items.items()

    def _matching(self, pattern: str) -> Mapping[str, ItemState]:
        """Items by address: the one of this address, all of a step, or what fits the wildcards."""
        fits = re.compile("".join(".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern)))
        return {a: item for a, item in self._items() if fits.fullmatch(a) or split_address(a)[0] == pattern}

    def _ended(self, pattern: str) -> tuple[datetime, int] | None:
        """When the last of what a pattern names ended, and the number of the event; None when not all did."""
        matching = self._matching(pattern)
        if not matching or not all(item.status.settled for item in matching.values()):
            return None
        last = max(
            (record for record in self.rehearsed.records if getattr(record.event, "address", "") in matching),
            key=lambda record: record.seq if record.at == matching[record.event.address].at else -1,  # type: ignore[attr-defined]
        )
        return last.at, last.seq

    def _differs(self, path: DataPath, expected: str, found: str) -> Diagnostic:
        at_key, detail = isinstance(path[-1], str) and len(path) > 2, f"Expected: {expected}. Found: {found}."
        return problem_at(self.scenario.document, "Not as expected", detail, path, at_key=at_key)


def _is_mail(mail: EmailMessage, wanted: Mapping[str, Any]) -> bool:
    to = [address for _, address in getaddresses([str(mail.get(name, "")) for name in ("To", "Cc", "Bcc")])]
    if "to" in wanted and wanted["to"] not in to:
        return False
    if "subject" in wanted and wanted["subject"] not in str(mail["Subject"]):
        return False
    return "text" not in wanted or any(wanted["text"] in text for text in _texts(mail))


def _texts(mail: EmailMessage) -> Iterator[str]:
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            yield str(part.get_content())


def _is_refusal(did: Any, wanted: Mapping[str, str]) -> bool:
    return (
        wanted["reason"] in did.refused and wanted.get("gate", did.act.gate) == did.act.gate
        and wanted.get("as", did.act.role) == did.act.role
    )
