"""The journal in one SQLite file: needs no server, survives a crash at any instant.

Uses the standard library's ``sqlite3``, not SQLAlchemy: importing that takes 250 ms, more than all of ``status`` may take,
and there is nothing here it would spare us. WAL with ``synchronous=FULL``: a commit is on disk when it returns.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from engine.journal import broken, chain
from engine.journal.chain import EMPTY, Head, Pending, Row
from engine.journal.chained import ChainedJournal
from engine.journal.holder import is_dead, process_identity, refuse_living
from engine.journal.wal import torn_tail
from engine.model.event import LETTERS, Event, Record, RunFinished, RunPaused, RunResumed, RunStarted
from engine.ports import Clock, Lease, RunInfo

TABLES_VERSION = 2
_APPLICATION_ID = 0x73776A6F
_BUSY_S = 15.0
"""How long to wait for another process's transaction before giving up."""
_PAGE = 2_000
_ROWS_AT_ONCE = (128, 16, 1)
"""Rows per insert statement. Python's sqlite3 lets go of the interpreter once per statement, and has to win it back from
threads that are busy rendering: 512 events beside one such thread take 40 ms so, and 150 ms row by row."""

_HERE = Path(__file__).parent
_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_SQL = dict(_NAMED.findall((_HERE / "queries.sql").read_text(encoding="utf-8")))
_INSERT = {n: f"INSERT INTO events VALUES {','.join(['(?,?,?,?,?,?,?,?)'] * n)}" for n in _ROWS_AT_ONCE}  # noqa: S608  # marks only


class SqliteJournal(ChainedJournal):
    """A ``Journal`` in the file at ``path``, made with its folder when missing: 0600 in 0700, for it tells who did what.

    ``read_only`` opens an existing file for looking; it needs no write access. Raises ``JournalBroken`` when the file cannot
    be used.
    """

    def __init__(self, path: Path, clock: Clock, read_only: bool = False) -> None:
        super().__init__(clock)
        self._path = path
        self._read_only = read_only
        self._heads: dict[str, Head] = {}
        """Where each run ended when this process last wrote it."""
        self._met: Counter[str] = Counter()
        self._writing = threading.Lock()
        self._kept = threading.local()
        if not read_only:
            _make(path)
        with self._worded():
            self._connection = self._connect()
        self.notice = self._inspect()
        """What an operator should know about how the file was found; usually empty."""

    def close(self) -> None:
        """Flushes and closes; a second time does nothing."""
        try:
            super().close()
        finally:
            with self._worded():
                self._connection.close()

    def runs(self, scope: str | None = None) -> list[RunInfo]:
        """All runs that started, newest first."""
        with self._reading() as connection:
            rows = connection.execute(_SQL["runs"]) if scope is None else connection.execute(_SQL["runs_of_scope"], (scope,))
            return [_info(row) for row in rows]

    def run_of_plan(self, plan_id: str) -> str | None:
        """The run a plan was applied by."""
        with self._reading() as connection:
            row = connection.execute(_SQL["run_of_plan"], (plan_id,)).fetchone()
        return None if row is None else str(row[0])

    def last_changes(self, scope: str, runbook: str) -> Mapping[str, datetime]:
        """Address -> when it was last changed by a runbook of this name for this scope."""
        with self._reading() as connection:
            rows = connection.execute(_SQL["last_changes"], (scope, runbook))
            return {address: datetime.fromisoformat(at) for address, at, _ in rows}

    def acquire(self, lease: Lease) -> None:
        """Takes the scope's lease, in one transaction. Raises ``LockHeld`` unless it is free, its own, or a dead process's."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                found = connection.execute(_SQL["lease"], (lease.scope,)).fetchone()
                if found is not None:
                    refuse_living(_lease_of(found), found[6], lease)
                values = (lease.scope, lease.run, lease.host, lease.pid, lease.actor, lease.since.isoformat())
                connection.execute(_SQL["take_lease"], (*values, process_identity(lease.pid)))
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def holder(self, scope: str) -> Lease | None:
        """Who is at work on the scope; None when nobody is, or when the holder is known to be dead."""
        with self._reading() as connection:
            found = connection.execute(_SQL["lease"], (scope,)).fetchone()
        return None if found is None or is_dead(_lease_of(found), found[6]) else _lease_of(found)

    def release(self, lease: Lease) -> None:
        """Gives back this very lease; somebody else's on the same scope stays."""
        with self._reading() as connection:
            connection.execute(_SQL["drop_lease"], (lease.scope, lease.run, lease.host, lease.pid))

    def _checked(self, run: str, after: int) -> Iterator[tuple[Row, bytes]]:
        with self._reading() as connection:
            last, *head = connection.execute(_SQL["end"], (run,)).fetchone()
            end = EMPTY if head[0] is None else Head(*head)
            if last is not None and last != end.seq:
                raise chain.cut(run, last, end.seq)
            if after < end.seq:
                start = EMPTY if after == 0 else Head(after, _hash_at(connection, run, after))
                yield from chain.checked(run, _pages(connection, run, after, end.seq), start, end)

    def _commit(self, batch: Sequence[Pending]) -> Sequence[Row]:
        with self._writing, self._worded():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                heads = self._heads_of(connection, batch)
                rows = self._store(connection, batch, heads)
                connection.execute("COMMIT")
                self._heads.update(heads)
            except BaseException:
                with suppress(sqlite3.Error):  # the first error is the one to tell; SQLite often has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            return rows

    def append_if(
        self, run: str, events: Sequence[Event], after: int, due: datetime | None = None, *, letters: bool = False,
        check: Callable[[], bool] | None = None,
    ) -> bool:
        """Adds events if nothing, or with ``letters`` no letter, came since number ``after``, and ``check``, asked inside the
        transaction, says yes; durable on return."""
        self._writer.flush()
        batch = self._packed(run, events)
        with self._writing, self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                heads = self._heads_of(connection, batch) if letters else {run: _head(connection, run)}
                stops = LETTERS & self._kinds(connection, run, after) if letters else heads[run].seq != after
                # The file has one writer at a time, and that is us: what others would have to add first is not there.
                if stops or (check is not None and not check()):
                    return False
                rows = self._store(connection, batch, heads)
                if due is not None:
                    connection.execute(_SQL["set_due"], (due.timestamp(), run))
                connection.execute("COMMIT")
                if letters:
                    self._heads.update(heads)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        self._writer.tell(batch, rows)
        return True

    def pick(self, run: str, kinds: Collection[str]) -> Iterator[Record]:
        """The run's events of some kinds, in order, unchecked."""
        with self._picking() as connection:
            for row in connection.execute(_SQL["picked"], (run, orjson.dumps(list(kinds)).decode())).fetchall():
                yield chain.record_of(run, Row(*row))

    @contextmanager
    def _picking(self) -> Iterator[sqlite3.Connection]:
        """One connection kept for many small questions, by the thread that asks them."""
        kept = getattr(self._kept, "connection", None)
        if kept is None:
            kept = self._kept.connection = self._connect()
        with self._worded():
            yield kept

    def has_letters(self, run: str, after: int) -> bool:
        """Whether somebody added a letter past number ``after``."""
        with self._reading() as connection:
            return bool(LETTERS & self._kinds(connection, run, after))

    def letters_met(self, run: str) -> int:
        """How often a commit of this process found letters before its own events."""
        return self._met[run]

    def due_runs(self, now: datetime) -> list[RunInfo]:
        """Waiting runs that have something to do at ``now``, the longest due first."""
        with self._reading() as connection:
            return [_info(row) for row in connection.execute(_SQL["due_runs"], (now.timestamp(),))]

    def open_runs(self) -> list[RunInfo]:
        """Runs that have not succeeded, newest first."""
        with self._reading() as connection:
            return [_info(row) for row in connection.execute(_SQL["open_runs"])]

    def next_due(self) -> datetime | None:
        """When the next waiting run is due; None when none is, by itself."""
        with self._reading() as connection:
            found = connection.execute(_SQL["next_due"]).fetchone()[0]
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def _store(self, connection: sqlite3.Connection, batch: Sequence[Pending], heads: dict[str, Head]) -> list[Row]:
        """Numbers and inserts, inside a transaction. ``heads`` moves on with it."""
        rows = []
        for pending in batch:
            row = chain.chained(pending, heads[pending.run])
            heads[pending.run] = Head(row.seq, row.hash)
            rows.append(row)
        _insert(connection, [(p.run, *row) for p, row in zip(batch, rows, strict=True)])
        connection.executemany(_SQL["set_head"], [(run, *head) for run, head in heads.items()])
        for pending in batch:
            if isinstance(pending.event, RunStarted):
                connection.execute(_SQL["add_run"], _run_row(pending, pending.event))
            elif isinstance(pending.event, RunFinished | RunResumed):
                connection.execute(_SQL["set_standing"], (*_standing(pending.event), pending.run))
            elif isinstance(pending.event, RunPaused):
                connection.execute(_SQL["set_due"], (None, pending.run))
        return rows

    @staticmethod
    def _kinds(connection: sqlite3.Connection, run: str, after: int) -> set[str]:
        return {kind for (kind,) in connection.execute(_SQL["kinds_after"], (run, after))}

    def _heads_of(self, connection: sqlite3.Connection, batch: Sequence[Pending]) -> dict[str, Head]:
        """Where each run of the batch ends. Since this process wrote last, only letters may have been added: anything else was
        written by a second process at the same work, and then this one stops."""
        heads = {}
        for run in dict.fromkeys(pending.run for pending in batch):
            head, known = _head(connection, run), self._heads.get(run)
            moved = known is not None and head.seq != known.seq
            if known is not None and moved and (head.seq < known.seq or self._kinds(connection, run, known.seq) - LETTERS):
                raise broken.two_at_work(self._path)
            self._met[run] += moved
            heads[run] = head
        return heads

    def _inspect(self) -> str:
        """Refuses what is not a journal, and looks for a transaction that was cut off."""
        with self._worded():
            found = self._connection.execute("PRAGMA application_id").fetchone()[0]
            if found != _APPLICATION_ID:
                raise broken.foreign(self._path, "it is an SQLite file of another program")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > TABLES_VERSION:
                raise broken.newer(self._path, version, TABLES_VERSION)
            if self._read_only:
                return ""
            if version < TABLES_VERSION:
                self._upgrade()
            self._connection.execute("BEGIN IMMEDIATE")  # nobody is writing while we look
            try:
                torn = torn_tail(self._path)
            finally:
                self._connection.execute("ROLLBACK")
        return _TORN.format(path=self._path) if torn else ""

    def _upgrade(self) -> None:
        """Brings an older version's tables up to date, whole or not at all."""
        script = (_HERE / "upgrade.sql").read_text(encoding="utf-8")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been quicker.
            if self._connection.execute("PRAGMA user_version").fetchone()[0] < TABLES_VERSION:
                for statement in filter(str.strip, script.split(";")):
                    self._connection.execute(statement)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own: callers are in many threads, and the writer's is busy."""
        with self._worded(), closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        if not self._read_only:
            connection = _open(f"{self._path.resolve().as_uri()}?mode=rw")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return connection
        return _open_to_read(self._path)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise broken.worded(error, self._path) from error


_TORN = (
    "the last write to {path} was cut short, as happens when the machine loses power or the process is killed. It had not been "
    "confirmed: what it was about is looked at again"
)


def _make(path: Path) -> None:
    """Puts a new journal in place complete, so that a file without tables always means damage."""
    try:
        if path.exists():
            if path.stat().st_size == 0:
                raise broken.emptied(path)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the first byte
        os.close(handle)
        try:
            with closing(sqlite3.connect(temporary)) as connection:
                # In one transaction: each of a dozen statements for itself would wait for the disk four times.
                connection.executescript(f"BEGIN;\n{(_HERE / 'schema.sql').read_text(encoding='utf-8')}\nCOMMIT;")
            with suppress(FileExistsError):  # another process was quicker, and made the same
                os.link(temporary, path)
        finally:
            Path(temporary).unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise broken.unreachable(path, error) from error
    except sqlite3.Error as error:
        raise broken.worded(error, path) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """SQLite needs to write beside a WAL file even to read it. Where it may not, a journal at rest can still be read."""
    try:
        if not path.exists():
            raise broken.absent(path)
        if path.stat().st_size == 0:
            raise broken.emptied(path)
    except OSError as error:
        raise broken.unreachable(path, error) from error
    uri = path.resolve().as_uri()
    connection = _open(f"{uri}?mode=ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        wal = path.with_name(f"{path.name}-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return _open(f"{uri}?mode=ro&immutable=1")
    return connection


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - start >= size:
            connection.execute(_INSERT[size], [value for row in rows[start : start + size] for value in row])
            start += size


def _head(connection: sqlite3.Connection, run: str) -> Head:
    found = connection.execute(_SQL["head"], (run,)).fetchone()
    return EMPTY if found is None else Head(*found)


def _hash_at(connection: sqlite3.Connection, run: str, seq: int) -> str:
    found = connection.execute(_SQL["hash_at"], (run, seq)).fetchone()
    return "" if found is None else str(found[0])  # nothing follows an empty hash: the check says what is wrong


def _pages(connection: sqlite3.Connection, run: str, after: int, last: int) -> Iterator[Row]:
    """By pages and not in one query: an open query keeps the writer from shortening its log."""
    while after < last:
        page = [Row(*row) for row in connection.execute(_SQL["page"], (run, after, last, _PAGE))]
        if not page:
            return
        yield from page
        after = page[-1].seq


def _info(row: tuple[str, str, str, str, str]) -> RunInfo:
    run, scope, runbook, plan, at = row
    return RunInfo(run, scope, runbook, plan, datetime.fromisoformat(at))


def _standing(event: RunFinished | RunResumed) -> tuple[float | None, bool]:
    """When the run is due, and whether there is still something to it."""
    if isinstance(event, RunResumed):
        return None, True
    return datetime.fromisoformat(event.due).timestamp() if event.due else None, event.status not in ("succeeded", "cancelled")


def _run_row(pending: Pending, event: RunStarted) -> tuple[str, ...]:
    return (pending.run, event.scope, str(event.header.get("runbook_name", "")), event.plan_id, pending.at.isoformat())


def _lease_of(row: tuple[str, str, str, int, str, str, str]) -> Lease:
    scope, run, host, pid, actor, since, _ = row
    return Lease(scope, run, host, pid, actor, datetime.fromisoformat(since))

