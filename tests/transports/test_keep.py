"""Contents put aside come back as they were, or not at all."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

import pytest

from engine.model.errors import Permanent
from engine.ports import Keep
from engine.transports.keep import FileKeep, MemoryKeep


@pytest.fixture(params=["file", "memory"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Keep:
    return FileKeep(tmp_path / "keep") if request.param == "file" else MemoryKeep()


@pytest.mark.parametrize("data", [b"", b"<config/>\r\n\x00\xff", b"x" * 2_000_000])
def test_what_was_put_aside_comes_back(keep: Keep, data: bytes) -> None:
    """To the byte, under its digest, as often as asked."""
    name = keep.put(data)
    assert name == keep.put(data) == hashlib.sha256(data).hexdigest()
    assert keep.get(name) == keep.get(name) == data


@pytest.mark.parametrize("name", ["0" * 64, "../../etc/passwd", "", "A" * 64])
def test_what_was_never_put_aside_is_permanent(keep: Keep, name: str) -> None:
    """And no name leaves the folder."""
    with pytest.raises(Permanent):
        keep.get(name)


def test_only_its_owner_may_look_at_it_and_nothing_else_lies_about(tmp_path: Path) -> None:
    """Old configurations hold passwords."""
    name = FileKeep(tmp_path / "keep").put(b"secret")
    assert stat.S_IMODE((tmp_path / "keep").stat().st_mode) == 0o700
    assert {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in (tmp_path / "keep").iterdir()} == {name: 0o600}


def test_the_same_content_is_written_once(tmp_path: Path) -> None:
    keep = FileKeep(tmp_path)
    name = keep.put(b"config")
    first = (tmp_path / name).stat().st_ino
    keep.put(b"config")
    assert (tmp_path / name).stat().st_ino == first


def test_altered_content_is_refused(tmp_path: Path) -> None:
    """Undoing with something else would be a second accident."""
    keep = FileKeep(tmp_path)
    name = keep.put(b"config")
    (tmp_path / name).write_bytes(b"konfig")
    with pytest.raises(Permanent, match="altered since"):
        keep.get(name)


def test_a_file_cut_short_by_a_crash_is_written_anew(tmp_path: Path) -> None:
    keep = FileKeep(tmp_path)
    name = keep.put(b"config")
    (tmp_path / name).write_bytes(b"con")
    keep.put(b"config")
    assert keep.get(name) == b"config"


def test_a_folder_that_cannot_be_written_stops_the_change(tmp_path: Path) -> None:
    """Without a way back nothing is changed, and the message says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match=r"put aside in .*Nothing was changed"):
        FileKeep(tmp_path / "file" / "keep").put(b"config")


def test_many_threads_may_put_the_same_content(tmp_path: Path) -> None:
    keep = FileKeep(tmp_path / "keep")
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(keep.put(b"config" * 1000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1
    assert len(names) == 8
    assert keep.get(names[0]) == b"config" * 1000


def test_content_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Not taken for content that is gone."""
    keep = FileKeep(tmp_path)
    name = keep.put(b"config")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(Permanent, match="cannot be read"):
        keep.get(name)
