"""Files in a folder: whole, in one step, and never outside it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.ports import FileSession
from engine.transports.local import LocalPool, LocalSession


def forever() -> float:
    return 60.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def files(root: Path) -> LocalSession:
    return LocalPool().session({"root": str(root)}, False, forever)


@pytest.fixture
def reader(root: Path) -> LocalSession:
    return LocalPool().session({"root": str(root)}, True, forever)


def test_is_a_file_session(files: LocalSession) -> None:
    """The type checker and the transport agree on the port."""
    port: FileSession = files
    assert port.can_remove


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 3_000_000])
def test_what_is_written_is_read_back(files: LocalSession, size: int) -> None:
    """Of any size, around the first buffer's edge too."""
    content = os.urandom(size)
    files.write("some/new/folder/x.cfg", content)
    assert files.read("some/new/folder/x.cfg") == content


@pytest.mark.parametrize("path", ["x.cfg", "no/folder/x.cfg"])
def test_a_missing_file_reads_as_none(files: LocalSession, path: str) -> None:
    """Also when its folder is missing."""
    assert files.read(path) is None
    assert files.modified_at(path) is None


def test_a_missing_root_is_said_and_not_taken_for_an_empty_one(root: Path) -> None:
    """Or a mistyped root would plan to create every file."""
    with pytest.raises(Permanent, match="does not exist; create it"):
        LocalPool().session({"root": str(root / "nope")}, True, forever)
    with pytest.raises(Permanent, match="needs 'root'"):
        LocalPool().session({}, True, forever)


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "a/../x", "/etc/passwd", "/x", "", ".", "..", "a/", "a/..", "a\0b", "../root/x", "\ud800/x", "\ud800"],
)
def test_no_path_leads_out_of_the_root(files: LocalSession, root: Path, path: str) -> None:
    """Reading, writing and removing are refused alike."""
    before = sorted(root.parent.rglob("*"))
    for use in (files.read, files.remove, lambda p: files.write(p, b"x")):
        with pytest.raises(Permanent):
            use(path)
    assert sorted(root.parent.rglob("*")) == before


def test_a_link_that_leads_out_is_refused(files: LocalSession, root: Path) -> None:
    """Whether it is the file or a folder."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "x.cfg").write_bytes(b"theirs")
    (root / "file.cfg").symlink_to(outside / "x.cfg")
    (root / "folder").symlink_to(outside)
    for path in ("file.cfg", "folder/x.cfg"):
        with pytest.raises(Permanent, match="leads out of the folder"):
            files.read(path)
        with pytest.raises(Permanent, match="leads out of the folder"):
            files.write(path, b"ours")
    assert (outside / "x.cfg").read_bytes() == b"theirs"


def test_a_link_inside_the_root_is_followed(files: LocalSession, root: Path) -> None:
    """Writing replaces the file it leads to and leaves the link."""
    (root / "real.cfg").write_bytes(b"old")
    (root / "link.cfg").symlink_to("real.cfg")
    assert files.read("link.cfg") == b"old"
    files.write("link.cfg", b"new")
    assert (root / "link.cfg").is_symlink()
    assert (root / "real.cfg").read_bytes() == b"new"


def test_a_dangling_link_reads_as_none(files: LocalSession, root: Path) -> None:
    (root / "link.cfg").symlink_to("nowhere.cfg")
    assert files.read("link.cfg") is None


def test_a_reader_never_sees_half_a_file(files: LocalSession, root: Path) -> None:
    """The old content or the new one, whoever looks and when."""
    old, new = b"a" * 500_000, b"b" * 400_000
    files.write("x", old)
    stop = threading.Event()
    seen: set[bytes | None] = set()

    def watch() -> None:
        while not stop.is_set():
            seen.add(files.read("x"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for content in (new, old) * 20:
        files.write("x", content)
    stop.set()
    watcher.join()
    assert seen <= {old, new}


def test_a_mode_holds_whatever_the_umask(files: LocalSession, root: Path) -> None:
    for mode in (0o600, 0o666):
        files.write("x", b"1", mode)
        assert stat.S_IMODE((root / "x").stat().st_mode) == mode


def test_a_replaced_file_keeps_its_mode(files: LocalSession, root: Path) -> None:
    """A TFTP server still may read what it could read before."""
    files.write("x", b"1", 0o640)
    files.write("x", b"2")
    assert stat.S_IMODE((root / "x").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_replaced_file_keeps_its_owner(files: LocalSession, root: Path) -> None:
    """Root does not take files away from the server's user."""
    files.write("x", b"1")
    os.chown(root / "x", 65534, 65534)
    files.write("x", b"2")
    status = (root / "x").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


def test_removing_twice_is_no_error(files: LocalSession, root: Path) -> None:
    files.write("x", b"1")
    files.remove("x")
    files.remove("x")
    assert list(root.iterdir()) == []


def test_modified_at_is_aware_and_about_now(files: LocalSession) -> None:
    files.write("x", b"1")
    at = files.modified_at("x")
    assert at is not None
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=10)


def test_read_only_refuses_before_anything_happens(reader: LocalSession, root: Path) -> None:
    (root / "x").write_bytes(b"theirs")
    with pytest.raises(WriteRefused):
        reader.write("x", b"ours")
    with pytest.raises(WriteRefused):
        reader.remove("x")
    assert reader.read("x") == b"theirs"
    assert [path.name for path in root.iterdir()] == ["x"]


def test_no_time_left_is_temporary(root: Path) -> None:
    files = LocalSession({"root": str(root)}, False, lambda: 0.0)
    for use in (files.read, files.remove, files.modified_at, lambda p: files.write(p, b"")):
        with pytest.raises(Temporary, match="timed out"):
            use("x")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission denied"), (errno.EDQUOT, "quota")],
)
def test_a_failed_write_says_why_and_leaves_the_old_file_alone(
    files: LocalSession, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """And no temporary file behind."""
    files.write("x", b"old")

    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(Permanent, match=words) as caught:
        files.write("x", b"new")
    monkeypatch.undo()
    assert "cannot write x below" in caught.value.why
    assert files.read("x") == b"old"
    assert [path.name for path in root.iterdir()] == ["x"]


def test_a_write_in_parts_is_whole(files: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
    files.write("x", bytes(range(100)))
    assert files.read("x") == bytes(range(100))


def test_too_many_open_files_is_temporary(files: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(Temporary, match="too many open files"):
        files.read("x")


def test_a_folder_in_the_files_place_is_said(files: LocalSession, root: Path) -> None:
    (root / "x").mkdir()
    for use in (files.read, lambda p: files.write(p, b"1")):
        with pytest.raises(Permanent, match="it is a folder"):
            use("x")
    (root / "f").write_bytes(b"")
    with pytest.raises(Permanent, match="a file, not a folder"):
        files.write("f/x", b"1")


def test_a_fifo_does_not_hang_the_run(files: LocalSession, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert files.read("pipe") == b""


def test_fsync_is_obeyed_when_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file and its folder; by default neither."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    LocalSession({"root": str(root)}, False, forever).write("x", b"1")
    assert synced == []
    LocalSession({"root": str(root), "fsync": True}, False, forever).write("x", b"1")
    assert len(synced) == 2


def test_the_longest_name_can_be_written(files: LocalSession) -> None:
    """The temporary name is not made of it."""
    name = "n" * 255
    files.write(name, b"1")
    assert files.read(name) == b"1"
    with pytest.raises(Permanent, match="name is too long"):
        files.write("n" * 256, b"1")
