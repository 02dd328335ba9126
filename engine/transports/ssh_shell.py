"""A shell that stands on one channel of a connection and is fed one script after another.

A command of its own costs a channel, a login shell with its start-up files, and a shell for the script: milliseconds of
processor on both sides, and a round trip more. A step looks, writes and reads back, so on one host there are several.

What is fed is one complete shell command: a subshell for the script, so that nothing it does stays, with the script's input
spelled out inside; then its status behind a mark that nobody can foresee. A connection that is lost on the way leaves a command
that was never complete, and so was never begun.
"""

from __future__ import annotations

import re
import secrets

from paramiko import Channel

from engine.model.errors import Temporary
from engine.model.posix_file import INPUT, MARK, MISSING, NO_FOLDER, Script
from engine.ports import CommandResult
from engine.transports.ssh_channel import send_exec
from engine.transports.ssh_exec import WAITING, Outputs, raise_if_dead
from engine.transports.ssh_settings import Deadline

MOST_INPUT = 32 * 1024
"""Larger inputs go to a command of their own, as they are."""
_NOT_PLAIN = re.compile(rb"\A-|[^ -$&(-[\]-~\n]")
"""What a quoted format of ``printf`` cannot hold as it is."""
_TAIL = 64
"""Bytes that surely hold the mark and a status."""
_FIRST = b"case $(command -v printf) in printf) ;; *) exit 97 ;; esac\n"
"""A program ``printf`` would show its words, the content of a file, to everybody on that system."""


def fits(stdin: bytes) -> bool:
    """Whether an input can be spelled out: not too large, and without NUL, which not every shell can hold."""
    return len(stdin) <= MOST_INPUT and b"\0" not in stdin


class StandingShell:
    """One shell. Not safe to use from several threads at once."""

    def __init__(self, channel: Channel, where: str) -> None:
        self._channel = channel
        self._where = where
        self._preface = _FIRST
        send_exec(channel, "exec sh")

    @property
    def stands(self) -> bool:
        """False once the other side has ended it."""
        return not self._channel.closed and not self._channel.eof_received

    def carry_out(self, script: Script, stdin: bytes, deadline: Deadline) -> CommandResult | None:
        """How the script ended, with what it printed to stderr if it failed; None when it was certainly not begun. Raises
        ``Temporary`` when nobody knows."""
        mark = b"@%s " % secrets.token_hex(16).encode()
        outputs = Outputs(self._channel, self._where, deadline, mark)
        outputs.send(self._preface + _request(script, stdin, mark))
        self._preface = b""
        while (result := _result(outputs, mark)) is None and self.stands:
            outputs.wait(outputs.left(WAITING))
        outputs.drain()
        result = result or _result(outputs, mark)
        if result is None:
            self._refuse_if_begun(outputs)
        return result

    def end(self) -> None:
        """Ends it; a script under way loses its outputs."""
        self._channel.close()

    def _refuse_if_begun(self, outputs: Outputs) -> None:
        raise_if_dead(self._channel, self._where)
        if MARK in outputs.stdout:
            raise Temporary(f"{self._where}: a command was cut off; whether it took effect is not known")


def _result(outputs: Outputs, mark: bytes) -> CommandResult | None:
    """How the script ended; None while the mark has not come, after a failure on both outputs."""
    stdout, stderr = outputs.stdout, outputs.stderr
    end = stdout.rfind(mark, max(0, len(stdout) - _TAIL))
    if end < 0 or not stdout.endswith(b"\n", end + len(mark)):
        return None
    status = int(stdout[end + len(mark) :])
    if status in _QUIET:
        return CommandResult(status, bytes(stdout[:end]), b"")
    return CommandResult(status, bytes(stdout[:end]), bytes(stderr[: -len(mark)])) if stderr.endswith(mark) else None


def _request(script: Script, stdin: bytes, mark: bytes) -> bytes:
    """The shell command: what the script prints, then its status behind the mark."""
    spelled = b"printf '%s'" % _NOT_PLAIN.sub(_escaped, stdin)
    start, end = b"(", b") </dev/null"
    if INPUT in script.text:
        start = b"( switchover_input() { %s; }; switchover_input=switchover_input;" % spelled
    elif stdin:
        start, end = b"%s | (" % spelled, b")"
    inside = f" set -- {script.words}\n{script.text}\n".encode()
    return start + inside + end + _REPORT.replace(b"@mark ", mark)


_QUIET = (0, MISSING, NO_FOLDER)
"""Statuses that say all there is to say. Each piece of output is a message to decrypt here: stderr is waited for after others."""
_REPORT = (
    b"\ns=$?; printf '@mark %d\\n' $s; case $s in "
    + b"|".join(b"%d" % status for status in _QUIET)
    + b") ;; *) printf '@mark ' >&2 ;; esac\n"
)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%" if found[0] == b"%" else b"\\%03o" % found[0][0]
