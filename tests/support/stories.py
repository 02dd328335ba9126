"""Runs to report on: a rich one with everything in it that can happen, and big ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from engine.model import event as ev
from tests.support.journals import changed, started

START = datetime(2026, 3, 3, 22, 14, tzinfo=UTC)
CONFIG = (
    "--- y000000000096.cfg", "+++ y000000000096.cfg", "@@ -1,4 +1,4 @@", " account.1.enable = 1",
    "-account.1.sip_server.1.address = old.example.net", "+account.1.sip_server.1.address = sip.example.net",
    ' account.1.label = <b>"Front & back"</b>',
)


def recorded(events: Iterable[ev.Event], *, run: str = "r-20260303-7f3a", pace_s: float = 3.0) -> Iterator[ev.Record]:
    """Events as they would come out of a journal, ``pace_s`` apart."""
    for n, event in enumerate(events):
        yield ev.Record(run, n + 1, START + timedelta(seconds=n * pace_s), event, f"{n + 1:064x}")


def eventful_run() -> list[ev.Record]:
    """Changes, failures, doubt, a retry, an override, a restart, a tripped guard: all of it in one evening."""
    window = "mon-fri 17:00-21:00 America/New_York"
    events: list[ev.Event] = [
        started("example-dental", customer="Example Dental Group", totals={"change": 8, "nothing": 1}),
        ev.WindowOverridden(window, "customer asked for the afternoon, ticket CHG-7", "ana"),
        ev.ItemIntended("notify/partner", "k0", "mail 'Cutover starts' to 2 people", 1, False),
        ev.ItemRan("notify/partner", "mail 'Cutover starts' to 2 people", {}, took_s=0.4),
    ]
    for n in range(6):
        phone = f"805ec00000{n:02x}"
        events += [
            ev.ItemIntended(f"phones/config[{phone}]", f"k{n}", "write its configuration", 1, True),
            changed(f"phones/config[{phone}]", summary=f"wrote {phone}.cfg", diff=CONFIG, took_s=0.21, adopted=n == 4)
            if n != 3 else ev.ItemUnchanged(f"phones/config[{phone}]"),
        ]
        events += _registration(phone, n)
    events += [
        ev.RunResumed("ana", "pbx-admin-1", 4712),
        ev.ItemIntended("numbers/forward[+12025550101]", "k20", "forward", 1, True),
        changed(
            "numbers/forward[+12025550101]", summary="forward to +12025550191", reversible=False, took_s=1.5,
            fields=(("forward_to", None, "+12025550191"), ("enabled", False, True)),
        ),
        ev.ItemSkipped("numbers/forward[+12025550102]", "when: item.temporary_did"),
        ev.ItemIntended("numbers/announce", "k21", "mail the customer", 1, False),
        ev.ItemInDoubt("numbers/announce", "the process died while it was sent; a mail cannot be read back"),
        ev.GuardTripped("phones/move", 2, "5%"),
        ev.RunFinished("tripped", {"failed": 2}),
    ]
    return list(recorded(events))


def _registration(phone: str, n: int) -> list[ev.Event]:
    address = f"phones/registered[{phone}]"
    if n == 2:
        return [
            ev.ItemRetried(address, "not registered yet", 1, 4.0),
            ev.ItemFailed(
                address, "not registered after 120 s. Is the phone powered and on the voice VLAN?", "temporary", 3, 121.0
            ),
            ev.ItemBlocked(f"phones/label[{phone}]", address),
        ]
    if n == 5:
        return [ev.ItemFailed(address, "<script>alert('the platform says no')</script>", "permanent", 1, 0.3)]
    return [ev.ItemProved(address, "registered from 192.0.2.17", 4.2)]


def quiet_run() -> list[ev.Record]:
    """Everything was as it should be."""
    return list(recorded([
        started("acme"), ev.ItemUnchanged("phones/config[1]"), ev.ItemUnchanged("phones/config[2]"),
        ev.RunFinished("succeeded", {"unchanged": 2}),
    ]))


def big_run(items: int) -> list[ev.Record]:
    """Every item with a new file of 90 lines, one in a hundred failed."""
    new = ("--- (absent)", "+++ phone.cfg", *(f"+account.{line}.setting = value {line}" for line in range(90)))
    events: list[ev.Event] = [started("acme")]
    for n in range(items):
        address = f"phones/config[{n:012x}]"
        events.append(ev.ItemIntended(address, "k", "write", 1, True))
        failed = ev.ItemFailed(address, f"switch {n % 7} did not answer", "temporary", 3, 9.0)
        events.append(failed if n % 100 == 7 else changed(address, diff=new))
    return list(recorded(events, pace_s=0.01))
