"""A real Request Tracker on loopback: a database, a configuration and a token of its own, stopped by its pid."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.model.secret import Secret
from tests.support.sshd import free_port

SETUP = shutil.which("rt-setup-database-5") or "/usr/sbin/rt-setup-database-5"
SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
_READY_S = 60.0
_TOKEN = "1-14-ffffb2fd7023ab18e8bfbcfe22959bf6"  # of root in a database that lives as long as its test
_TOKEN_HASH = "!bcrypt!04!u.jkX.2kp/sqqpdGTqBvb.ZrG41ud1QsN2RLNFMIB4614AXh3/6g2"  # as RT itself stored it
_CONFIGURATION = """
Set($rtname, 'test');
Set($Organization, 'test.example');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($MailCommand, 'testfile');   # into a file below TMPDIR
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($WebSessionClass, 'Apache::Session::File');
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
Set($BcryptCost, 4);             # each request checks the token: at the default that takes longer than the rest of it
1;
"""


def require_rt() -> None:
    """Skips where there is no Request Tracker; in CI that is a failure, because the tests would prove nothing."""
    if Path(SETUP).exists() and SERVER.exists():
        return
    lacking = "Request Tracker is missing: install Debian's request-tracker5, rt5-standalone and rt5-db-sqlite"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{lacking}; in CI these tests must run")
    pytest.skip(f"{lacking} to run this test")


@dataclass(frozen=True, slots=True)
class RealRt:
    """A running one, with the queue ``General``."""

    port: int
    token: str = _TOKEN

    @property
    def settings(self) -> Mapping[str, object]:
        """A connection's settings that work."""
        return {"url": f"http://127.0.0.1:{self.port}", "token": Secret(self.token)}


@contextlib.contextmanager
def real_rt(folder: Path) -> Iterator[RealRt]:
    """Request Tracker for the length of a ``with`` block. Some four seconds of work, so one for a whole file of tests."""
    port = free_port()
    for name in ("mason", "sessions", "conf.d", "tmp"):
        (folder / name).mkdir(parents=True)
    configuration = folder / "RT_SiteConfig.pm"
    configuration.write_text(_CONFIGURATION.replace("{port}", str(port)).replace("{folder}", str(folder)), encoding="utf-8")
    environment = {
        **os.environ, "RT_SITE_CONFIG": str(configuration), "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
        "TMPDIR": str(folder / "tmp"),
    }
    log = folder / "rt.log"
    with log.open("wb") as said:
        subprocess.run([SETUP, "--action", "init", "--skip-create"], check=True, env=environment, stdout=said, stderr=said)
        _add_token(folder / "rt.sqlite")
        command = [str(SERVER), "--host", "127.0.0.1", "--port", str(port), "--server", "Starlet", "--max-workers", "1"]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        _wait_until_ready(port, process, log)
        yield RealRt(port)
    finally:
        process.terminate()
        process.wait(timeout=_READY_S)


def _add_token(database: Path) -> None:
    """As its page for tokens would: a third of a second instead of three."""
    connection = sqlite3.connect(database)
    with connection:
        owner, = connection.execute("SELECT id FROM Users WHERE Name = 'root'").fetchone()
        assert _TOKEN.split("-")[1] == str(owner), "this version numbers its first user otherwise"
        connection.execute("INSERT INTO AuthTokens (Owner, Token, Description) VALUES (?, ?, 'tests')", (owner, _TOKEN_HASH))
    connection.close()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _READY_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"Request Tracker did not come up:\n{log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/REST/2.0/rt", headers={"Authorization": f"token {_TOKEN}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
