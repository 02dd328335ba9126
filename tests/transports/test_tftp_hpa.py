"""The TFTP transport against Debian's tftpd-hpa."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.model.errors import Permanent, WriteRefused
from engine.transports.tftp import TftpPool, TftpSession
from tests.support.tftpd import Tftpd, require_tftpd, tftpd

pytestmark = pytest.mark.real


def forever() -> float:
    return 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tftpd]:
    require_tftpd()
    with tftpd(tmp_path_factory.mktemp("hpa") / "root") as running:
        yield running


@pytest.fixture
def pool() -> Iterator[TftpPool]:
    pool = TftpPool()
    yield pool
    pool.close()


@pytest.fixture
def files(server: Tftpd, pool: TftpPool) -> TftpSession:
    return pool.session(server.settings(), False, forever)


@pytest.mark.parametrize("size", [0, 1, 1427, 1428, 1429, 2856, 100_000])
def test_what_is_written_is_read_back(files: TftpSession, server: Tftpd, size: int) -> None:
    """Of any size, multiples of the block too."""
    content = os.urandom(size)
    files.write(f"{size}.cfg", content)
    assert (server.root / f"{size}.cfg").read_bytes() == content
    assert files.read(f"{size}.cfg") == content


@pytest.mark.parametrize("size", [0, 511, 512, 513, 5000])
def test_without_options_too(pool: TftpPool, server: Tftpd, size: int) -> None:
    """``blksize: 512`` asks for none."""
    files = pool.session(server.settings(blksize=512), False, forever)
    content = os.urandom(size)
    files.write(f"plain-{size}.cfg", content)
    assert files.read(f"plain-{size}.cfg") == content


def test_a_file_of_more_than_65535_blocks_survives(pool: TftpPool, server: Tftpd) -> None:
    """Block numbers start again at 0 on both sides."""
    files = pool.session(server.settings(blksize=8), False, forever)
    content = os.urandom(8 * 65536 + 3)
    files.write("rollover.bin", content)
    assert (server.root / "rollover.bin").read_bytes() == content
    assert files.read("rollover.bin") == content


def test_a_missing_file_reads_as_none(files: TftpSession) -> None:
    assert files.read("nope.cfg") is None
    assert files.read("no/folder/nope.cfg") is None


def test_a_file_is_replaced(files: TftpSession) -> None:
    """A shorter one leaves nothing of a longer one."""
    files.write("replaced.cfg", b"long" * 1000)
    files.write("replaced.cfg", b"short")
    assert files.read("replaced.cfg") == b"short"


def test_a_missing_folder_is_said_with_what_to_do(files: TftpSession) -> None:
    with pytest.raises(Permanent, match=r"the folder is missing.*--create") as caught:
        files.write("no/folder/x.cfg", b"x")
    assert "cannot write no/folder/x.cfg on TFTP server 127.0.0.1:" in caught.value.why


def test_root_stands_before_every_path(pool: TftpPool, server: Tftpd) -> None:
    (server.root / "site").mkdir(exist_ok=True)
    (server.root / "site" / "x.cfg").write_bytes(b"site")
    for root in ("site", "/site", "site/"):
        assert pool.session(server.settings(root=root), True, forever).read("x.cfg") == b"site"


def test_read_only_sends_nothing(pool: TftpPool, server: Tftpd) -> None:
    files = pool.session(server.settings(), True, forever)
    with pytest.raises(WriteRefused):
        files.write("refused.cfg", b"x")
    with pytest.raises(WriteRefused):
        files.remove("refused.cfg")
    assert not (server.root / "refused.cfg").exists()


def test_many_transfers_are_in_flight_at_once(pool: TftpPool, server: Tftpd) -> None:
    """From many threads over one, and none gets another's content."""
    contents = {f"many-{n}.cfg": os.urandom(3000 + n) for n in range(200)}

    def carry(name: str) -> bytes | None:
        files = pool.session(server.settings(), False, forever)
        files.write(name, contents[name])
        return files.read(name)

    before = threading.active_count()
    with ThreadPoolExecutor(32) as threads:
        found = dict(zip(contents, threads.map(carry, contents), strict=True))
        assert threading.active_count() <= before + 32 + 1
    assert found == contents


def test_a_server_without_create_says_what_to_set(pool: TftpPool, tmp_path: Path) -> None:
    """tftpd-hpa as Debian ships it takes no new file, and says no more than "File not found"."""
    require_tftpd()
    with tftpd(tmp_path / "root", options=()) as server:
        files = pool.session(server.settings(), False, forever)
        with pytest.raises(Permanent, match="add --create --permissive to TFTP_OPTIONS"):
            files.write("new.cfg", b"x")
        (server.root / "closed.cfg").write_bytes(b"old")
        (server.root / "closed.cfg").chmod(0o640)
        with pytest.raises(Permanent, match=r"does not take writes.*TFTP_USERNAME"):
            files.write("closed.cfg", b"x")
        with pytest.raises(Permanent, match=r"may not read it"):
            files.read("closed.cfg")
        (server.root / "open.cfg").write_bytes(b"old")
        (server.root / "open.cfg").chmod(0o666)
        files.write("open.cfg", b"new")
        assert files.read("open.cfg") == b"new"


def test_a_server_that_refuses_an_option_is_used_without_it(pool: TftpPool, tmp_path: Path) -> None:
    """``--refuse blksize`` leaves the option out; both sides go on with 512."""
    require_tftpd()
    with tftpd(tmp_path / "root", options=("--create", "--permissive", "--refuse", "blksize", "--refuse", "tsize")) as server:
        files = pool.session(server.settings(), False, forever)
        content = os.urandom(1428)
        files.write("x.cfg", content)
        assert files.read("x.cfg") == content
