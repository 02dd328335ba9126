"""A journal cut short at any byte: what is left is a true beginning of the run, or it is refused aloud."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.journal.sqlite import SqliteJournal
from engine.journal.wal import torn_tail
from engine.model.errors import JournalBroken
from engine.model.event import ItemUnchanged, Record
from tests.support.journals import SteppingClock, changed, started

EVENTS = 60


def write(journal: SqliteJournal) -> list[Record]:
    """A run of many small transactions, with some large events that need pages of their own."""
    journal.flush(journal.append("r", [started("acme")]))
    for n in range(EVENTS - 1):
        lines = ("+ a line of a file",) * (200 if n % 7 == 0 else 1)
        journal.flush(journal.append("r", [changed(f"p/s[{n}]", diff=lines)]))
    return list(journal.read("r"))


@pytest.fixture
def at_work(tmp_path: Path, clock: SteppingClock) -> tuple[Path, list[Record]]:
    """Copies of the files of a journal in the middle of a run, as a dead machine leaves them."""
    journal = SqliteJournal(tmp_path / "live" / "journal.db", clock)
    records = write(journal)
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "live" / name, frozen / name)
    journal.close()
    return frozen, records


def reopened(folder: Path, clock: SteppingClock) -> tuple[list[Record], str] | None:
    """What can be read after reopening, and the notice; None when it is refused."""
    try:
        journal = SqliteJournal(folder / "journal.db", clock)
    except JournalBroken as refusal:
        assert refusal.detail
        return None
    try:
        return list(journal.read("r")), journal.notice
    except JournalBroken as refusal:
        assert "run r" in refusal.detail or "Restore" in refusal.detail
        return None
    finally:
        journal.close()


def cut(source: Path, target: Path, name: str, size: int) -> Path:
    """A copy of the journal whose file ``name`` ends after ``size`` bytes."""
    shutil.copytree(source, target)
    with (target / name).open("r+b") as stream:
        stream.truncate(size)
    return target


def offsets(size: int, count: int) -> list[int]:
    """Spread over the file, and never on a round number alone."""
    return [size * n // count + n % 5 for n in range(count)]


def test_whole_files_of_a_dead_machine_lose_nothing(at_work: tuple[Path, list[Record]], clock: SteppingClock) -> None:
    """What was flushed is there, and there is nothing to tell."""
    folder, records = at_work
    assert reopened(folder, clock) == (records, "")


def test_a_log_cut_short_anywhere_leaves_a_true_beginning_and_says_so(
    at_work: tuple[Path, list[Record]], tmp_path: Path, clock: SteppingClock
) -> None:
    """No gap in the middle, no half event; the run can go on from there."""
    folder, records = at_work
    size = (folder / "journal.db-wal").stat().st_size
    lengths = set()
    for n, offset in enumerate(offsets(size, 80)):
        found = reopened(cut(folder, tmp_path / f"wal-{n}", "journal.db-wal", offset), clock)
        assert found is not None
        events, notice = found
        assert events == records[: len(events)]
        assert ("was cut short" in notice) == (0 < offset < size)
        lengths.add(len(events))
    assert len(lengths) > 20


def test_a_database_cut_short_anywhere_is_refused(tmp_path: Path, clock: SteppingClock) -> None:
    """At rest all is in the one file; any missing byte is noticed, unless it was padding and nothing is missing."""
    journal = SqliteJournal(tmp_path / "rest" / "journal.db", clock)
    records = write(journal)
    journal.close()
    assert [entry.name for entry in (tmp_path / "rest").iterdir()] == ["journal.db"]
    size = (tmp_path / "rest" / "journal.db").stat().st_size
    for n, offset in enumerate([0, 1, 15, 99, 100, 4095, 4096, *offsets(size, 60), size - 1]):
        found = reopened(cut(tmp_path / "rest", tmp_path / f"db-{n}", "journal.db", offset), clock)
        assert found is None or (found[0] == records and offset > size - 4096), offset


def test_a_database_cut_short_beside_its_log_never_loses_the_middle(
    tmp_path: Path, clock: SteppingClock
) -> None:
    """Half of the run has moved from the log into the database when that is damaged."""
    journal = SqliteJournal(tmp_path / "live" / "journal.db", clock)
    write(journal)
    journal._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    for n in range(10):
        journal.flush(journal.append("r", [ItemUnchanged(f"p/late[{n}]")]))
    records = list(journal.read("r"))
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "live" / name, frozen / name)
    journal.close()
    assert reopened(cut(frozen, tmp_path / "whole", "journal.db", (frozen / "journal.db").stat().st_size), clock) == (records, "")
    for n, offset in enumerate(offsets((frozen / "journal.db").stat().st_size, 60)):
        found = reopened(cut(frozen, tmp_path / f"both-{n}", "journal.db", offset), clock)
        assert found is None or found[0] == records, offset


def test_flipped_bits_are_noticed(tmp_path: Path, clock: SteppingClock) -> None:
    """A failing disk: the events are right to the last letter, or refused."""
    journal = SqliteJournal(tmp_path / "rest" / "journal.db", clock)
    records = write(journal)
    journal.close()
    content = (tmp_path / "rest" / "journal.db").read_bytes()
    refused = 0
    for n, offset in enumerate(offsets(len(content) - 8, 120)):
        target = tmp_path / f"flip-{n}"
        target.mkdir()
        (target / "journal.db").write_bytes(content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :])
        found = reopened(target, clock)
        refused += found is None
        assert found is None or found[0] == records, offset
    assert refused > 40


def test_a_transaction_that_was_never_committed_is_told(tmp_path: Path, clock: SteppingClock) -> None:
    """Complete frames without the commit mark at their end."""
    journal = SqliteJournal(tmp_path / "live" / "journal.db", clock)
    journal.flush(journal.append("r", [changed("p/s", diff=("x" * 30_000,))]))
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "live" / name, frozen / name)
    journal.close()
    size = (frozen / "journal.db-wal").stat().st_size
    with (frozen / "journal.db-wal").open("r+b") as stream:
        stream.truncate(size - 4096 - 24)
    assert torn_tail(frozen / "journal.db")
    found = reopened(frozen, clock)
    assert found is not None
    assert found[0] == []
    assert "was cut short" in found[1]
