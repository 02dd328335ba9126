"""The lab as a whole: real processes, stopped by pid, with their state in one folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.lab.control import (
    SERVERS,
    LabStatus,
    ServerKind,
    add_fault,
    clear_faults,
    faults_of,
    lab_down,
    lab_reset,
    lab_status,
    lab_up,
)
from engine.lab.seed import read_seed
from engine.model.errors import SwitchoverError
from tests.support.mail import MAIL, MailServer, lab_seed

BROKEN = (*MAIL, ServerKind("broken", "engine.lab.nonesuch", ("http",), needs=("mail",)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "lab"
    yield folder
    if (folder / "servers.json").exists():
        lab_down(folder)


def pid_of(status: LabStatus, name: str = "mail") -> int:
    pid = status.server(name).pid
    assert pid is not None
    return pid


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def test_all_servers_come_up_together_and_go_down(folder: Path) -> None:
    """The whole lab: each server says where it listens, later ones know where earlier ones are, none is left behind."""
    up = lab_up(folder, lab_seed())
    assert up.up
    assert not up.already_up
    assert {s.name: tuple(s.ports) for s in up.servers} == {kind.name: kind.ports for kind in SERVERS}
    assert read_seed(folder / "seed.json")["ports"] == {s.name: dict(s.ports) for s in up.servers}
    down = lab_down(folder)
    assert [server.alive for server in down.servers] == [False] * len(SERVERS)
    assert not any(Path(f"/proc/{pid_of(up, kind.name)}").exists() for kind in SERVERS)


def test_up_is_idempotent_and_says_so(folder: Path) -> None:
    """A second `up` touches nothing, whatever seed it is given."""
    first = lab_up(folder, lab_seed(), MAIL)
    second = lab_up(folder, lab_seed(), MAIL)
    assert second.already_up
    assert pid_of(second) == pid_of(first)


def test_servers_outlive_whoever_started_them(folder: Path, tmp_path: Path) -> None:
    """kill -9 of the starter, and of its whole process group, does not reach them."""
    script = (
        "import os, signal, sys; from pathlib import Path; from engine.lab.control import lab_up; "
        "from tests.support.mail import MAIL, lab_seed; lab_up(Path(sys.argv[1]), lab_seed(), MAIL); "
        "os.killpg(0, signal.SIGKILL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=Path(__file__).parents[2], start_new_session=True, check=False,
        timeout=30,
    )
    assert ended.returncode == -signal.SIGKILL
    status = lab_status(folder, MAIL)
    assert status.up
    assert answers(status.server("mail").ports["smtp"])


def test_reset_keeps_ports_and_credentials_and_clears_the_rest(folder: Path) -> None:
    """State as seeded, no log, no fault; connections handed out before still lead there."""
    server = MailServer(lab_up(folder, lab_seed(), MAIL))
    server.fault("greylist")
    password = server.password
    (folder / "mail" / "1.eml").write_bytes(b"old")
    (folder / "mail.jsonl").write_text('{"kind": "write", "what": "DATA"}\n', encoding="utf-8")
    after = lab_reset(folder, MAIL)
    assert after.server("mail").ports == server.status.server("mail").ports
    assert pid_of(after) != pid_of(server.status)
    assert (after.server("mail").writes, after.server("mail").faults) == (0, ())
    assert server.password == password
    assert list((folder / "mail").iterdir()) == []


def test_a_lab_that_is_half_up_is_started_anew(folder: Path) -> None:
    """The records of a dead process are stale; `up` replaces them, and `down` before it does not mind."""
    first = lab_up(folder, lab_seed(), MAIL)
    os.kill(pid_of(first), signal.SIGKILL)
    wait_until_dead(pid_of(first))
    assert not lab_status(folder, MAIL).up
    second = lab_up(folder, lab_seed(), MAIL)
    assert second.up
    assert not second.already_up
    lab_down(folder, MAIL)
    lab_down(folder, MAIL)


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(folder: Path) -> None:
    """After a reboot the pid on record may be any program's."""
    lab_up(folder, lab_seed(), MAIL)
    lab_down(folder, MAIL)
    record = {"pid": os.getpid(), "module": "engine.lab.mail_sink", "ports": {"smtp": 1}, "started_at": ""}
    (folder / "servers.json").write_text(json.dumps({"mail": record}), encoding="utf-8")
    assert not lab_status(folder, MAIL).up
    lab_down(folder, MAIL)  # would end this very test


def test_a_server_that_does_not_start_is_named_with_its_last_words(folder: Path) -> None:
    """The others are stopped again: all or none."""
    with pytest.raises(SwitchoverError, match="lab's broken server did not come up") as failed:
        lab_up(folder, lab_seed(), BROKEN)
    assert "No module named engine.lab.nonesuch" in failed.value.detail
    assert [server.alive for server in lab_status(folder, BROKEN).servers] == [False, False]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    """A lab clears its folder; it must not be somebody's home."""
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(SwitchoverError, match="Not a lab's folder"):
        lab_up(tmp_path, lab_seed(), MAIL)
    assert (tmp_path / "thesis.tex").exists()


def test_where_there_is_no_lab_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    """`status` of nothing is no error; what would change a lab is."""
    assert not lab_status(tmp_path / "nothing").up
    for verb in (lab_down, lab_reset, clear_faults):
        with pytest.raises(SwitchoverError, match="switchover lab up"):
            verb(tmp_path / "nothing")


def test_reset_of_a_lab_that_is_down_says_so(folder: Path) -> None:
    """Its seed, with the secrets in it, went with `down`."""
    lab_up(folder, lab_seed(), MAIL)
    lab_down(folder, MAIL)
    assert not (folder / "seed.json").exists()
    assert not (folder / "secrets").exists()
    with pytest.raises(SwitchoverError, match="The lab is not up"):
        lab_reset(folder, MAIL)


def test_secrets_are_readable_by_their_owner_alone(folder: Path) -> None:
    """Seed, secrets and the server's key."""
    lab_up(folder, lab_seed(), MAIL)
    paths = [folder / "seed.json", folder / "mail.pem", *(folder / "secrets").iterdir()]
    assert {oct(path.stat().st_mode & 0o777) for path in paths} == {"0o600"}


def test_reads_and_writes_are_counted_from_the_log(folder: Path) -> None:
    """A line that is just being written is not counted."""
    lab_up(folder, lab_seed(), MAIL)
    lines = '{"kind": "read"}\n{"kind": "read"}\n{"kind": "other"}\n{"kind": "write"}\n{"kind": "wr'
    (folder / "mail.jsonl").write_text(lines, encoding="utf-8")
    server = lab_status(folder, MAIL).server("mail")
    assert (server.reads, server.writes) == (2, 1)


def test_faults_are_added_shown_and_cleared_by_server(folder: Path) -> None:
    """Each is a line in faults.json that servers read anew."""
    lab_up(folder, lab_seed(), MAIL)
    fault = add_fault(folder, "mail", "slow", match="RCPT", count=2, value=0.5)
    add_fault(folder, "carrier", "status", value=503)
    assert lab_status(folder, MAIL).server("mail").faults == (fault,)
    assert clear_faults(folder, "mail") == (fault,)
    assert [f.server for f in faults_of(folder)] == ["carrier"]
    assert len(clear_faults(folder)) == 1
    assert faults_of(folder) == ()


def test_a_fault_for_an_unknown_server_is_refused_with_a_hint(folder: Path) -> None:
    """A typing error must not silently do nothing."""
    lab_up(folder, lab_seed(), MAIL)
    with pytest.raises(SwitchoverError, match=r"'carier' is none of .* Did you mean carrier\?"):
        add_fault(folder, "carier", "slow")


def test_a_folder_called_engine_where_the_operator_stands_does_no_harm(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers are ours, wherever they are started from."""
    (tmp_path / "elsewhere" / "engine").mkdir(parents=True)
    (tmp_path / "elsewhere" / "engine" / "__init__.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert lab_up(folder, lab_seed(), MAIL).up


def wait_until_dead(pid: int) -> None:
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        done, _ = os.waitpid(pid, os.WNOHANG)
        if done:
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} lives on")
