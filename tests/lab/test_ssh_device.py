"""The lab's SSH device: what a login gets, what stays in the lab, what it records, and how it misbehaves."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.lab.asterisk_cli import EVENTS
from engine.lab.board import Fault
from engine.lab.ssh_device import indoors
from engine.model.errors import Permanent, Temporary
from engine.transports.ssh import SshPool, SshSession
from tests.support.ssh_device import SshDevice, ssh_device


@pytest.fixture(scope="module")
def phone() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(5)
        yield wire


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, phone: socket.socket) -> Iterator[SshDevice]:
    seed = {"phones": [{"extension": "101"}], "ports": {"phones": {"sip": phone.getsockname()[1]}}}
    with ssh_device(tmp_path_factory.mktemp("lab"), seed) as running:
        yield running


@pytest.fixture
def session(device: SshDevice) -> Iterator[SshSession]:
    device.have()
    pool = SshPool(lambda name: {})
    yield pool.session(device.settings(), False, lambda: 20.0)
    pool.close()


def test_commands_are_carried_out_for_real_in_the_labs_root(device: SshDevice, session: SshSession) -> None:
    """A shell, its home, input, both outputs and the status; a command ended by a signal has the shell's status for it."""
    result = session.run('echo "$HOME"; pwd; cat; echo err >&2; exit 7', b"input")

    assert result.stdout.decode() == f"{device.root}\n{device.root}\ninput"
    assert (result.status, result.stderr) == (7, b"err\n")
    assert session.run("kill -9 $$").status == 137


def test_absolute_paths_lie_in_the_lab(device: SshDevice, session: SshSession, tmp_path: Path) -> None:
    """A rehearsal of a real runbook writes nothing outside; folders of what it names are there."""
    session.run("echo 1 > /etc/lab-only.conf && cp /etc/lab-only.conf /var/lib/deep/er/copy")
    session.write(f"{tmp_path}/outside", b"x")

    assert not Path("/etc/lab-only.conf").exists()
    assert (device.root / "var/lib/deep/er/copy").read_text() == "1\n"
    assert not (tmp_path / "outside").exists()
    assert session.read(f"{tmp_path}/outside") == b"x"


@pytest.mark.parametrize(("command", "local"), [
    ("cat /etc/x", "cat ./etc/x"), ("cat '/etc/x y'", "cat './etc/x y'"), ("a>/var/log/b", "a>./var/log/b"),
    ("--conf=/etc/x", "--conf=./etc/x"), ("true 2>/dev/null", "true 2>/dev/null"),
    ("/bin/true; /usr/bin/env", "/bin/true; /usr/bin/env"),
    ("cat rel/path ./a/b ../c", "cat rel/path ./a/b ../c"), ("echo $d/.x ${f%/*} ${d:-/}", "echo $d/.x ${f%/*} ${d:-/}"),
    ("curl http://x/y", "curl http://x/y"), ("ls /", "ls /"), ("/devices /binary", "./devices ./binary"),
])
def test_which_words_are_paths(command: str, local: str) -> None:
    """Programs, devices, relative paths, addresses and the shell's own syntax stay as they are."""
    assert indoors(command) == local


def test_the_tftp_servers_files_can_be_written_here(device: SshDevice, session: SshSession) -> None:
    """A provisioning server reached over SSH serves what the lab's phones fetch."""
    session.write("/srv/tftp/phone.cfg", b"over ssh")

    assert (device.folder / "tftp-root/phone.cfg").read_bytes() == b"over ssh"


def test_commands_count_as_writes_when_they_changed_a_file(device: SshDevice, session: SshSession) -> None:
    """So that a plan that wrote nothing can be told from one that did."""
    before = len(device.requests("write"))
    session.run("ls; cat no; test -e x")
    assert len(device.requests("write")) == before
    session.run("echo 1 > counted")
    session.run("chmod 600 counted")
    session.run("echo x >> /srv/tftp/log")
    assert len(device.requests("write")) == before + 3


def test_sftp_has_the_same_root(device: SshDevice, session: SshSession) -> None:
    """Reads and writes are counted as such."""
    pool = SshPool(lambda name: {})
    files = pool.session(device.settings(type="sftp"), False, lambda: 20.0)
    writes, reads = len(device.requests("write")), len(device.requests("read"))
    files.write("/by-sftp", b"x" * 100_000)
    assert len(device.requests("write")) > writes
    assert files.read("by-sftp") == b"x" * 100_000
    assert len(device.requests("read")) > reads
    assert (device.root / "by-sftp").stat().st_size == 100_000
    files.remove("by-sftp")
    assert session.read("by-sftp") is None
    pool.close()


def test_asterisk_makes_a_phone_hear_its_notify(session: SshSession, phone: socket.socket) -> None:
    """A real SIP request to the lab's phones, with the event of the section in pjsip_notify.conf."""
    for section in ("snom-check-cfg", "polycom-check-cfg", "check-sync"):
        result = session.run(f'asterisk -rx "pjsip send notify {section} endpoint 101" & sleep 0; wait')
        packet = phone.recv(65535).decode()
        lines = packet.split("\r\n")
        assert lines[0].startswith("NOTIFY sip:101@127.0.0.1")
        assert f"Event: {EVENTS.get(section, section)}" in lines
        assert result.stdout == f"Sending NOTIFY of type '{section}' to '101'\n".encode()


def test_asterisk_does_not_know_everybody(session: SshSession) -> None:
    """Like the real one it ends with status 0: what it prints tells."""
    result = session.run('asterisk -rx "pjsip send notify snom-check-cfg endpoint 999"')

    assert (result.status, result.stdout) == (0, b"Unable to retrieve endpoint 999\n")
    assert b"No such command 'make coffee'" in session.run('asterisk -rx "make coffee"').stdout


def test_faults(device: SshDevice) -> None:
    """Each by name, used up by count."""
    pools: list[SshPool] = []

    def fresh() -> SshSession:
        pools.append(SshPool(lambda name: {}))
        return pools[-1].session(device.settings(), False, lambda: 20.0)

    device.have(Fault("a", "ssh", "auth", count=1))
    with pytest.raises(Permanent, match="not accepted: the password"):
        fresh().run("true")
    device.have(Fault("b", "ssh", "refuse", count=1))
    with pytest.raises(Temporary, match="no SSH greeting"):
        fresh().run("true")
    device.have(Fault("c", "ssh", "die", match="touch", count=1))
    with pytest.raises(Temporary, match="not known"):
        fresh().run("touch died")
    assert (device.root / "died").exists()
    device.have(Fault("d", "ssh", "slow", match="echo", value=0.3))
    began = time.monotonic()
    assert fresh().run("echo slow").stdout == b"slow\n"
    assert time.monotonic() - began >= 0.3
    for pool in pools:
        pool.close()


def test_openssh_can_log_in_too(device: SshDevice, tmp_path: Path) -> None:
    """The host key on file is the one it shows; without a password it gets no further."""
    device.have()
    command = [
        "ssh", "-p", str(device.port), "-o", f"UserKnownHostsFile={device.folder}/known_hosts", "-o", "BatchMode=yes",
        "-o", "StrictHostKeyChecking=yes", "-F", "/dev/null", "lab@127.0.0.1", "true",
    ]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)

    assert "Permission denied (password,keyboard-interactive)" in result.stderr
    assert "host key" not in result.stderr.lower()


def test_it_ends_on_sigterm_with_a_command_running(tmp_path: Path) -> None:
    """And takes the command along."""
    with ssh_device(tmp_path / "lab") as device:
        pool = SshPool(lambda name: {})
        with pytest.raises(Temporary):
            pool.session(device.settings(), False, _soon()).run("echo $$ > pid; exec sleep 60")
        pid = int((device.root / "pid").read_text())
        pool.close()
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < until
        time.sleep(0.02)


def _soon() -> Callable[[], float]:
    until = time.monotonic() + 1.0
    return lambda: until - time.monotonic()
