"""``ssh.command``: a command is carried out on another system, once if it is guarded.

With ``creates`` or ``unless`` the plan can tell whether it is still to be done, and its effect is proved by asking the guard
again. Without, the plan says that it cannot tell, and the journal alone keeps it from being carried out twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar

from engine.actions.ssh.script import check_environment, last_words, with_environment
from engine.model.args import arg
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable, digest
from engine.model.posix_file import Script
from engine.model.values import dataclass
from engine.ports import CommandResult, Sessions

_KEPT_OUTPUT = 2000
_TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the command itself says that trying again later may work."""

_GUARD = """
ask() { sh -c "$1" </dev/null >/dev/null 2>&1; s=$?; case $s in 126|127) echo "@guard broken"; exit;; esac; return $s; }
if [ -n "$1" ] && [ -e "$1" ]; then echo "@guard creates"; exit; fi
if [ -n "$2" ] && ask "$2"; then echo "@guard unless"; exit; fi
if [ -n "$3" ]; then ask "$3" || { echo "@guard onlyif"; exit; }; fi
echo "@guard open"
"""


@dataclass(frozen=True, slots=True)
class SshCommandArgs:
    """Arguments of ``ssh.command``."""

    connection: str = arg("The system to log in to.", connection=("ssh",))
    command: str = arg("What to carry out, as typed at its prompt.", examples=("asterisk -rx 'core reload'",))
    host: str | None = arg("Another host with the connection's login, such as one phone of many.", default=None)
    creates: str | None = arg("A file the command makes: while it exists there is nothing to do.", default=None)
    unless: str | None = arg("A command that only reads: while it succeeds there is nothing to do.", default=None)
    onlyif: str | None = arg("A command that only reads: while it fails there is nothing to do.", default=None)
    stdin: str = arg("Text for the command to read: the place for secrets, which a process list would show.", default="")
    env: Mapping[str, str] | None = arg("Environment variables for the command and its guards.", default=None)
    ok_status: tuple[int, ...] = arg("Exit statuses that count as success.", default=(0,))

    def __post_init__(self) -> None:
        check_environment(self.env or {})

    @property
    def is_guarded(self) -> bool:
        """Whether anything can be asked beforehand."""
        return bool(self.creates or self.unless or self.onlyif)

    @property
    def is_provable(self) -> bool:
        """Whether a guard tells afterwards that it was done."""
        return bool(self.creates or self.unless)


class Guard(Enum):
    """What the guards said."""

    NONE = "none"
    OPEN = "open"
    """The command is still to be carried out."""
    CREATES = "creates"
    UNLESS = "unless"
    ONLYIF = "onlyif"


@dataclass(frozen=True, slots=True)
class CommandSeen:
    """What was asked beforehand. ``shown`` and ``shown_unless``: the commands, secrets masked."""

    guard: Guard
    shown: str
    shown_unless: str = ""


class SshCommand:
    """Carries out a command over SSH, guarded by a file or by other commands where it has guards."""

    name: ClassVar[str] = "ssh.command"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A command has been carried out on another system; with a guard, only where it was still to be done."
    settle_s: ClassVar[float] = 10.0
    local: ClassVar[bool] = False
    Args = SshCommandArgs

    def observe(self, args: SshCommandArgs, at: Sessions) -> CommandSeen:
        """Asks all guards in one exchange; without guards there is nothing to ask."""
        shown = at.redact(args.command)
        if not args.is_guarded:
            return CommandSeen(Guard.NONE, shown)
        asking = Script(_GUARD, args.creates or "", args.unless or "", args.onlyif or "")
        result = at.shell(args.connection, args.host).probe(with_environment(asking, args.env or {}))
        return CommandSeen(_guard_of(result, at), shown, at.redact(args.unless or ""))

    def diff(self, args: SshCommandArgs, seen: CommandSeen) -> Change | Unpredictable | None:
        """None when a guard says that it is done."""
        summary = f"run: {seen.shown}"
        if seen.guard is Guard.NONE:
            return Unpredictable(summary, "a bare command: nothing tells what it will change, nor afterwards whether it did")
        if seen.guard is not Guard.OPEN:
            return None
        if not args.is_provable:
            return Unpredictable(summary, "`onlyif` says that it is to be run, but nothing tells afterwards whether it was")
        fields = []
        if args.creates:
            fields.append(FieldChange(args.creates, "missing", "exists"))
        if args.unless:
            fields.append(FieldChange(f"unless: {seen.shown_unless}", "fails", "succeeds"))
        token = digest([args.command, args.stdin, dict(args.env or {}), args.creates, args.unless])
        return Change(summary, fields=tuple(fields), reversible=False, token=token)

    def unseen(self, given: Mapping[str, object]) -> str:
        if given.get("creates") or given.get("unless"):
            return ""
        return "without 'creates' or 'unless' nothing tells whether the command was carried out"

    def apply(self, change: Change | Unpredictable, args: SshCommandArgs, at: Sessions, *, key: str) -> Receipt:
        """Carries it out. Its output goes into the receipt, masked and cut to its end."""
        command = with_environment(args.command, args.env or {})
        result = at.shell(args.connection, args.host).run(command, args.stdin.encode())
        if result.status not in args.ok_status:
            why = f"`{at.redact(args.command)}` ended with status {result.status}: {last_words(result, at.redact) or 'no output'}"
            raise Temporary(why) if result.status == _TRY_AGAIN else Permanent(why)
        output = at.redact(result.stdout.decode("utf-8", "replace"))[-_KEPT_OUTPUT:]
        return Receipt({"status": result.status, "stdout": output}, summary=f"ended with status {result.status}")


def _guard_of(result: CommandResult, at: Sessions) -> Guard:
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    answers = [line.removeprefix("@guard ") for line in lines if line.startswith("@guard ")]
    if answers and answers[-1] == "broken":
        raise Permanent("a guard command cannot be carried out there: it was not found, or is not executable")
    if not answers:
        raise Permanent(f"the guards could not be asked; guards need a POSIX shell. It said: {last_words(result, at.redact)}")
    return Guard(answers[-1])
