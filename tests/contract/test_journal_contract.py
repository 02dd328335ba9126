"""What every journal promises, over every store there is."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import orjson
import pytest

from engine.journal.memory import MemoryJournal
from engine.journal.sqlite import SqliteJournal
from engine.model.errors import LockHeld
from engine.model.event import (
    GateVoted,
    ItemChanged,
    ItemFailed,
    ItemIntended,
    ItemUnchanged,
    Record,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
)
from engine.ports import Journal, Lease
from tests.support.journals import SteppingClock, changed, started

StoredJournal = SqliteJournal | MemoryJournal


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture(params=["sqlite", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: SteppingClock) -> Iterator[StoredJournal]:
    made: StoredJournal = SqliteJournal(tmp_path / "journal.db", clock) if request.param == "sqlite" else MemoryJournal(clock)
    yield made
    made.close()


def test_is_a_journal(journal: StoredJournal) -> None:
    """The type checker and the store agree on the port."""
    port: Journal = journal
    assert port.runs() == []


def test_what_was_flushed_is_read_back_in_order_and_numbered_from_one(journal: StoredJournal, clock: SteppingClock) -> None:
    """Each run counts for itself, whatever else is written in between."""
    for n in range(5):
        journal.append("a", [ItemUnchanged(f"p/s[{n}]"), ItemFailed(f"p/s[{n}]", "no route", "temporary")])
        journal.append("b", [ItemUnchanged(f"p/t[{n}]")])
    journal.flush()
    a, b = list(journal.read("a")), list(journal.read("b"))
    assert [r.seq for r in a] == list(range(1, 11))
    assert [r.event for r in b] == [ItemUnchanged(f"p/t[{n}]") for n in range(5)]
    assert {r.run for r in a} == {"a"}
    assert a[0].at < a[-1].at <= clock.moment


def test_every_field_survives(journal: StoredJournal) -> None:
    """Values, nested receipts, before and after, quotes and umlauts come back equal."""
    event = ItemChanged(
        'phones/config["Zürich"]', 'wrote "x.cfg"\n', {"file": {"keep": "ab", "parts": [1, 2.5, None, True]}},
        (("label", None, "Empfang"), ("lines", 1, 2)), ("-a", "+ü"), adopted=True, reversible=False, attempt=3, took_s=0.25,
    )
    journal.flush(journal.append("r", [event]))
    assert [r.event for r in journal.read("r")] == [event]


def test_text_without_a_utf8_form_is_kept_readable(journal: StoredJournal) -> None:
    """A system's broken text must not keep the fact out of the journal."""
    journal.flush(journal.append("r", [ItemFailed("p/s[1]", "answered \udce9\x00", "permanent")]))
    assert [r.event for r in journal.read("r")] == [ItemFailed("p/s[1]", "answered \\udce9\x00", "permanent")]


def test_what_is_not_json_is_refused_where_it_was_appended(journal: StoredJournal) -> None:
    """The culprit's own stack names it, and the journal goes on."""
    with pytest.raises(TypeError):
        journal.append("r", [changed("p/s[1]", receipt={"socket": object()})])
    journal.flush(journal.append("r", [ItemUnchanged("p/s[2]")]))
    assert [r.event for r in journal.read("r")] == [ItemUnchanged("p/s[2]")]


def test_reading_after_a_number_gives_the_rest(journal: StoredJournal) -> None:
    """``after`` is exclusive; past the end there is nothing."""
    journal.flush(journal.append("r", [ItemUnchanged(str(n)) for n in range(5)]))
    assert [r.seq for r in journal.read("r", after=3)] == [4, 5]
    assert list(journal.read("r", after=5)) == list(journal.read("r", after=99)) == list(journal.read("nobody")) == []


def test_time_keeps_its_offset(journal: StoredJournal, clock: SteppingClock) -> None:
    """A report shows the operator's own evening, not UTC."""
    clock.moment = datetime(2026, 3, 3, 20, 14, tzinfo=timezone(timedelta(hours=-5)))
    journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
    (record,) = journal.read("r")
    assert (record.at, record.at.utcoffset()) == (clock.moment, timedelta(hours=-5))


def test_watchers_hear_every_durable_event_once_in_order_from_one_thread(journal: StoredJournal) -> None:
    """With several threads appending; what a watcher hears is already readable."""
    heard: list[Record] = []
    threads: set[str] = set()

    def watch(records: Sequence[Record]) -> None:
        threads.add(threading.current_thread().name)
        assert next(iter(journal.read(records[0].run, after=records[0].seq - 1))) == records[0]
        heard.extend(records)

    journal.subscribe(watch)
    workers = [threading.Thread(target=_append_many, args=(journal, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    journal.close()
    assert len(threads) == 1
    assert heard == list(journal_rows(journal, heard))
    assert [r.seq for r in heard] == list(range(1, 201))


def _append_many(journal: StoredJournal, worker: int) -> None:
    for n in range(50):
        journal.flush(journal.append("r", [ItemUnchanged(f"p/s[{worker}-{n}]")]))


def journal_rows(journal: StoredJournal, heard: list[Record]) -> list[Record]:
    """Memory can be read after closing; for the file the watcher itself has read along."""
    return list(journal.read("r")) if isinstance(journal, MemoryJournal) else heard


def test_a_watcher_may_append(journal: StoredJournal) -> None:
    """It must not wait for itself; the event lands behind."""
    def watch(records: Sequence[Record]) -> None:
        if records[-1].seq == 1:
            journal.append("r", [RunFinished("failed")])

    journal.subscribe(watch)
    journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
    _until(lambda: len(list(journal.read("r"))) == 2)
    assert [r.event.kind for r in journal.read("r")] == ["item_unchanged", "run_finished"]


def _until(condition: Callable[[], bool]) -> None:
    deadline = threading.Event()
    for _ in range(500):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("it did not come to pass within 5 s")


def test_what_a_watcher_raises_reaches_the_run_and_events_are_still_kept(journal: StoredJournal) -> None:
    """A broken view is a bug that is not swallowed; it costs no event."""
    def fail(records: Sequence[Record]) -> None:
        raise ZeroDivisionError

    journal.subscribe(fail)
    journal.append("r", [ItemUnchanged("p/s[1]")])
    journal.append("r", [ItemUnchanged("p/s[2]")])
    with pytest.raises(ZeroDivisionError):
        journal.close()
    if isinstance(journal, MemoryJournal):
        assert len(list(journal.read("r"))) == 2


def test_an_event_after_closing_is_a_bug(journal: StoredJournal) -> None:
    """It would be lost, so it is refused aloud."""
    journal.close()
    with pytest.raises(RuntimeError, match="closed"):
        journal.append("r", [ItemUnchanged("p/s")])


def test_closing_twice_does_nothing(journal: StoredJournal) -> None:
    journal.append("r", [ItemUnchanged("p/s")])
    journal.close()
    journal.close()


def test_runs_are_listed_newest_first_and_by_scope(journal: StoredJournal, clock: SteppingClock) -> None:
    """Across offsets: it is the instant that counts."""
    clock.moment = datetime(2026, 3, 3, 22, tzinfo=UTC)
    journal.append("first", [started("acme")])
    clock.moment = datetime(2026, 3, 3, 20, 30, tzinfo=timezone(timedelta(hours=-5)))
    journal.append("second", [started("acme", plan_id="p2")])
    journal.append("other", [started("zebra", plan_id="p3")])
    journal.append("nameless", [ItemUnchanged("p/s")])
    journal.flush()
    assert [i.run for i in journal.runs("acme")] == ["second", "first"]
    assert {i.run for i in journal.runs()} == {"first", "second", "other"}
    assert (journal.runs("acme")[1].runbook, journal.runs("acme")[1].plan_id) == ("hosted-pbx-cutover", "p1")
    assert journal.run_of_plan("p2") == "second"
    assert journal.run_of_plan("p9") is None


def test_last_changes_tell_the_latest_over_all_runs_of_a_runbook(journal: StoredJournal, clock: SteppingClock) -> None:
    """Not those of another customer or another runbook, and not what was found unchanged."""
    clock.moment, clock.step_s = datetime(2026, 3, 3, tzinfo=UTC), 60
    journal.append("a", [started("acme")])
    journal.append("a", [changed("p/s[1]"), changed("p/s[2]")])
    journal.append("b", [started("acme")])
    journal.append("b", [changed("p/s[1]"), ItemUnchanged("p/s[2]"), ItemUnchanged("p/s[3]")])
    journal.append("c", [started("acme", runbook="decommission"), changed("p/s[1]")])
    journal.append("d", [started("zebra"), changed("p/s[1]")])
    journal.flush()
    found = journal.last_changes("acme", "hosted-pbx-cutover")
    assert found == {"p/s[1]": list(journal.read("b"))[1].at, "p/s[2]": list(journal.read("a"))[2].at}
    assert journal.last_changes("nobody", "hosted-pbx-cutover") == {}


def test_the_export_can_be_checked_without_us(journal: StoredJournal) -> None:
    """As the documentation of the chain says: sha256(previous hash, newline, line up to its ``prev``)."""
    journal.flush(journal.append("r", [started("acme"), changed('p/s["]'), ItemIntended("p/s", "k", "s", 1, True)]))
    previous, lines = "0" * 64, list(journal.export("r"))
    for line in lines:
        values = orjson.loads(line)
        covered = line[: line.rindex(',"prev":')] + "}"
        assert values["prev"] == previous
        assert values["hash"] == hashlib.sha256(f"{previous}\n{covered}".encode()).hexdigest()
        previous = values["hash"]
    assert journal.verify("r") == (3, previous)
    assert [r.hash for r in journal.read("r")] == [orjson.loads(line)["hash"] for line in lines]


def test_a_held_lease_refuses_another_run_and_says_who_holds_it(journal: StoredJournal) -> None:
    """Who, since when, which run, where, and what to do."""
    journal.acquire(lease("r1"))
    with pytest.raises(LockHeld) as refusal:
        journal.acquire(lease("r2"))
    for part in ("ana", "acme", "2026-03-03 20:14", "run r1", f"process {os.getpid()}", "Ctrl-C"):
        assert part in str(refusal.value)
    assert journal.holder("acme") == lease("r1")
    journal.acquire(lease("r3", scope="acme@lab"))


def test_the_holder_may_take_its_lease_again(journal: StoredJournal) -> None:
    journal.acquire(lease("r1"))
    journal.acquire(lease("r1"))
    assert journal.holder("acme") == lease("r1")


def test_a_released_lease_is_free_and_only_its_holder_releases_it(journal: StoredJournal) -> None:
    journal.acquire(lease("r1"))
    journal.release(lease("r2"))
    assert journal.holder("acme") == lease("r1")
    journal.release(lease("r1"))
    journal.release(lease("r1"))
    assert journal.holder("acme") is None
    journal.acquire(lease("r2"))


def test_a_dead_holder_is_replaced(journal: StoredJournal) -> None:
    """Its run can be resumed at once, by anybody on the same machine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        journal.acquire(lease("r1", pid=process.pid))
        with pytest.raises(LockHeld):
            journal.acquire(lease("r2"))
        assert journal.holder("acme") == lease("r1", pid=process.pid)
    assert journal.holder("acme") is None
    journal.acquire(lease("r2"))
    assert journal.holder("acme") == lease("r2")


def test_a_reused_pid_is_not_taken_for_the_holder(journal: StoredJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same pid, other start: after a reboot that is the rule, not the exception."""
    for module in ("engine.journal.sqlite", "engine.journal.memory"):
        monkeypatch.setattr(f"{module}.process_identity", lambda pid: "an-earlier-boot/4711")
    journal.acquire(lease("r1"))
    monkeypatch.undo()
    journal.acquire(lease("r2"))
    assert journal.holder("acme") == lease("r2")


def test_a_holder_on_another_machine_is_never_presumed_dead(
    journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process cannot be seen from here; the message says where to look."""
    for module in ("engine.journal.sqlite", "engine.journal.memory"):
        monkeypatch.setattr(f"{module}.process_identity", lambda pid: "their-boot/1")
    journal.acquire(lease("r1", host="pbx-admin-2", pid=999_999_999))
    monkeypatch.undo()
    with pytest.raises(LockHeld) as refusal:
        journal.acquire(lease("r2"))
    assert "can only be told on pbx-admin-2" in str(refusal.value)
    assert "switchover resume r1" in str(refusal.value)


def test_a_machine_that_changed_its_name_still_knows_its_own_dead(journal: StoredJournal) -> None:
    """Laptops do, with every network; the boot tells that it is the same machine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        journal.acquire(lease("r1", host="name-before", pid=process.pid))
        with pytest.raises(LockHeld):
            journal.acquire(lease("r2"))
    journal.acquire(lease("r2"))


def lease(run: str, *, scope: str = "acme", host: str | None = None, pid: int | None = None) -> Lease:
    """A lease of this process on this machine, unless told otherwise."""
    since = datetime(2026, 3, 3, 20, 14, tzinfo=UTC)
    return Lease(scope, run, host or socket.gethostname(), pid or os.getpid(), "ana", since)


def test_many_threads_waiting_for_durability_lose_nothing(journal: StoredJournal) -> None:
    """Each returns only when its own event is there."""
    missing: list[int] = []

    def work(worker: int) -> None:
        for n in range(25):
            ticket = journal.append("r", [ItemUnchanged(f"p/s[{worker}-{n}]")])
            journal.flush(ticket)
            if not any(r.event == ItemUnchanged(f"p/s[{worker}-{n}]") for r in journal.read("r")):
                missing.append(worker)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert missing == []
    assert journal.verify("r").seq == 200


def test_run_started_names_the_run(journal: StoredJournal) -> None:
    """A second start of the same run does not rename it."""
    first = started("acme")
    journal.flush(journal.append("r", [first, started("zebra", plan_id="p2")]))
    assert [(i.scope, i.plan_id) for i in journal.runs()] == [("acme", "p1")]
    assert isinstance(next(iter(journal.read("r"))).event, RunStarted)


def vote(address: str = "p/sign-off", who: str = "Ana") -> GateVoted:
    return GateVoted(address, "approve", who, "account ana", "d" * 32)


def test_a_letter_is_added_only_to_a_run_that_has_not_gone_on(journal: StoredJournal) -> None:
    """Two people at one gate: the second has to look again, and finds the first one's vote."""
    journal.flush(journal.append("r", [started("acme"), ItemUnchanged("p/s")]))
    assert journal.append_if("r", [vote(who="Ana")], after=2)
    assert not journal.append_if("r", [vote(who="Ben")], after=2)
    assert [r.event.who for r in journal.read("r", after=2) if isinstance(r.event, GateVoted)] == ["Ana"]


def test_of_many_who_act_on_one_state_exactly_one_succeeds(journal: StoredJournal) -> None:
    """However they race."""
    journal.flush(journal.append("r", [started("acme")]))
    gate = threading.Barrier(8)
    won: list[bool] = []

    def act(number: int) -> None:
        gate.wait()
        won.append(journal.append_if("r", [vote(who=f"person {number}")], after=1))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == [False] * 7 + [True]
    assert len(list(journal.read("r"))) == 2


def test_of_several_runs_that_want_one_place_exactly_one_gets_it(journal: StoredJournal) -> None:
    """What has to hold over several runs is asked while nobody else can write."""
    runs = [f"r{number}" for number in range(6)]
    for run in runs:
        journal.flush(journal.append(run, [started("acme")]))
    gate = threading.Barrier(len(runs))
    won: list[bool] = []

    def is_free() -> bool:
        return not any(list(journal.pick(run, ("gate_voted",))) for run in runs)

    def take(run: str) -> None:
        gate.wait()
        won.append(journal.append_if(run, [vote()], after=1, check=is_free))

    threads = [threading.Thread(target=take, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == [False] * 5 + [True]


def test_a_run_goes_on_behind_a_letter_in_one_chain(journal: StoredJournal) -> None:
    """The process at work and the person who answers do not know of each other."""
    journal.flush(journal.append("r", [started("acme")]))
    assert journal.append_if("r", [vote()], after=1)
    journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
    assert [record.event.kind for record in journal.read("r")] == ["run_started", "gate_voted", "item_unchanged"]
    assert journal.verify("r").seq == 3


def test_the_process_at_work_knows_that_a_letter_came_before_what_it_wrote(journal: StoredJournal) -> None:
    """As soon as that is durable: so nothing follows a letter that forbids it."""
    journal.flush(journal.append("r", [started("acme")]))
    before = journal.letters_met("r")
    journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
    assert journal.letters_met("r") == before
    assert journal.append_if("r", [vote()], after=2)
    journal.flush(journal.append("r", [ItemUnchanged("p/t")]))
    assert journal.letters_met("r") > before


def test_a_paused_run_is_not_due_and_a_cancelled_one_is_over(journal: StoredJournal, clock: SteppingClock) -> None:
    """Nothing is made of either by itself."""
    due = clock.moment.isoformat()
    journal.flush(journal.append("r", [started("acme"), RunFinished("waiting", {}, due)]))
    assert journal.append_if("r", [RunPaused("lunch", "ana")], after=2)
    assert (journal.due_runs(clock.moment), len(journal.open_runs())) == ([], 1)
    journal.flush(journal.append("r", [RunFinished("cancelled", {})]))
    assert journal.open_runs() == []


def test_a_waiting_run_is_due_when_it_said_and_no_longer_once_taken_up(journal: StoredJournal, clock: SteppingClock) -> None:
    """What ``resume --all-due`` asks for."""
    at = clock.moment
    for run, hours in (("late", 5), ("soon", 1), ("never", 0)):
        due = (at + timedelta(hours=hours)).isoformat() if hours else ""
        journal.append(run, [started("acme"), RunFinished("waiting", {}, due)])
    journal.flush()
    assert journal.next_due() == at + timedelta(hours=1)
    assert journal.due_runs(at) == []
    assert [info.run for info in journal.due_runs(at + timedelta(days=9))] == ["soon", "late"]
    journal.flush(journal.append("soon", [RunResumed("ana", "host", 1)]))
    assert [info.run for info in journal.due_runs(at + timedelta(days=9))] == ["late"]


def test_an_answer_makes_its_run_due(journal: StoredJournal, clock: SteppingClock) -> None:
    """Whoever answers need not be able to run it."""
    journal.flush(journal.append("r", [started("acme"), RunFinished("waiting")]))
    assert journal.due_runs(clock.moment + timedelta(days=99)) == []
    assert journal.append_if("r", [vote()], after=2, due=clock.moment)
    assert [info.run for info in journal.due_runs(clock.moment)] == ["r"]


def test_some_kinds_of_events_can_be_picked(journal: StoredJournal) -> None:
    """For lists over many runs, which need not read what each item came to."""
    journal.flush(journal.append("r", [started("acme"), ItemUnchanged("p/s"), RunFinished("waiting")]))
    assert journal.append_if("r", [vote()], after=3)
    assert [record.seq for record in journal.pick("r", ("run_started", "gate_voted"))] == [1, 4]
    assert list(journal.pick("nobody", ("run_started",))) == []
