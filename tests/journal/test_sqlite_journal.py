"""What only the journal on disk has to stand: other processes, other programs, full and read-only disks, edits."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.journal.sqlite import SqliteJournal
from engine.model.errors import JournalBroken
from engine.model.event import KINDS, GateVoted, ItemUnchanged, Record
from tests.support.journals import SteppingClock, changed, started


@pytest.fixture
def journal(path: Path, clock: SteppingClock) -> Iterator[SqliteJournal]:
    made = SqliteJournal(path, clock)
    yield made
    made.close()


def filled(path: Path, clock: SteppingClock, count: int = 10) -> None:
    """A closed journal with one run ``r`` of ``count`` events."""
    journal = SqliteJournal(path, clock)
    journal.append("r", [started("acme"), *(changed(f"p/s[{n}]") for n in range(count - 1))])
    journal.close()


def edit(path: Path, statement: str) -> None:
    """What somebody with an SQLite shell would do."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_only_its_owner_may_look_at_it(journal: SqliteJournal, path: Path) -> None:
    """The file, what SQLite puts beside it, and the folder."""
    journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_commit_is_on_disk_when_it_returns(journal: SqliteJournal) -> None:
    """WAL alone would lose the last seconds with the power."""
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_numbering_goes_on_after_reopening(path: Path, clock: SteppingClock) -> None:
    """A resumed run continues its own chain."""
    filled(path, clock, 3)
    journal = SqliteJournal(path, clock)
    journal.append("r", [ItemUnchanged("p/s[9]")])
    journal.close()
    reader = SqliteJournal(path, clock, read_only=True)
    assert [r.seq for r in reader.read("r")] == [1, 2, 3, 4]
    assert reader.verify("r").seq == 4
    reader.close()


def test_one_transaction_takes_everything_that_waits(path: Path, clock: SteppingClock) -> None:
    """While the disk is busy with one group the next one gathers."""
    journal = SqliteJournal(path, clock)
    groups: list[int] = []
    journal.subscribe(lambda records: groups.append(len(records)))
    free = _held_up(journal)
    for n in range(300):
        journal.append("r", [ItemUnchanged(f"p/s[{n}]")])
    free.set()
    journal.close()
    assert groups == [1, 300]


def test_another_process_reads_while_this_one_writes(journal: SqliteJournal, path: Path, clock: SteppingClock) -> None:
    """``status`` in a second terminal sees what is durable, and nothing is locked."""
    reader = SqliteJournal(path, clock, read_only=True)
    for n in range(5):
        journal.flush(journal.append("r", [ItemUnchanged(f"p/s[{n}]")]))
        assert [r.seq for r in reader.read("r")][-1] == n + 1
    reader.close()


def test_a_long_read_sees_one_moment_and_keeps_nobody_from_writing(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends where the run stood when it began."""
    monkeypatch.setattr("engine.journal.sqlite._PAGE", 7)
    journal.flush(journal.append("r", [ItemUnchanged(f"p/s[{n}]") for n in range(50)]))
    seen = []
    for record in journal.read("r"):
        journal.flush(journal.append("r", [ItemUnchanged("p/s[late]")]))
        seen.append(record.seq)
    assert seen == list(range(1, 51))


def test_two_processes_on_one_run_are_told_apart(journal: SqliteJournal, path: Path, clock: SteppingClock) -> None:
    """The one that lost its lease and does not know it yet is stopped by its first event."""
    journal.flush(journal.append("r", [ItemUnchanged("p/s[1]")]))
    successor = SqliteJournal(path, clock)
    successor.append("r", [ItemUnchanged("p/s[2]")])
    successor.close()
    stale = journal.append("r", [ItemUnchanged("p/s[3]")])
    with pytest.raises(JournalBroken, match="Two processes write the same run"):
        journal.flush(stale)
    with pytest.raises(JournalBroken):
        journal.close()
    journal.close()
    reader = SqliteJournal(path, clock, read_only=True)
    assert [r.event for r in reader.read("r")] == [ItemUnchanged("p/s[1]"), ItemUnchanged("p/s[2]")]
    reader.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM events WHERE seq = 4", "Event 4 of run r cannot be found"),
        ("DELETE FROM events WHERE seq BETWEEN 4 AND 6", "Events 4 to 6 of run r cannot be found"),
        ("DELETE FROM events WHERE seq = 1", "Event 1 of run r cannot be found"),
        ("DELETE FROM events WHERE seq > 7", "Events 8 to 10 of run r cannot be found"),
        ("DELETE FROM events", "Events 1 to 10 of run r cannot be found"),
        ("DELETE FROM heads", "Event 1 of run r does not match its hash"),
        ("UPDATE heads SET hash = 'x'", "Event 10 of run r does not match its hash"),
        ("UPDATE events SET data = replace(data, 'would', 'could') WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET data = x'00ff' WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET data = '{broken' WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET at = '2026-03-03T00:00:00+00:00' WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET address = 'p/s[x]' WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET kind = 'item_ran' WHERE seq = 5", "Event 5 of run r does not match"),
        ("UPDATE events SET seq = seq + 100 WHERE seq = 10", "does not match"),
    ],
)
def test_an_edited_journal_says_where_and_what_to_do(path: Path, clock: SteppingClock, statement: str, words: str) -> None:
    """Never a shorter run that looks whole."""
    filled(path, clock)
    edit(path, statement)
    reader = SqliteJournal(path, clock, read_only=True)
    with pytest.raises(JournalBroken) as refusal:
        list(reader.read("r"))
    assert words in str(refusal.value)
    assert "Restore the journal from a backup" in refusal.value.detail
    with pytest.raises(JournalBroken):
        reader.verify("r")
    reader.close()


def test_reading_past_a_lost_event_is_refused_too(path: Path, clock: SteppingClock) -> None:
    """Whoever follows a run by its numbers stands on the one before."""
    filled(path, clock)
    edit(path, "DELETE FROM events WHERE seq = 4")
    reader = SqliteJournal(path, clock, read_only=True)
    with pytest.raises(JournalBroken):
        list(reader.read("r", after=4))
    assert [r.seq for r in reader.read("r", after=5)] == [6, 7, 8, 9, 10]
    reader.close()


def test_an_event_of_a_newer_version_is_named(path: Path, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain holds, so it is not damage; this program is merely old."""
    filled(path, clock)
    monkeypatch.delitem(KINDS, "item_changed")
    reader = SqliteJournal(path, clock, read_only=True)
    with pytest.raises(JournalBroken, match=r"Event 2 of run r is of kind 'item_changed'.*newer one"):
        list(reader.read("r"))
    assert reader.verify("r").seq == 10
    reader.close()


def test_newer_tables_are_left_alone(path: Path, clock: SteppingClock) -> None:
    filled(path, clock)
    edit(path, "PRAGMA user_version = 7")
    with pytest.raises(JournalBroken, match=r"newer switchover.*version 7.*up to 2"):
        SqliteJournal(path, clock)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_not_a_journal_is_refused_and_left_as_it_was(path: Path, clock: SteppingClock, read_only: bool) -> None:
    """A text file, somebody's own database, nothing at all."""
    path.parent.mkdir()
    path.write_text("To whom it may concern\n" * 100)
    before = path.read_bytes()
    with pytest.raises(JournalBroken, match="not a journal"):
        SqliteJournal(path, clock, read_only)
    assert path.read_bytes() == before
    path.unlink()
    edit(path, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(JournalBroken, match="another program"):
        SqliteJournal(path, clock, read_only)


def test_an_emptied_file_is_damage_and_not_a_new_journal(path: Path, clock: SteppingClock) -> None:
    """SQLite would quietly begin anew."""
    filled(path, clock)
    path.write_bytes(b"")
    with pytest.raises(JournalBroken, match="The journal is empty"):
        SqliteJournal(path, clock)


def test_reading_where_there_is_no_journal_makes_none(path: Path, clock: SteppingClock) -> None:
    with pytest.raises(JournalBroken, match="There is no journal yet"):
        SqliteJournal(path, clock, read_only=True)
    assert not path.exists()


def test_a_reader_cannot_write(path: Path, clock: SteppingClock) -> None:
    filled(path, clock)
    reader = SqliteJournal(path, clock, read_only=True)
    with pytest.raises(JournalBroken, match="read-only"):
        reader.flush(reader.append("r", [ItemUnchanged("p/s")]))
    with pytest.raises(JournalBroken):
        reader.close()


def _held_up(journal: SqliteJournal) -> threading.Event:
    """Keeps the writing thread with its watchers until the event is set, so that what comes now is one group."""
    free, busy = threading.Event(), threading.Event()

    def watch(records: Sequence[Record]) -> None:
        busy.set()
        assert free.wait(10)

    journal.subscribe(watch)
    journal.append("other", [ItemUnchanged("p/s")])
    assert busy.wait(10)
    return free


def test_a_full_disk_reaches_everybody_who_waits_and_everybody_after(
    path: Path, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLITE_FULL, as SQLite itself raises it: what was flushed stays, nothing more is taken."""
    filled(path, clock, 3)
    connect = sqlite3.connect

    def small(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]  # passed through
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    journal = SqliteJournal(path, clock)
    failures: list[JournalBroken] = []
    busy = _held_up(journal)
    tickets = [journal.append("r", [changed(f"p/s[{n}]", diff=("+" * 5000,))]) for n in range(8)]

    def wait(ticket: int) -> None:
        try:
            journal.flush(ticket)
        except JournalBroken as error:
            failures.append(error)

    waiting = [threading.Thread(target=wait, args=(ticket,)) for ticket in tickets]
    for thread in waiting:
        thread.start()
    busy.set()
    for thread in waiting:
        thread.join(10)
    assert len(failures) == 8
    assert {error.summary for error in failures} == {"The disk is full"}
    assert "switchover resume" in failures[0].detail
    with pytest.raises(JournalBroken, match="The disk is full"):
        journal.append("r", [ItemUnchanged("p/s")])
    with pytest.raises(JournalBroken, match="The disk is full"):
        journal.close()
    monkeypatch.undo()
    reader = SqliteJournal(path, clock, read_only=True)
    assert reader.verify("r").seq == 3
    reader.close()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody may walk to. Not below ``tmp_path``: pytest's own folders are root's alone, and other workers
    share them, so a test cannot open them for a while without another one noticing."""
    with tempfile.TemporaryDirectory(prefix="switchover-journal-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for entry in folder.iterdir():
            entry.chmod(0o755)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so root becomes somebody else; others need only the modes."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_file_is_worded_and_can_still_be_read(reachable: Path, clock: SteppingClock) -> None:
    """An auditor with a copy on a read-only share."""
    path = reachable / "state" / "journal.db"
    filled(path, clock)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with as_nobody():
        with pytest.raises(JournalBroken, match=r"read-only|cannot be opened"):
            SqliteJournal(path, clock)
        reader = SqliteJournal(path, clock, read_only=True)
        assert reader.verify("r").seq == 10
        reader.close()


def test_a_folder_without_write_access_is_worded(reachable: Path, clock: SteppingClock) -> None:
    """Nothing is applied without a journal, and the message says which folder."""
    locked = reachable / "locked"
    locked.mkdir(mode=0o555)
    with as_nobody(), pytest.raises(JournalBroken, match=r"cannot be reached.*locked.*write access"):
        SqliteJournal(locked / "journal.db", clock)


def test_a_file_where_the_folder_should_be_is_worded(tmp_path: Path, clock: SteppingClock) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalBroken, match="cannot be reached"):
        SqliteJournal(tmp_path / "state" / "journal.db", clock)


def test_another_process_that_keeps_it_locked_is_worded(
    path: Path, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bounded wait; ``fuser`` tells who."""
    filled(path, clock, 3)
    monkeypatch.setattr("engine.journal.sqlite._BUSY_S", 0.05)
    journal = SqliteJournal(path, clock)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBroken, match="The journal is locked"):
            journal.flush(journal.append("r", [ItemUnchanged("p/s")]))
        other.execute("ROLLBACK")
    with pytest.raises(JournalBroken):
        journal.close()


def test_two_processes_that_make_it_at_once_share_one(path: Path, clock: SteppingClock) -> None:
    """Neither finds half a file, neither throws the other's away."""
    together = threading.Barrier(4)
    journals: list[SqliteJournal] = []

    def make() -> None:
        together.wait(10)
        journals.append(SqliteJournal(path, clock))

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    journals[0].flush(journals[0].append("r", [ItemUnchanged("p/s")]))
    assert journals[3].verify("r").seq == 1
    for journal in journals:
        journal.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["journal.db"]


def test_a_journal_of_the_first_version_is_brought_up_to_date(path: Path, clock: SteppingClock) -> None:
    """Its runs and events stay, and a run can be due."""
    filled(path, clock)
    for column, index in (("due", "runs_due"), ("is_open", "runs_open")):
        edit(path, f"DROP INDEX {index}")
        edit(path, f"ALTER TABLE runs DROP COLUMN {column}")
    edit(path, "PRAGMA user_version = 1")
    journal = SqliteJournal(path, clock)
    assert journal.next_due() is None
    assert journal.append_if("r", [GateVoted("p/s", "approve", "Ana", "account ana", "d")], after=10, due=clock.moment)
    assert [info.run for info in journal.due_runs(clock.moment)] == ["r"]
    journal.close()


def test_a_second_process_at_the_same_run_is_still_found_out(path: Path, clock: SteppingClock) -> None:
    """Letters may come in between, anything else means that two work on it."""
    one, other = SqliteJournal(path, clock), SqliteJournal(path, clock)
    one.flush(one.append("r", [started("acme")]))
    assert other.append_if("r", [GateVoted("p/s", "approve", "Ana", "account ana", "d")], after=1)
    one.flush(one.append("r", [ItemUnchanged("p/s[1]")]))
    other.flush(other.append("r", [ItemUnchanged("p/s[2]")]))
    one.append("r", [ItemUnchanged("p/s[3]")])
    with pytest.raises(JournalBroken, match="Two processes write the same run"):
        one.flush()
    other.close()
