"""The standing shell on a real sshd: scripts of ours share it, and whatever goes wrong ends it and not the work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.errors import Temporary
from engine.model.posix_file import MARK, Script
from engine.transports.ssh import SshPool, SshSession
from engine.transports.ssh_shell import MOST_INPUT, fits
from tests.support.sshd import Sshd, require_sshd, sshd

pytestmark = pytest.mark.real

@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[SshPool]:
    opened = SshPool(lambda name: {})
    yield opened
    opened.close()


def session_on(pool: SshPool, server: Sshd, left_s: float = 20.0, **changes: object) -> SshSession:
    return pool.session(server.settings(**changes), False, lambda: left_s)


def sessions_opened(server: Sshd) -> int:
    return server.log.count("Starting session: command")


def test_scripts_share_one_shell_and_commands_do_not(server: Sshd, pool: SshPool) -> None:
    """What a person wrote goes to the login's own shell, each time anew; what we wrote costs one session for all."""
    session, before = session_on(pool, server), sessions_opened(server)
    for _ in range(5):
        assert session.run(Script('printf %s "$1-$2"', "a b", "it's")).stdout == b"a b-it's"
    assert sessions_opened(server) - before == 1
    assert session.run("echo $0").status == 0
    assert sessions_opened(server) - before == 2


def test_nothing_a_script_does_stays(server: Sshd, pool: SshPool) -> None:
    """Folder, variables, traps, functions, limits and an ``exit`` are its own."""
    session = session_on(pool, server)
    first = session.run(Script("cd /; left=behind; umask 077; trap 'echo trapped' EXIT; f() { :; }; exec 3</dev/null; exit 7"))
    assert (first.status, first.stdout) == (7, b"trapped\n")
    second = session.run(Script('pwd; echo "$left-$#"; umask; type f >/dev/null 2>&1 || echo no f', "one"))
    assert second.status == 0
    assert second.stdout.splitlines()[0] != b"/"
    assert second.stdout.splitlines()[1:] == [b"-1", b"0022", b"no f"]


def test_input_of_any_content_arrives_as_it_is(server: Sshd, pool: SshPool) -> None:
    """Spelled out in a command, and by itself where it cannot be: with NUL, or large."""
    session = session_on(pool, server)
    every = bytes(range(1, 256))
    for data in (b"-n looks like an option", b"'%s\\n%%\\101'\r\n\t", every * 40, b"\n\n", b"x", bytes(range(256)), every * 200):
        assert session.run(Script("cat"), data).stdout == data, data[:20]
    assert fits(every * 40)
    assert not fits(b"a\0b")
    assert not fits(b"x" * (MOST_INPUT + 1))


def test_both_outputs_come_apart_and_whole(server: Sshd, pool: SshPool) -> None:
    """Also when they are larger than any buffer between."""
    session = session_on(pool, server)
    result = session.run(Script("seq 200000; seq 200000 >&2; printf 'no newline at the end'; exit 3"))
    lines = b"".join(b"%d\n" % number for number in range(1, 200001))
    assert (result.status, result.stdout, result.stderr) == (3, lines + b"no newline at the end", lines)


def test_a_script_never_reads_what_is_meant_for_the_shell(server: Sshd, pool: SshPool) -> None:
    """Without an input it finds none, so that the next script is not eaten."""
    session = session_on(pool, server)
    assert session.run(Script("cat; echo done")).stdout == b"done\n"
    assert session.run(Script("echo next")).stdout == b"next\n"


def test_a_shell_that_was_ended_is_replaced(server: Sshd, pool: SshPool) -> None:
    """An idle time-out over there, or somebody's kill: the next script finds another shell."""
    session = session_on(pool, server)
    shell = session.run(Script("echo $$")).stdout
    os.kill(int(shell), 9)
    assert session.run(Script("echo $$")).stdout not in (b"", shell)


def test_a_script_cut_off_midway_is_in_doubt(server: Sshd, pool: SshPool) -> None:
    """Its shell dies under it: that it may have taken effect is said, and it is not done again by itself."""
    session = session_on(pool, server)
    script = Script(f"printf '{MARK.decode().strip()}\\n'; kill -9 $$; sleep 5")
    with pytest.raises(Temporary, match="cut off; whether it took effect is not known") as refused:
        session.run(script)
    assert not refused.value.nothing_done


def test_time_that_runs_out_ends_the_shell_and_says_so(server: Sshd, pool: SshPool) -> None:
    """The next script is not made to wait behind the one that hangs."""
    until = time.monotonic() + 1.0
    session = pool.session(server.settings(), False, lambda: until - time.monotonic())
    with pytest.raises(Temporary, match="timed out waiting for a command, which may have been carried out"):
        session.run(Script("sleep 30"))
    assert session_on(pool, server).run(Script("echo again")).stdout == b"again\n"


def test_threads_do_not_wait_for_each_others_scripts(server: Sshd, pool: SshPool) -> None:
    """While the shell is at work, a script goes to a command of its own."""
    gate = Script('while [ ! -e "$1" ]; do sleep 0.02; done; echo through', str(server.folder / "gate"))
    came: list[bytes] = []
    waiting = threading.Thread(target=lambda: came.append(session_on(pool, server).run(gate).stdout))
    session_on(pool, server).run(Script("true"))
    waiting.start()
    assert session_on(pool, server).run(Script('echo by the way > "$1"', str(server.folder / "gate"))).status == 0
    waiting.join(10)
    assert came == [b"through\n"]


def test_a_server_that_admits_one_session_gets_no_standing_shell(tmp_path: Path, pool: SshPool) -> None:
    """The shell's session is given back as soon as a command needs it."""
    require_sshd()
    with sshd(tmp_path, "MaxSessions 1") as running:
        session = session_on(pool, running)
        for number in range(3):
            assert session.run(Script('echo "$1"', str(number))).stdout == b"%d\n" % number
            assert session.run(f"echo {number}").stdout == b"%d\n" % number


def test_a_login_shell_of_another_kind_does_not_matter(tmp_path: Path, pool: SshPool) -> None:
    """A login whose every command is wrapped, and chatty at that."""
    require_sshd()
    with sshd(tmp_path, 'ForceCommand echo welcome; eval "$SSH_ORIGINAL_COMMAND"') as running:
        session = session_on(pool, running)
        (tmp_path / "file").write_text("content\n")
        assert session.read(str(tmp_path / "file")) == b"content\n"
        session.write(str(tmp_path / "file"), b"other\n")
        assert session.read(str(tmp_path / "file")) == b"other\n"


def test_a_shell_without_printf_of_its_own_is_not_used(tmp_path: Path, pool: SshPool) -> None:
    """A program would show a file's content in the list of processes."""
    require_sshd()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "rc").write_text("enable -n printf\n")
    (programs / "sh").write_text(
        f'#!/bin/sh\nif [ $# -gt 0 ]; then exec /bin/sh "$@"; fi\nBASH_ENV={programs}/rc exec bash\n'
    )
    (programs / "sh").chmod(0o755)
    with sshd(tmp_path, f"SetEnv PATH={programs}:/usr/bin:/bin") as running:
        session = session_on(pool, running)
        session.write(str(tmp_path / "file"), b"secret\n")
        assert session.read(str(tmp_path / "file")) == b"secret\n"
        assert session.run(Script("echo one")).stdout == b"one\n"
        assert sessions_opened(running) >= 4
