"""``phone.resync`` by a command on a PBX: real processes, with a small ``asterisk`` that talks like the real one."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.actions.phone.resync import PhoneResync, PhoneResyncArgs
from engine.model.errors import Permanent
from engine.model.plan import Unpredictable
from engine.ports import CommandResult
from tests.support.phone_sessions import PhoneSessions

ASTERISK = """#!/bin/sh
[ "$1" = -rx ] || exit 64
echo "$2" >> "$0.log"
case "$2" in
  *"endpoint 101") echo "Sending NOTIFY of type 'snom-check-cfg' to '101'" ;;
  *) echo "Unable to retrieve endpoint ${2##* }" ;;
esac
"""


@dataclass
class Shell:
    """Commands on this machine, with one folder before all others in PATH."""

    folder: Path
    host: str | None

    def probe(self, command: str, stdin: bytes = b"") -> CommandResult:
        return self.run(command, stdin)

    def run(self, command: str, stdin: bytes = b"") -> CommandResult:
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, env={"PATH": path}, check=False)
        return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def pbx(tmp_path: Path) -> PhoneSessions:
    script = tmp_path / "asterisk"
    script.write_text(ASTERISK)
    script.chmod(0o755)
    return PhoneSessions(types={"pbx": "ssh"}, open_shell=lambda name, host: Shell(tmp_path, host), secrets=("hunter22",))


def resync(at: PhoneSessions, **more: object) -> str:
    args = PhoneResyncArgs("pbx", **{"vendor": "yealink", "model": "T46S", "mac": "001565a1b2c3", "extension": "101", **more})  # type: ignore[arg-type]
    change = PhoneResync().diff(args, PhoneResync().observe(args, at))
    assert isinstance(change, Unpredictable)
    return PhoneResync().apply(change, args, at, key="k").summary


def test_the_old_pbx_sends_the_vendors_notify(pbx: PhoneSessions, tmp_path: Path) -> None:
    """A phone obeys the PBX it is registered to, so that PBX is asked, by a section Asterisk ships."""
    assert "pjsip send notify snom-check-cfg endpoint 101" in resync(pbx)
    assert (tmp_path / "asterisk.log").read_text() == "pjsip send notify snom-check-cfg endpoint 101\n"


def test_asterisks_zero_status_is_not_believed(pbx: PhoneSessions) -> None:
    """It ends with 0 for an endpoint it does not know; what it prints decides."""
    with pytest.raises(Permanent, match="did not send the NOTIFY to 102: Unable to retrieve endpoint 102"):
        resync(pbx, extension="102")


def test_an_extension_cannot_become_a_command(pbx: PhoneSessions, tmp_path: Path) -> None:
    """What reaches the shell is quoted."""
    with pytest.raises(Permanent):
        resync(pbx, extension=f"1'; touch {tmp_path}/owned; '")
    assert not (tmp_path / "owned").exists()


def test_a_failing_command_is_told_without_its_secrets(pbx: PhoneSessions) -> None:
    """Status and what it said, redacted."""
    with pytest.raises(Permanent, match=r"ended with status 3: no \*\*\* here") as caught:
        resync(pbx, command="echo no hunter22 here >&2; exit 3 # hunter22")
    assert "hunter22" not in caught.value.why


def test_an_own_command_is_taken_at_its_word(pbx: PhoneSessions) -> None:
    """A phone's or router's own command may say anything, or nothing."""
    assert resync(pbx, command="true") == "ran true"


def test_a_reboot_over_asterisk_needs_the_command(pbx: PhoneSessions) -> None:
    """No shipped section reboots every vendor: better asked for than guessed."""
    with pytest.raises(Permanent, match="give the command"):
        resync(pbx, reboot=True)
