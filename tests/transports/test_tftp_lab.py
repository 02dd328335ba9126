"""The TFTP transport against the lab's server: faults, fall-backs, and what the log says."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from engine.model.errors import Permanent, Temporary
from engine.ports import FileSession
from engine.transports.tftp import TftpPool, TftpSession
from tests.support.tftpd import LabTftpd, lab_tftpd


def forever() -> float:
    return 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabTftpd]:
    with lab_tftpd(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def lab(running: LabTftpd) -> LabTftpd:
    """Behaves, and has forgotten what it was asked."""
    running.misbehave()
    (running.folder / "tftp.jsonl").unlink(missing_ok=True)
    (running.folder / "tftpd.log").unlink(missing_ok=True)
    return running


@pytest.fixture
def pool() -> Iterator[TftpPool]:
    pool = TftpPool()
    yield pool
    pool.close()


@pytest.fixture
def files(lab: LabTftpd, pool: TftpPool) -> TftpSession:
    return pool.session(lab.settings(), False, forever)


def test_is_a_file_session(files: TftpSession) -> None:
    """The type checker and the transport agree on the port."""
    port: FileSession = files
    assert not port.can_remove
    assert port.modified_at("x") is None
    with pytest.raises(Permanent, match="TFTP has no way to delete"):
        port.remove("x")


@pytest.mark.parametrize("size", [0, 1427, 1428, 1429, 14280])
def test_what_is_written_is_read_back(files: TftpSession, lab: LabTftpd, size: int) -> None:
    content = os.urandom(size)
    files.write("x.cfg", content)
    assert files.read("x.cfg") == content
    [wrote, read] = lab.await_log(2)
    assert (wrote["kind"], wrote["what"], wrote["file"], wrote["bytes"], wrote["ok"]) == ("write", "WRQ", "x.cfg", size, True)
    assert (read["kind"], read["what"], read["file"], read["bytes"], read["ok"]) == ("read", "RRQ", "x.cfg", size, True)


def test_the_text_log_reads_like_tftpd_hpas(files: TftpSession, lab: LabTftpd) -> None:
    """Lines as ``in.tftpd -vv`` gives them to syslog, with ISO times."""
    files.write("001565aabbcc.cfg", b"x")
    files.read("001565aabbcc.cfg")
    files.read("nope.cfg")
    lines = (lab.folder / "tftpd.log").read_text().splitlines()
    matches = [re.fullmatch(r"(\S+) lab in\.tftpd\[\d+\]: (.+)", line) for line in lines]
    assert [match[2] for match in matches if match] == [
        "WRQ from 127.0.0.1 filename 001565aabbcc.cfg",
        "RRQ from 127.0.0.1 filename 001565aabbcc.cfg",
        "RRQ from 127.0.0.1 filename nope.cfg",
        "sending NAK (1, File not found) to 127.0.0.1",
    ]
    assert all(datetime.fromisoformat(match[1]).tzinfo is not None for match in matches if match)


@pytest.mark.parametrize("fault", ["no_options", "option_error"])
def test_a_server_without_options_is_used_without_them(files: TftpSession, lab: LabTftpd, fault: str) -> None:
    """Whether it ignores them or answers error 8."""
    lab.misbehave(fault)
    content = os.urandom(2000)
    files.write("x.cfg", content)
    assert files.read("x.cfg") == content
    assert (lab.root / "x.cfg").read_bytes() == content


def test_refused_options_are_not_offered_again(files: TftpSession, lab: LabTftpd) -> None:
    """That would cost a round trip per file."""
    lab.misbehave("option_error")
    files.write("x.cfg", b"1")
    files.read("x.cfg")
    files.read("x.cfg")
    assert [(entry["what"], entry.get("error")) for entry in lab.await_log(4)] == [
        ("WRQ", 8), ("WRQ", None), ("RRQ", None), ("RRQ", None),
    ]


def test_a_refused_write_is_said_with_what_to_do(files: TftpSession, lab: LabTftpd) -> None:
    lab.misbehave("refuse_write", match="x.cfg")
    with pytest.raises(Permanent, match=r'"Access violation" \(error 2\).*Let the server\'s user'):
        files.write("x.cfg", b"1")
    assert lab.writes() == 1
    assert not lab.log()[0]["ok"]


def test_a_full_disk_is_said(files: TftpSession, lab: LabTftpd) -> None:
    """And the file there stays what it was."""
    files.write("x.cfg", b"old")
    lab.misbehave("disk_full")
    with pytest.raises(Permanent, match="disk is full"):
        files.write("x.cfg", b"new" * 1000)
    assert (lab.root / "x.cfg").read_bytes() == b"old"


def test_a_missing_file_reads_as_none(files: TftpSession, lab: LabTftpd) -> None:
    assert files.read("nope.cfg") is None
    files.write("x.cfg", b"1")
    lab.misbehave("missing", match="x.cfg")
    assert files.read("x.cfg") is None


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_server_that_dies_midway_is_temporary(files: TftpSession, lab: LabTftpd, verb: str) -> None:
    """With how far it got; a file half written did not replace the old one there."""
    files.write("x.cfg", b"old" * 2000)
    lab.misbehave("die_midway", value=2)
    with pytest.raises(Temporary, match=r"stopped answering for .* after \d block"):
        files.read("x.cfg") if verb == "read" else files.write("x.cfg", b"new" * 2000)
    assert (lab.root / "x.cfg").read_bytes() == b"old" * 2000
    lab.misbehave()
    assert files.read("x.cfg") == b"old" * 2000


def test_a_lost_last_ack_is_temporary_and_the_file_is_there(files: TftpSession, lab: LabTftpd) -> None:
    """Only reading back can tell: the lost reply of TFTP."""
    lab.misbehave("lost_ack", count=1)
    with pytest.raises(Temporary, match="may be incomplete"):
        files.write("x.cfg", b"new")
    assert files.read("x.cfg") == b"new"
    assert lab.writes() == 1


def test_garbage_is_not_taken_for_tftp(files: TftpSession, lab: LabTftpd) -> None:
    lab.misbehave("garbage")
    with pytest.raises(Permanent, match="is that a TFTP server"):
        files.read("x.cfg")


def test_a_slow_server_is_waited_for(files: TftpSession, lab: LabTftpd) -> None:
    """Longer than a packet's patience: what is asked twice and answered twice still gives the file once."""
    files.write("x.cfg", b"slow" * 1000)
    lab.misbehave("slow", value=0.5)
    assert files.read("x.cfg") == b"slow" * 1000


def test_a_write_request_answered_twice_is_not_taken_for_done(files: TftpSession, lab: LabTftpd) -> None:
    """Most servers empty the file at each request: the second answer, late as it is, undoes what the first one wrote."""
    lab.misbehave("slow", value=1.0)
    with pytest.raises(Temporary, match="answered the repeated request too"):
        files.write("x.cfg", b"new")
    assert [entry["what"] for entry in lab.await_log(2)] == ["WRQ", "WRQ"]


def test_a_slow_write_is_waited_for_longer_than_a_read(pool: TftpPool, lab: LabTftpd) -> None:
    """So that it is not repeated lightly."""
    lab.misbehave("slow", value=1.2)
    pool.session(lab.settings(timeout_s=1), False, forever).write("x.cfg", b"new")
    assert lab.writes() == 1


def test_the_deadline_ends_the_wait(pool: TftpPool, lab: LabTftpd) -> None:
    lab.misbehave("slow", value=5)
    files = pool.session(lab.settings(timeout_s=1, retries=10), True, lambda: 0.3)
    started = time.monotonic()
    with pytest.raises(Temporary, match="timed out"):
        files.read("x.cfg")
    assert time.monotonic() - started < 2


def test_one_slow_transfer_does_not_hold_up_the_others(files: TftpSession, lab: LabTftpd) -> None:
    lab.misbehave("slow", match="slow.cfg", value=0.8)
    files.write("quick.cfg", b"1")
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(files.read, "slow.cfg")
        for _ in range(20):
            assert files.read("quick.cfg") == b"1"
        assert not slow.done()
        assert slow.result() is None


def test_the_root_cannot_be_left(lab: LabTftpd, files: TftpSession) -> None:
    """Neither by us nor by anybody else."""
    for path in ("../x", "a/../../x", "/etc/passwd", "", "a/", "a\0b", "\ud800", "x" * 500):
        with pytest.raises(Permanent):
            files.read(path)
        with pytest.raises(Permanent):
            files.write(path, b"x")
    assert lab.log() == []


def test_a_server_that_was_stopped_is_said_at_once(tmp_path: Path, pool: TftpPool) -> None:
    """The system knows that nobody listens: no need to wait out the repetitions."""
    with lab_tftpd(tmp_path) as server:
        settings = server.settings(timeout_s=5)
    with pytest.raises(Temporary, match="nothing listens on that port; is the server running"):
        pool.session(settings, True, forever).read("x.cfg")


def test_a_server_that_is_killed_midway_is_said_at_once(tmp_path: Path, pool: TftpPool) -> None:
    with lab_tftpd(tmp_path) as server:
        files = pool.session(server.settings(timeout_s=1), False, forever)
        files.write("x.cfg", b"x" * 5000)
        server.misbehave("slow", value=0.5)
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(files.read, "x.cfg")
            time.sleep(0.2)
            server.process.terminate()
            with pytest.raises(Temporary):
                reading.result()


def test_a_closed_pool_takes_no_more(lab: LabTftpd) -> None:
    """What is under way fails, and closing twice is no error."""
    pool = TftpPool()
    files = pool.session(lab.settings(timeout_s=5), True, forever)
    lab.misbehave("slow", value=2)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(files.read, "x.cfg")
        time.sleep(0.2)
        pool.close()
        with pytest.raises(Temporary, match="shut down"):
            reading.result()
    pool.close()
    with pytest.raises(Temporary, match="shut down"):
        files.read("x.cfg")
    TftpPool().close()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "needs 'host'"), ({"host": "127.0.0.1", "blksize": 7}, "blksize"), ({"host": "x", "port": 0}, "port"),
        ({"host": "x", "timeout_s": 0}, "timeout_s"), ({"host": "x", "retries": "many"}, "retries"),
    ],
)
def test_a_setting_that_makes_no_sense_is_said(pool: TftpPool, settings: dict[str, object], why: str) -> None:
    with pytest.raises(Permanent, match=why):
        pool.session(settings, True, forever)


def test_an_unknown_host_is_said(pool: TftpPool) -> None:
    with pytest.raises((Permanent, Temporary), match=r"no-such-host\.invalid"):
        pool.session({"host": "no-such-host.invalid"}, True, forever).read("x")


def test_no_time_left_sends_nothing(pool: TftpPool, lab: LabTftpd) -> None:
    with pytest.raises(Temporary, match="timed out before"):
        pool.session(lab.settings(), False, lambda: 0.0).write("x", b"")
    assert lab.log() == []
