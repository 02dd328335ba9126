"""What every ``FileSession`` owes the actions, whatever lies under it: a folder, TFTP, commands over SSH, SFTP.

The same claims against all of them, on the lab's servers and on Debian's own; what arrived is looked at on the disk, not
through the session.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from engine.lab.board import Fault, write_faults
from engine.model.errors import ActionFailure, Permanent, Temporary, WriteRefused
from engine.ports import FileSession
from engine.transports.local import LocalPool
from engine.transports.ssh import SshPool
from engine.transports.tftp import TftpPool
from tests.support.ssh_device import ssh_device
from tests.support.sshd import require_sshd, sshd
from tests.support.tftpd import lab_tftpd, require_tftpd, tftpd
from tests.support.trouble import frozen, nobody

Deadline = Callable[[], float]
Freeze = Callable[[], contextlib.AbstractContextManager[None]]
PLENTY_S = 20.0
SLACK_S = 5.0
"""Machines that run tests are busy: later than this past its deadline an exchange counts as not having kept it."""
EVERY_BYTE = bytes(range(256)) * 3 + b"\r\n\r\0\n\x1a\xff"
SIZES = (0, 1, 511, 512, 513, 1427, 1428, 1428 * 2, 1428 * 45, 65_535, 65_536, 65_537)


@dataclass
class Place:
    """Somewhere files are kept: how to open a session on it, and where its root lies on this machine's disk."""

    folder: Path
    pool: LocalPool | TftpPool | SshPool
    settings: Mapping[str, object]
    freeze: Freeze | None = None
    """Has the server stand still."""
    dawdle: Callable[[float], None] | None = None
    """Has the server take so many seconds for each request; 0 ends it."""
    requests_per_write: int = 1
    makes_folders: bool = False
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def session(self, *, read_only: bool = False, left: Deadline = lambda: PLENTY_S, **settings: object) -> FileSession:
        return self.pool.session({**self.settings, **settings}, read_only, left)

    def corner(self) -> tuple[str, Path]:
        """A folder below the root for one test: its path for a session, and on the disk."""
        name = f"corner-{next(self._serial)}"
        (self.folder / name).mkdir()
        (self.folder / name).chmod(0o777)  # tftpd-hpa writes as nobody
        return name, self.folder / name


# ---------------------------------------------------------------- the places


@contextlib.contextmanager
def _local(folder: Path) -> Iterator[Place]:
    root = folder / "root"
    root.mkdir()
    yield Place(root, LocalPool(), {"root": str(root)}, makes_folders=True)


@contextlib.contextmanager
def _tftp_of_the_lab(folder: Path) -> Iterator[Place]:
    with lab_tftpd(folder) as server:
        def dawdle(seconds: float) -> None:
            server.misbehave(*(["slow"] if seconds else []), value=seconds)

        with contextlib.closing(TftpPool()) as pool:
            settings = server.settings(timeout_s=1.0, retries=4)
            yield Place(server.root, pool, settings, lambda: frozen(server.process.pid), dawdle)


@contextlib.contextmanager
def _tftpd_hpa(folder: Path) -> Iterator[Place]:
    require_tftpd()
    with tftpd(folder / "root") as server, contextlib.closing(TftpPool()) as pool:
        yield Place(server.root, pool, server.settings(), lambda: frozen(server.process.pid))


@contextlib.contextmanager
def _ssh_device(folder: Path, kind: str) -> Iterator[Place]:
    with ssh_device(folder) as device:
        def dawdle(seconds: float) -> None:
            write_faults(folder, [Fault("dawdle", "ssh", "slow", value=seconds)] if seconds else [])

        (device.root / "files").mkdir()
        with contextlib.closing(SshPool(lambda name: {})) as pool:
            settings = device.settings(type=kind, root="/files")
            # The device has every folder that a command names.
            yield Place(
                device.root / "files", pool, settings, lambda: frozen(device.pid), dawdle,
                requests_per_write=5 if kind == "sftp" else 1, makes_folders=kind == "ssh",
            )


@contextlib.contextmanager
def _sshd(folder: Path, kind: str, *options: str) -> Iterator[Place]:
    require_sshd()
    root = folder / "root"
    root.mkdir()
    with sshd(folder / "server", *options) as server:

        @contextlib.contextmanager
        def freeze() -> Iterator[None]:
            try:
                server.freeze()
                yield
            finally:
                server.thaw()

        with contextlib.closing(SshPool(lambda name: {})) as pool:
            yield Place(root, pool, server.settings(type=kind, root=str(root)), freeze)


PLACES: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[Place]]] = {
    "local": _local,
    "tftp-lab": _tftp_of_the_lab,
    "tftp-hpa": _tftpd_hpa,
    "ssh-lab": lambda folder: _ssh_device(folder, "ssh"),
    "sftp-lab": lambda folder: _ssh_device(folder, "sftp"),
    "ssh-real": lambda folder: _sshd(folder, "ssh"),
    "sftp-real": lambda folder: _sshd(folder, "sftp"),
    "ssh-no-shell-real": lambda folder: _sshd(folder, "ssh", "ForceCommand internal-sftp"),
}


def params(*names: str) -> list[ParameterSet]:
    return [pytest.param(name, marks=[pytest.mark.real] if name.endswith(("real", "hpa")) else []) for name in names]


remote_places = pytest.mark.parametrize("place", params(*(n for n in PLACES if n != "local")), indirect=True, scope="module")
dawdling_places = pytest.mark.parametrize("place", params("tftp-lab", "ssh-lab", "sftp-lab"), indirect=True, scope="module")


@pytest.fixture(scope="module", params=params(*PLACES))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with PLACES[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


# ---------------------------------------------------------------- reading and writing


def test_what_is_not_there_reads_as_none(place: Place) -> None:
    """No file, or no folder for it: both are absence, not a failure."""
    corner, _ = place.corner()
    session = place.session(read_only=True)
    for path in (f"{corner}/none.cfg", f"{corner}/none/none.cfg"):
        assert session.read(path) is None
        assert session.modified_at(path) is None


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_on_the_disk_and_comes_back_byte_for_byte(place: Place, size: int) -> None:
    """Sizes at which blocks, packets and buffers end are where bytes get lost."""
    corner, folder = place.corner()
    data = (EVERY_BYTE * (size // len(EVERY_BYTE) + 1))[:size]

    place.session().write(f"{corner}/a.cfg", data)

    assert (folder / "a.cfg").read_bytes() == data
    assert place.session(read_only=True).read(f"{corner}/a.cfg") == data


def test_a_shorter_file_replaces_a_longer_one_whole(place: Place) -> None:
    """Nothing of the old one is left behind it, and nothing else lies about."""
    corner, folder = place.corner()
    for data in (b"x" * 70_000, b"short\n", b"", b"y" * 3000):
        place.session().write(f"{corner}/a.cfg", data)
        assert place.session(read_only=True).read(f"{corner}/a.cfg") == data
        assert [entry.name for entry in folder.iterdir()] == ["a.cfg"]


@pytest.mark.parametrize("name", ["two words.cfg", "it's.cfg", '"$(touch pwned)`x`;&.cfg', "ümläut-数.cfg", "-rf", "*", "~"])
def test_a_name_is_taken_as_it_stands(place: Place, name: str) -> None:
    """No shell, no pattern, no option is made of it."""
    corner, folder = place.corner()

    place.session().write(f"{corner}/{name}", b"content")

    assert [entry.name for entry in folder.iterdir()] == [name]
    assert place.session(read_only=True).read(f"{corner}/{name}") == b"content"


def test_a_mode_is_set_where_there_are_modes(place: Place) -> None:
    """A file with a password is private from its first byte."""
    corner, folder = place.corner()

    place.session().write(f"{corner}/a.cfg", b"secret", 0o600)

    if place.session().can_remove:  # TFTP knows neither modes nor removal
        assert (folder / "a.cfg").stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_made_or_named(place: Place) -> None:
    """Never taken for something that trying again would heal."""
    corner, folder = place.corner()
    path = f"{corner}/new/a.cfg"
    if place.makes_folders:
        place.session().write(path, b"1")
        assert (folder / "new" / "a.cfg").read_bytes() == b"1"
        return
    with pytest.raises(Permanent, match=r"folder"):
        place.session().write(path, b"1")
    assert list(folder.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_is_a_failure_and_not_absence(place: Place) -> None:
    """Or the plan would promise to create what cannot be created."""
    corner, folder = place.corner()
    (folder / "a.cfg").mkdir()
    for use in (place.session().read, lambda path: place.session().write(path, b"1")):
        with pytest.raises((Permanent, Temporary)) as caught:
            use(f"{corner}/a.cfg")
        assert type(caught.value) in (Permanent, Temporary)
    assert (folder / "a.cfg").is_dir()
    assert list((folder / "a.cfg").iterdir()) == []


# ---------------------------------------------------------------- removing, and when


def test_remove_deletes_where_the_protocol_can_and_says_so_where_not(place: Place) -> None:
    """Removing what is gone is no error: the answer to the first time may have been lost."""
    corner, folder = place.corner()
    session = place.session()
    session.write(f"{corner}/a.cfg", b"1")
    if session.can_remove:
        session.remove(f"{corner}/a.cfg")
        session.remove(f"{corner}/a.cfg")
        session.remove(f"{corner}/never/was.cfg")
        assert [entry for entry in folder.iterdir() if entry.is_file()] == []
        assert session.read(f"{corner}/a.cfg") is None
        return
    with pytest.raises(Permanent, match="no way to delete"):
        session.remove(f"{corner}/a.cfg")
    assert (folder / "a.cfg").read_bytes() == b"1"


def test_when_it_last_changed_is_told_where_it_can_be(place: Place) -> None:
    """By the other side's clock, which is this one's here."""
    corner, _ = place.corner()
    session = place.session()
    session.write(f"{corner}/a.cfg", b"1")

    told = place.session(read_only=True).modified_at(f"{corner}/a.cfg")

    if session.can_remove:
        assert told is not None
        assert abs(told - datetime.now(UTC)) < timedelta(seconds=60)
    else:
        assert told is None


# ---------------------------------------------------------------- what is refused


def test_a_session_that_only_reads_refuses_every_verb_that_writes(place: Place) -> None:
    """In words that name the file, before a byte has left."""
    corner, folder = place.corner()
    place.session().write(f"{corner}/a.cfg", b"1")
    before = (folder / "a.cfg").stat().st_mtime_ns
    reading = place.session(read_only=True)
    uses: tuple[Callable[[str], None], ...] = (
        lambda p: reading.write(p, b"2"), lambda p: reading.write(p, b"2", 0o600), reading.remove,
    )
    for use, name in itertools.product(uses, ("a.cfg", "b.cfg")):
        with pytest.raises(WriteRefused, match=name):
            use(f"{corner}/{name}")
    assert reading.read(f"{corner}/a.cfg") == b"1"
    assert (folder / "a.cfg").stat().st_mtime_ns == before
    assert [entry.name for entry in folder.iterdir()] == ["a.cfg"]


@pytest.mark.parametrize("path", ["../outside.cfg", "a/../../outside.cfg", "../../etc/passwd", "", "..", "a\0b", "/"])
def test_no_path_leads_out_of_the_root(place: Place, path: str) -> None:
    """An item's field may be part of a path: what it holds must not reach other files."""
    outside = place.folder.parent / "outside.cfg"
    outside.write_bytes(b"outside")
    session = place.session()
    uses: tuple[Callable[[str], object], ...] = (session.read, lambda p: session.write(p, b"2"))
    if session.can_remove:
        uses += (session.remove, session.modified_at)
    for use in uses:
        with pytest.raises(Permanent):
            use(path)
    assert outside.read_bytes() == b"outside"


def test_an_absolute_path_stays_below_the_root(place: Place) -> None:
    """Refused, or read as below the root; never the machine's own file."""
    with contextlib.suppress(Permanent):
        assert place.session(read_only=True).read("/etc/passwd") is None


# ---------------------------------------------------------------- time


def test_without_time_nothing_is_begun(place: Place) -> None:
    """The attempt was over before: that is temporary, and nothing was done."""
    corner, folder = place.corner()
    place.session().write(f"{corner}/a.cfg", b"1")
    late = place.session(left=lambda: 0.0)
    uses: tuple[Callable[[str], object], ...] = (late.read, lambda p: late.write(p, b"2"))
    if late.can_remove:
        uses += (late.remove, late.modified_at)
    for use in uses:
        with pytest.raises(Temporary, match="timed out"):
            use(f"{corner}/a.cfg")
    assert (folder / "a.cfg").read_bytes() == b"1"


@remote_places
def test_a_server_that_stands_still_is_left_at_the_deadline(place: Place) -> None:
    """In time, as temporary, and the session before it does no harm to the one after it."""
    assert place.freeze is not None
    corner, _ = place.corner()
    place.session().write(f"{corner}/a.cfg", b"1")
    with place.freeze():
        for use in (lambda s: s.read(f"{corner}/a.cfg"), lambda s: s.write(f"{corner}/b.cfg", b"2" * 5000)):
            _ends_in_time(place, use, 0.3)
    assert place.session(read_only=True).read(f"{corner}/a.cfg") == b"1"


@dawdling_places
def test_a_server_that_dawdles_over_every_request_is_left_at_the_deadline(place: Place) -> None:
    """The deadline is for the whole exchange, not for each request of it: here each is in time, and all together are not."""
    assert place.dawdle is not None
    corner, _ = place.corner()
    place.session().write(f"{corner}/a.cfg", b"1")
    try:
        place.dawdle(1.5)
        _ends_in_time(place, lambda s: s.read(f"{corner}/a.cfg"), 0.7)
        place.dawdle(2.0 / place.requests_per_write)
        _ends_in_time(place, lambda s: s.write(f"{corner}/a.cfg", b"2"), 0.7)
    finally:
        place.dawdle(0)


def _ends_in_time(place: Place, use: Callable[[FileSession], object], within_s: float, slack_s: float = SLACK_S) -> None:
    started = time.monotonic()
    session = place.session(left=lambda: within_s - (time.monotonic() - started))
    with pytest.raises(Temporary) as caught:
        use(session)
    assert time.monotonic() - started < within_s + slack_s
    _is_fit_to_be_shown(caught.value)


# ---------------------------------------------------------------- trouble, and many at once


@remote_places
def test_a_server_that_is_not_there_is_temporary_and_named(place: Place) -> None:
    """It may come back; who reads it knows which server to look at."""
    uses: tuple[Callable[[FileSession], object], ...] = (lambda s: s.read("a.cfg"), lambda s: s.write("a.cfg", b"1"))
    with nobody() as port:
        for use in uses:
            with pytest.raises(Temporary, match=r"127\.0\.0\.1") as caught:
                use(place.session(port=port, left=lambda: 3.0))
            _is_fit_to_be_shown(caught.value)


def test_many_threads_work_beside_each_other(place: Place) -> None:
    """Each gets its own content back: sessions are made per attempt, and what they share is the pool's business."""
    corner, folder = place.corner()

    def work(number: int) -> bytes | None:
        data = f"{number} ".encode() * 500
        place.session().write(f"{corner}/{number}.cfg", data)
        return place.session(read_only=True).read(f"{corner}/{number}.cfg")

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(work, range(24)))

    assert found == [f"{number} ".encode() * 500 for number in range(24)]
    assert len(list(folder.iterdir())) == 24


def _is_fit_to_be_shown(failure: ActionFailure) -> None:
    assert type(failure) is Temporary
    assert 20 < len(failure.why) < 500
    assert "\n" not in failure.why
    assert "Errno" not in failure.why
