"""Files over SSH on a real sshd: by commands, and by SFTP where a login has no shell. One suite for both."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.model.errors import Permanent, Temporary
from engine.model.posix_file import Script, remote_path, write_command
from engine.transports.ssh import SshPool, SshSession
from tests.support.far_proxy import FarProxy
from tests.support.sshd import Sshd, require_sshd, sshd

pytestmark = pytest.mark.real
AWKWARD = "-it's \"$(touch pwned)\" `x`; a\tb & ü*?.cfg"


@pytest.fixture(scope="module")
def shell_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with sshd(tmp_path_factory.mktemp("shell")) as running:
        yield running


@pytest.fixture(scope="module")
def sftp_only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Carries out its own program whatever is asked for, as file servers are set up."""
    require_sshd()
    with sshd(tmp_path_factory.mktemp("sftp"), "ForceCommand internal-sftp") as running:
        yield running


@pytest.fixture
def pool() -> Iterator[SshPool]:
    opened = SshPool(lambda name: {})
    yield opened
    opened.close()


Open = Callable[..., SshSession]


@pytest.fixture(params=["commands", "sftp", "no shell"])
def open_session(request: pytest.FixtureRequest, pool: SshPool, tmp_path: Path) -> Open:
    server: Sshd = request.getfixturevalue("sftp_only_server" if request.param == "no shell" else "shell_server")
    kind = "sftp" if request.param == "sftp" else "ssh"

    def opened(**changes: object) -> SshSession:
        settings: Mapping[str, object] = server.settings(**{"type": kind, "root": str(tmp_path), **changes})
        return pool.session(settings, False, lambda: 20.0)

    return opened


def test_what_is_written_is_read_back_byte_for_byte(open_session: Open, tmp_path: Path) -> None:
    """Of any size and content; a name may hold anything a file name may."""
    session = open_session()
    for name, data in (("empty", b""), ("binary", bytes(range(256)) * 999), ("large", os.urandom(3_000_000)), (AWKWARD, b"x\n")):
        session.write(name, data)

        assert session.read(name) == data
        assert (tmp_path / name).read_bytes() == data
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["empty", "binary", "large", AWKWARD])
    assert not Path("pwned").exists()


def test_a_file_that_is_not_there_is_none(open_session: Open) -> None:
    """Not an error: the plan says that it will be created. Nor is its folder's absence."""
    assert open_session().read("none") is None
    assert open_session().read("no/folder/none") is None
    assert open_session().modified_at("none") is None


def test_remove_deletes_and_is_content_when_there_is_nothing(open_session: Open, tmp_path: Path) -> None:
    """Called again after a lost reply it succeeds."""
    (tmp_path / "old").write_bytes(b"x")

    open_session().remove("old")
    open_session().remove("old")

    assert list(tmp_path.iterdir()) == []


def test_the_mode_is_set_kept_or_usual(open_session: Open, tmp_path: Path) -> None:
    """Given: set. Not given: that of the file it replaces; a new file gets what the login's umask leaves."""
    session = open_session()
    session.write("given", b"1", 0o640)
    session.write("new", b"1")
    session.write("given", b"2")

    assert (tmp_path / "given").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o644


def test_the_owner_is_kept(shell_server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """Also when it is root who writes; anybody else can only keep his own."""
    target = tmp_path / "theirs"
    target.write_bytes(b"1")
    owner = (12345, 54321) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(target, *owner)

    pool.session(shell_server.settings(), False, lambda: 20.0).write(str(target), b"2")

    assert (target.stat().st_uid, target.stat().st_gid, target.read_bytes()) == (*owner, b"2")


def test_a_file_is_replaced_in_one_step(open_session: Open, tmp_path: Path) -> None:
    """Who has the old file open goes on reading the old one whole: a phone that fetches just now gets either, never a mix."""
    target = tmp_path / "phone.cfg"
    target.write_bytes(b"old" * 1000)
    with target.open("rb") as held:
        open_session().write("phone.cfg", b"new" * 10)

        assert held.read() == b"old" * 1000
    assert target.read_bytes() == b"new" * 10


def test_a_link_is_followed_and_stays(open_session: Open, tmp_path: Path) -> None:
    """What it points to is replaced."""
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")

    open_session().write("link", b"2")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"2"


def test_a_missing_folder_is_permanent_and_named(open_session: Open, tmp_path: Path) -> None:
    """Folders are not created behind the operator's back."""
    with pytest.raises(Permanent, match=f"the folder {tmp_path}/no does not exist; create it first"):
        open_session().write("no/file", b"")


def test_a_folder_is_no_file(open_session: Open, tmp_path: Path) -> None:
    """Neither to be read nor to be written over."""
    (tmp_path / "folder").mkdir()

    with pytest.raises(Permanent, match="cannot read"):
        open_session().read("folder")
    with pytest.raises(Permanent, match="cannot write"):
        open_session().write("folder", b"")
    assert list((tmp_path / "folder").iterdir()) == []


def test_modified_at_is_the_other_sides_time(open_session: Open, tmp_path: Path) -> None:
    """To the second."""
    (tmp_path / "old").write_bytes(b"")
    os.utime(tmp_path / "old", (1_700_000_000, 1_700_000_000))

    assert open_session().modified_at("old") == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_name_cannot_lead_out_of_the_root(open_session: Open, tmp_path: Path) -> None:
    """An absolute path lies below it too."""
    session = open_session()
    session.write("/in", b"x")

    assert (tmp_path / "in").read_bytes() == b"x"
    with pytest.raises(Permanent, match="leads out of"):
        session.write("a/../../out", b"x")


@pytest.mark.parametrize("stands", [True, False])
def test_a_full_disk_leaves_the_file_as_it_was(pool: SshPool, shell_server: Sshd, tmp_path: Path, *, stands: bool) -> None:
    """The other side's own words are passed on; no half file, no leftovers."""
    session = pool.session(shell_server.settings(), False, lambda: 20.0)
    (tmp_path / "file").write_bytes(b"old")

    # /dev/full refuses every byte, like a full disk; the temporary file's name ends in the shell's process number.
    command = write_command(str(tmp_path / "file"), 3)
    command = Script(command.text.replace('> "$t"', "> /dev/full", 1), *shlex.split(command.words))
    result = session.run(command if stands else str(command), b"new")

    assert result.status != 0
    assert b"No space left on device" in result.stderr or b"I/O error" in result.stderr
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


def test_an_upload_that_was_cut_short_is_not_installed(pool: SshPool, shell_server: Sshd, tmp_path: Path) -> None:
    """A lost connection looks like the end of the file to the other side: its size tells."""
    session = pool.session(shell_server.settings(), False, lambda: 20.0)
    (tmp_path / "file").write_bytes(b"old")

    result = session.run(str(write_command(str(tmp_path / "file"), 1000)), b"only this arrived")

    assert result.status != 0
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


def test_a_chatty_login_does_not_get_into_a_file(pool: SshPool, tmp_path: Path) -> None:
    """What ~/.bashrc prints stands before the mark."""
    require_sshd()
    if not pwd.getpwuid(os.geteuid()).pw_shell.endswith("/bash"):
        pytest.skip("the login shell here reads no .bashrc")
    with sshd(tmp_path / "sshd") as server:
        (server.folder / ".bashrc").write_text("echo Welcome to PBX; echo unasked >&2\n")
        session = pool.session(server.settings(root=str(tmp_path)), False, lambda: 20.0)
        session.write("file", b"content\n")

        assert session.read("file") == b"content\n"
        assert (tmp_path / "file").read_bytes() == b"content\n"
        pool.close()


def test_a_login_without_a_shell_is_asked_once_and_its_commands_are_permanent_failures(
    pool: SshPool, tmp_path: Path
) -> None:
    """The connection remembers; every file after the first goes straight by SFTP."""
    require_sshd()
    with sshd(tmp_path / "sshd", "ForceCommand internal-sftp", "LogLevel DEBUG1") as server:
        session = pool.session(server.settings(root=str(tmp_path)), False, lambda: 20.0)
        for number in range(3):
            session.write(f"file{number}", b"x")

        assert server.log.count("req subsystem") == 3
        assert server.log.count("Starting session: forced-command") == 5  # two to find out
        assert server.connections() == 1
        pool.close()


def test_a_file_that_cannot_be_read_is_not_taken_for_missing(open_session: Open) -> None:
    """That would plan to create it. This file is there for everybody and can be read by nobody."""
    with pytest.raises(Permanent, match="cannot read /proc/self/mem: "):
        open_session(root="/proc/self").read("mem")


def test_that_a_file_was_not_begun_is_not_taken_for_nothing_done(pool: SshPool, shell_server: Sshd) -> None:
    """An action writes several files; a later one that could not be begun must not hide the earlier ones."""
    session = pool.session(shell_server.settings(), False, lambda: 0.0)

    with pytest.raises(Temporary) as caught:
        session.write("/tmp/never", b"")
    assert not caught.value.nothing_done


@pytest.mark.parametrize(("root", "path", "whole"), [
    (None, "/etc/x", "/etc/x"), (None, "x", "./x"), (None, "-x", "./-x"), (None, "~/x", "./x"), ("", "/etc/x", "/etc/x"),
    ("/srv/tftp", "x.cfg", "/srv/tftp/x.cfg"), ("/srv/tftp/", "/a//b", "/srv/tftp/a/b"), ("conf", "x", "./conf/x"),
    (".", "/etc/x", "./etc/x"), ("~/conf", "x", "./conf/x"), ("/", "etc/x", "/etc/x"),
])
def test_a_path_lies_below_its_root(root: str | None, path: str, whole: str) -> None:
    """And no name is ever taken for an option."""
    assert remote_path(root, path) == whole


@pytest.mark.parametrize(("root", "path"), [("/srv", "../etc"), ("/srv", "a/../../b"), (None, ""), (None, "/"), (None, "a\0b")])
def test_a_path_that_is_none_is_refused(root: str | None, path: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Permanent):
        remote_path(root, path)


def test_round_trips_per_host_stay_within_the_budget(shell_server: Sshd, tmp_path: Path) -> None:
    """A file and a command: at most 9 trips when nothing changes, 13 when it does, the connection and the proof included.

    Measured as the time it takes over a far line; what both sides compute is there too, so the figures are upper bounds.
    """
    rtt_s = 0.15
    with FarProxy(shell_server.port, rtt_s) as far:
        kind, blob = Path(f"{shell_server.host_key}.pub").read_text().split()[:2]
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{far.port} {kind} {blob}\n")
        settings = shell_server.settings(port=far.port, known_hosts=str(known), root=str(tmp_path))
        (tmp_path / "same").write_bytes(b"x" * 4096)

        unchanged = _trips(settings, rtt_s, lambda session: session.read("same"))
        changed = _trips(settings, rtt_s, _replace)

    assert unchanged <= 9
    assert changed <= 13
    assert far.connections == 2


def _replace(session: SshSession) -> None:
    assert session.read("new") is None
    session.write("new", b"x" * 4096)
    assert session.read("new") == b"x" * 4096


def _trips(settings: Mapping[str, object], rtt_s: float, work: Callable[[SshSession], object]) -> float:
    began = datetime.now(UTC)
    pool = SshPool(lambda name: {})
    session = pool.session(settings, False, lambda: 30.0)
    work(session)
    assert session.run("true").status == 0
    took_s = (datetime.now(UTC) - began).total_seconds()
    pool.close()
    return took_s / rtt_s
