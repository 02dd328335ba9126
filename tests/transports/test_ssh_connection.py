"""Connecting over SSH to a real sshd: one connection, who the host is, logging in, jump hosts, and what happens when it fails."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.lab.board import Fault
from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.secret import Secret
from engine.transports import ssh_exec
from engine.transports.ssh import SshPool, SshSession
from tests.support.ssh_device import PASSWORD, ssh_device
from tests.support.sshd import Sshd, fingerprint, free_port, generate_key, require_sshd, sshd, start_sshd

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[SshPool]:
    opened = SshPool(_no_jump)
    yield opened
    opened.close()


def _no_jump(name: str) -> Mapping[str, object]:
    raise AssertionError(name)


def _within(seconds: float) -> Callable[[], float]:
    until = time.monotonic() + seconds
    return lambda: until - time.monotonic()


def _session(pool: SshPool, settings: Mapping[str, object], *, read_only: bool = False, seconds: float = 20) -> SshSession:
    return pool.session(settings, read_only, _within(seconds))


def _refusal(pool: SshPool, settings: Mapping[str, object], seconds: float = 20) -> str:
    with pytest.raises(Permanent) as caught:
        _session(pool, settings, seconds=seconds).probe("true")
    return caught.value.why


# ---------------------------------------------------------------- one connection


def test_a_hundred_commands_from_many_threads_share_one_connection(server: Sshd, pool: SshPool) -> None:
    """Every step of a run reuses the host's connection, however many ask at once: sshd admits ten sessions on it."""
    before = server.connections()

    def work(number: int) -> bytes:
        return _session(pool, server.settings()).run("cat", f"{number}".encode()).stdout

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(work, range(120)))

    assert answers == [f"{number}".encode() for number in range(120)]
    assert server.connections() - before == 1


def test_a_server_that_admits_fewer_sessions_is_asked_for_fewer(tmp_path: Path, pool: SshPool) -> None:
    """``MaxSessions 2``: what is refused waits its turn."""
    require_sshd()
    with sshd(tmp_path / "sshd", "MaxSessions 2") as small, ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda n: _session(pool, small.settings()).run(f"echo {n}").stdout, range(48)))

        assert results == [f"{n}\n".encode() for n in range(48)]
        assert small.connections() == 1
        pool.close()


def test_a_command_that_ignores_its_input_does_not_cost_the_others_their_connection(server: Sshd, pool: SshPool) -> None:
    """A message that follows our own CLOSE makes sshd drop everything; it once did."""
    before = server.connections()
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda n: _session(pool, server.settings()).run("exit 5", b"x" * n).status, range(200)))

    assert statuses == [5] * 200
    assert server.connections() - before == 1


def test_large_input_and_output_at_once_do_not_block_each_other(server: Sshd, pool: SshPool) -> None:
    """Both windows are 2 MB; a command that echoes 6 MB and complains as much fills both."""
    data = os.urandom(6_000_000)

    result = _session(pool, server.settings()).run("tee /dev/stderr", data)

    assert (result.stdout, result.stderr) == (data, data)


def test_new_keys_agreed_on_halfway_disturb_nobody(tmp_path: Path, pool: SshPool) -> None:
    """sshd asks for them after so many bytes, in the middle of many commands."""
    require_sshd()
    data = os.urandom(200_000)
    with sshd(tmp_path / "sshd", "RekeyLimit 200K") as server, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: _session(pool, server.settings()).run("cat", data).stdout, range(16)))

        assert all(result == data for result in results)
        assert server.connections() == 1
        pool.close()


def test_status_and_both_outputs_come_back(server: Sshd, pool: SshPool) -> None:
    """What the command printed and how it ended, unmixed."""
    result = _session(pool, server.settings()).probe("echo out; echo err >&2; exit 3")

    assert (result.status, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


def test_a_read_only_session_probes_and_refuses_everything_else(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """A plan cannot write, whatever an action tries; nothing is sent."""
    session = _session(pool, server.settings(), read_only=True)
    target = tmp_path / "made"

    assert session.probe("echo 1").stdout == b"1\n"
    for attempt in (
        lambda: session.run(f"touch {target}"), lambda: session.write(str(target), b""), lambda: session.remove(str(target)),
    ):
        with pytest.raises(WriteRefused, match="only reads"):
            attempt()
    assert not target.exists()


def test_what_a_command_leaves_running_does_not_hold_it_up(
    server: Sshd, pool: SshPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that keeps its starter's output open would hold ``ssh`` for ever; here the command's own end counts."""
    monkeypatch.setattr(ssh_exec, "_LULL_S", 0.3)
    session = _session(pool, server.settings(), seconds=30)

    result = session.run("sleep 15 & echo started")

    assert (result.status, result.stdout) == (0, b"started\n")


# ---------------------------------------------------------------- who the host is


def test_an_unknown_host_is_refused_with_its_fingerprint_and_what_to_do(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """Nothing is trusted at first sight; the message has all that is needed to trust it knowingly."""
    why = _refusal(pool, server.settings(known_hosts=str(tmp_path / "empty")))

    assert fingerprint(server.host_key) in why
    assert f"ssh-keyscan -p {server.port} -t ed25519 127.0.0.1 >> {tmp_path / 'empty'}" in why
    assert "host_keys: accept-new" in why
    assert not (tmp_path / "empty").exists()


def test_the_line_that_ssh_keyscan_prints_is_enough(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """What the message tells the operator to do does work."""
    command = ["ssh-keyscan", "-p", str(server.port), "-t", "ed25519", "127.0.0.1"]
    scanned = subprocess.run(command, capture_output=True, check=True).stdout
    (tmp_path / "scanned").write_bytes(scanned)

    assert _session(pool, server.settings(known_hosts=str(tmp_path / "scanned"))).probe("true").status == 0


def test_a_hashed_line_is_understood(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """Debian hashes known hosts by default."""
    hashed = tmp_path / "hashed"
    shutil.copy(server.known_hosts, hashed)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(hashed)], check=True, capture_output=True)

    assert b"127.0.0.1" not in hashed.read_bytes()
    assert _session(pool, server.settings(known_hosts=str(hashed))).probe("true").status == 0


def test_accept_new_writes_the_key_down_and_notices_a_later_change(tmp_path: Path, pool: SshPool) -> None:
    """The explicit setting trusts once: the key is kept, mode 0600, and another one under the same name is refused loudly."""
    require_sshd()
    known, port = tmp_path / "dir" / "known", free_port()
    with sshd(tmp_path / "first", port=port) as first:
        settings = first.settings(known_hosts=str(known), host_keys="accept-new")
        assert _session(pool, settings).probe("true").status == 0
        old = fingerprint(first.host_key)
        pool.close()

    assert known.read_text().count("\n") == 1
    assert known.stat().st_mode & 0o777 == 0o600
    with sshd(tmp_path / "second", port=port) as second:
        why = _refusal(SshPool(_no_jump), second.settings(known_hosts=str(known), host_keys="accept-new"))

        assert why.startswith(f"THE HOST KEY OF 127.0.0.1:{port} HAS CHANGED")
        assert old in why and fingerprint(second.host_key) in why
        assert f"{known}:1" in why
        assert f"ssh-keygen -R '[127.0.0.1]:{port}' -f {known}" in why
        assert second.connections() == 0


def test_of_a_host_known_by_another_kind_of_key_that_kind_is_asked_for(tmp_path: Path, pool: SshPool) -> None:
    """A server with several keys shows the one that is on file, not the one that would be unknown."""
    require_sshd()
    folder = tmp_path / "sshd"
    folder.mkdir()
    rsa = generate_key(folder / "rsa_key", "rsa")
    with sshd(folder, f"HostKey {rsa}") as both:
        kind, blob = Path(f"{rsa}.pub").read_text().split()[:2]
        (tmp_path / "known").write_text(f"[127.0.0.1]:{both.port} {kind} {blob}\n")

        assert _session(pool, both.settings(known_hosts=str(tmp_path / "known"))).probe("true").status == 0
        pool.close()


# ---------------------------------------------------------------- logging in


@pytest.mark.parametrize(("kind", "pem", "passphrase"), [
    ("ed25519", False, ""), ("ed25519", False, "open sesame"), ("rsa", False, ""), ("rsa", True, ""), ("ecdsa", False, ""),
    ("ecdsa", True, ""),
])
def test_every_kind_of_key_file_logs_in(
    server: Sshd, pool: SshPool, tmp_path: Path, kind: str, pem: bool, passphrase: str
) -> None:
    """Whatever ssh-keygen made, with its passphrase as a secret."""
    key = generate_key(tmp_path / "key", kind, passphrase, pem=pem)
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    settings = server.settings(key_file=str(key), key_passphrase=Secret(passphrase) if passphrase else None)

    assert _session(pool, settings).probe("true").status == 0


def test_an_encrypted_key_without_its_passphrase_says_so(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """The operator learns that it is the passphrase, not the server."""
    key = generate_key(tmp_path / "key", passphrase="open sesame")

    assert "is encrypted: give `key_passphrase`" in _refusal(pool, server.settings(key_file=str(key)))


def test_a_wrong_passphrase_is_told_and_not_shown(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """It says which key; it never says what was tried."""
    key = generate_key(tmp_path / "key", passphrase="open sesame")

    why = _refusal(pool, server.settings(key_file=str(key), key_passphrase=Secret("open barley")))

    assert f"the key {key}: the passphrase is wrong" in why
    assert "barley" not in why


def test_a_missing_key_file_is_told_by_its_path(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """A path that is none is no login failure."""
    assert f"the key {tmp_path / 'none'} cannot be read" in _refusal(pool, server.settings(key_file=str(tmp_path / "none")))


def test_a_key_the_server_does_not_know_is_named(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """Which key was offered, by file and fingerprint, what the server takes, and where to add it."""
    key = generate_key(tmp_path / "stranger")

    why = _refusal(pool, server.settings(key_file=str(key)))

    assert f"not accepted: the key {key} (ssh-ed25519 {fingerprint(key)})" in why
    assert "The server takes: publickey" in why
    assert "authorized_keys" in why


def test_a_password_where_only_keys_are_taken_is_told(server: Sshd, pool: SshPool) -> None:
    """The message says what the server takes instead."""
    why = _refusal(pool, server.settings(key_file=None, password=Secret("hunter2hunter2")))

    assert "The server takes: publickey" in why
    assert "hunter2" not in why


def test_the_agent_logs_in_where_the_connection_names_no_key(
    server: Sshd, pool: SshPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that only the agent holds is used without any setting; ``agent: false`` leaves it out."""
    socket_path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(socket_path.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        subprocess.run(["ssh-add", "-q", str(server.user_key)], check=True, stderr=subprocess.DEVNULL)

        assert _session(pool, server.settings(key_file=None)).probe("true").status == 0
        assert "nothing to log in with" in _refusal(pool, server.settings(key_file=None, agent=False))
    finally:
        agent.terminate()
        agent.wait(10)


def test_passwords_log_in_plainly_or_as_the_answer_to_a_question(tmp_path: Path, pool: SshPool) -> None:
    """Many systems ask by keyboard-interactive and take no plain password; a wrong one is told without showing it."""
    with ssh_device(tmp_path / "lab") as device:
        assert _session(pool, device.settings(password=Secret(PASSWORD))).probe("echo in").stdout == b"in\n"

        device.have(Fault("1", "ssh", "keyboard"))
        asked = SshPool(_no_jump)
        assert _session(asked, device.settings(password=Secret(PASSWORD))).probe("echo in").stdout == b"in\n"
        asked.close()

        device.have()
        why = _refusal(pool, device.settings(password=Secret("wrong but long")))
        assert "not accepted: the password" in why
        assert "Check username and password" in why
        assert "wrong but long" not in why
        pool.close()


# ---------------------------------------------------------------- jump hosts


def test_a_host_is_reached_through_a_jump_host(tmp_path: Path) -> None:
    """The connection goes through the bastion's own pooled connection; both host keys are checked."""
    require_sshd()
    with sshd(tmp_path / "bastion") as bastion, sshd(tmp_path / "inner") as inner:
        pool = SshPool({"bastion": bastion.settings()}.__getitem__)
        settings = inner.settings(jump="bastion")

        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(lambda n: _session(pool, settings).run("cat", b"x" * n * 1000).stdout, range(40)))

        assert [len(result) for result in results] == [n * 1000 for n in range(40)]
        assert (bastion.connections(), inner.connections()) == (1, 1)
        assert "direct-tcpip" in bastion.log or "127.0.0.1" in inner.log
        pool.close()


def test_a_host_behind_a_jump_host_that_is_down_is_temporary_and_names_both(tmp_path: Path) -> None:
    """The bastion answers, what is behind it does not."""
    require_sshd()
    with sshd(tmp_path / "bastion") as bastion:
        pool, port = SshPool({"bastion": bastion.settings()}.__getitem__), free_port()

        with pytest.raises(Temporary, match=f"the jump host cannot reach 127.0.0.1:{port}"):
            _session(pool, bastion.settings(port=port, jump="bastion")).probe("true")
        assert _session(pool, bastion.settings()).probe("true").status == 0
        pool.close()


def test_a_jump_host_that_forbids_forwarding_is_permanent(tmp_path: Path) -> None:
    """Trying again does not help; the setting of its sshd is named."""
    require_sshd()
    with sshd(tmp_path / "bastion", "AllowTcpForwarding no") as bastion:
        pool = SshPool({"bastion": bastion.settings()}.__getitem__)

        assert "AllowTcpForwarding" in _refusal(pool, bastion.settings(port=9, jump="bastion"))
        pool.close()


def test_jump_hosts_in_a_circle_are_told(server: Sshd) -> None:
    """Two connections that each go through the other."""
    pool = SshPool({"a": server.settings(jump="b", port=1), "b": server.settings(jump="a", port=2)}.__getitem__)

    assert "in a circle: a -> b -> a" in _refusal(pool, server.settings(jump="a"))


# ---------------------------------------------------------------- when it fails


def test_a_closed_port_is_temporary_and_nothing_was_done(server: Sshd, pool: SshPool) -> None:
    """A machine that is rebooting comes back; a bare command may simply be tried again."""
    with pytest.raises(Temporary, match=r"cannot connect: Connection refused\. Check .* `host` and `port`") as caught:
        _session(pool, server.settings(port=free_port())).run("true")
    assert caught.value.nothing_done


def test_a_host_name_that_is_none_is_permanent(server: Sshd, pool: SshPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in the inventory does not heal; a resolver that does not answer may."""
    def no_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def no_answer(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    assert "no such host name" in _refusal(pool, server.settings(host="two..dots"))
    # Which of the two a machine without a network gives is its own affair: the system's answer stands in.
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    assert "pbx.invalid" in _refusal(pool, server.settings(host="pbx.invalid"))
    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    with pytest.raises(Temporary, match="cannot be looked up"):
        _session(pool, server.settings(host="pbx.invalid")).probe("true")


def test_a_server_that_freezes_is_given_up_at_the_deadline(tmp_path: Path, pool: SshPool) -> None:
    """Before the login and in the middle of a command: the step's time is kept, and the failure is temporary."""
    require_sshd()
    with sshd(tmp_path / "sshd") as frozen:
        session = _session(pool, frozen.settings())
        assert session.probe("true").status == 0
        frozen.freeze()
        began = time.monotonic()
        try:
            with pytest.raises(Temporary, match=r"timed out|no SSH") as unmet:
                _session(SshPool(_no_jump), frozen.settings(), seconds=0.6).probe("true")
            with pytest.raises(Temporary, match="timed out") as halfway:
                _session(pool, frozen.settings(), seconds=0.6).run("true")
        finally:
            frozen.thaw()

        assert time.monotonic() - began < 5
        assert unmet.value.nothing_done
        assert not halfway.value.nothing_done
        pool.close()


def test_a_command_that_takes_too_long_is_given_up_and_the_connection_stays(server: Sshd, pool: SshPool) -> None:
    """Only its own channel is closed."""
    before = server.connections()
    assert _session(pool, server.settings()).probe("true").status == 0

    with pytest.raises(Temporary, match="timed out waiting for a command, which may have been carried out"):
        _session(pool, server.settings(), seconds=0.4).run("sleep 20")
    assert _session(pool, server.settings()).probe("echo on").stdout == b"on\n"
    assert server.connections() - before == 1


def test_no_time_left_is_temporary_before_anything_is_sent(server: Sshd, pool: SshPool) -> None:
    """A deadline that has passed is not stretched."""
    with pytest.raises(Temporary, match="timed out") as caught:
        _session(pool, server.settings(), seconds=-1).run("true")
    assert caught.value.nothing_done


def test_a_connection_lost_during_a_command_leaves_its_result_unknown_and_the_next_one_connects_anew(
    tmp_path: Path, pool: SshPool
) -> None:
    """The command is not repeated here: whoever asked has to look first."""
    require_sshd()
    with sshd(tmp_path / "sshd") as server:
        marker = tmp_path / "begun"
        lost: list[Temporary] = []

        def command() -> None:
            with pytest.raises(Temporary, match="whether it took effect is not known") as caught:
                _session(pool, server.settings()).run(f"echo x >> {marker}; sleep 20")
            lost.append(caught.value)

        thread = threading.Thread(target=command)
        thread.start()
        _wait_for(marker.exists)
        server.cut()
        thread.join(10)

        assert [error.nothing_done for error in lost] == [False]
        assert marker.read_text() == "x\n"
        assert _session(pool, server.settings()).probe("echo again").stdout == b"again\n"
        assert server.connections() == 2
        pool.close()


def test_a_connection_that_died_while_nobody_used_it_is_replaced_unnoticed(tmp_path: Path, pool: SshPool) -> None:
    """A run may wait for days between two steps."""
    require_sshd()
    with sshd(tmp_path / "sshd") as server:
        session = _session(pool, server.settings())
        assert session.probe("true").status == 0
        server.cut()
        _wait_for(lambda: not _alive(pool, server))

        assert session.probe("echo back").stdout == b"back\n"
        pool.close()


def test_a_lost_reply_is_temporary_and_the_command_was_carried_out(tmp_path: Path, pool: SshPool) -> None:
    """The device does as told and hangs up without an answer."""
    with ssh_device(tmp_path / "lab") as device:
        device.have(Fault("1", "ssh", "die", match="touch", count=1))

        with pytest.raises(Temporary, match="not known"):
            _session(pool, device.settings()).run("touch done")
        assert (device.root / "done").exists()
        pool.close()


def test_a_server_that_hangs_up_at_once_is_temporary(tmp_path: Path, pool: SshPool) -> None:
    """sshd does so when too many log in at once."""
    with ssh_device(tmp_path / "lab") as device:
        device.have(Fault("1", "ssh", "refuse", count=1))

        with pytest.raises(Temporary, match="no SSH greeting"):
            _session(pool, device.settings()).probe("true")
        assert _session(pool, device.settings()).probe("true").status == 0
        pool.close()


def test_hosts_are_connected_in_parallel(tmp_path: Path, pool: SshPool) -> None:
    """A host that takes its time does not hold up another; two steps for one host share one attempt."""
    require_sshd()
    with sshd(tmp_path / "quick") as quick, sshd(tmp_path / "frozen") as frozen:
        frozen.freeze()
        slow = threading.Thread(target=_try, args=(pool, frozen, 2.0))
        slow.start()
        began = time.monotonic()
        assert _session(pool, quick.settings()).probe("true").status == 0
        quickly = time.monotonic() - began
        slow.join(10)
        frozen.thaw()

        assert quickly < 1.5
        pool.close()


def test_settings_that_cannot_work_are_named(server: Sshd, pool: SshPool) -> None:
    """Each by its name in inventory.yml."""
    for wrong, name in (({"host": None}, "host"), ({"port": 70000}, "port"), ({"host_keys": "no"}, "host_keys"),
                        ({"agent": "yes"}, "agent")):
        with pytest.raises(Permanent, match=f"`{name}`"):
            pool.session(server.settings(**wrong), False, _within(5))


def _try(pool: SshPool, server: Sshd, seconds: float) -> None:
    with pytest.raises(Temporary):
        _session(pool, server.settings(), seconds=seconds).probe("true")


def _alive(pool: SshPool, server: Sshd) -> bool:
    connection = pool.session(server.settings(), True, _within(5))
    line = pool._lines[connection._settings]
    return line.connection is not None and line.connection.is_alive


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sshd_starts_and_stops_by_its_own_pid(tmp_path: Path) -> None:
    """Nothing of a test server outlives its test."""
    require_sshd()
    server = start_sshd(tmp_path / "sshd")
    server.stop()

    assert server.process.returncode is not None
