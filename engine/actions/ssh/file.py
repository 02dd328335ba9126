"""``ssh.file``: a file on another system has exactly this content, and mode and owner where they are given.

One exchange reads it with its mode and owner, one replaces it in one step: nobody ever reads half of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import partial
from typing import ClassVar, cast

from engine.actions.ssh.script import last_words
from engine.actions.tftp.file import mask_lookalikes
from engine.model import posix_file
from engine.model.args import BadArgument, arg
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, TextChange, Unpredictable
from engine.model.posix_file import remote_path
from engine.model.values import dataclass
from engine.ports import CommandResult, Sessions, ShellSession


@dataclass(frozen=True, slots=True)
class SshFileArgs:
    """Arguments of ``ssh.file``."""

    connection: str = arg("The system to log in to.", connection=("ssh",))
    path: str = arg("The file: below the connection's root if it has one, else absolute.", examples=("/etc/asterisk/pjsip.conf",))
    content: str | None = arg("What is to stand in it.", default=None)
    template: str | None = arg("Or the template that renders it, relative to templates/.", default=None, template=True)
    host: str | None = arg("Another host with the connection's login, such as one phone of many.", default=None)
    mode: str | None = arg("Permissions in octal; without it they stay, and a new file gets the login's usual ones.",
                           default=None, examples=("0644",))
    owner: str | None = arg("Its owner, a name or a number; without it he stays.", default=None)
    group: str | None = arg("Its group, a name or a number; without it it stays.", default=None)

    def __post_init__(self) -> None:
        if (self.content is None) == (self.template is None):
            raise BadArgument("content", "give either `content` or `template`")
        if self.mode is not None and (not self.mode or set(self.mode) - set("01234567") or int(self.mode, 8) > 0o7777):
            raise BadArgument("mode", f"{self.mode!r} is no octal mode such as 0644")
        for name in ("owner", "group"):
            value = getattr(self, name)
            if value is not None and (not value or value.startswith("-") or set(value) & set(": \n")):
                raise BadArgument(name, f"{value!r} is no name of a user or group")


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it stands there."""

    content: bytes
    mode: int
    uid: str
    gid: str
    user: str
    group: str


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What stands there (None: nothing) and what should. ``show`` gives a content masked, fit to be shown: most are looked at,
    found as they should be, and shown to nobody."""

    held: Held | None
    wanted: bytes
    show: Callable[[bytes], str] = field(repr=False, compare=False)
    has_folder: bool = True

    def sides(self) -> tuple[str | None, str]:
        """Before and after as they are shown."""
        return None if self.held is None else self.show(self.held.content), self.show(self.wanted)

    def text(self, path: str) -> TextChange:
        """What is shown of it, masked when somebody looks."""
        return TextChange.later(path, self.sides, is_new=self.held is None)


class SshFile:
    """Puts a file in place over SSH in one step; undo puts back what was there."""

    name: ClassVar[str] = "ssh.file"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A file on another system has exactly this content, and mode and owner where they are given."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = SshFileArgs

    def observe(self, args: SshFileArgs, at: Sessions) -> FileSeen:
        """Reads content, mode and owner in one exchange, and renders what is wanted."""
        wanted = (args.content if args.template is None else at.render(args.template)) or ""
        held, has_folder = _read(at.shell(args.connection, args.host), _path(args, at))
        return FileSeen(held, wanted.encode(), partial(shown, at=at), has_folder)

    def diff(self, args: SshFileArgs, seen: FileSeen) -> Change | None:
        """What differs in content, mode, owner and group; what was not asked for is left alone."""
        held = seen.held
        same = held is not None and held.content == seen.wanted
        fields = _field_changes(args, held)
        if same and not fields:
            return None
        verb = "create" if held is None else "set mode or owner of" if same else "rewrite"
        texts = () if same else (seen.text(args.path),)
        return Change(
            f"{verb} {args.path}",
            fields=fields,
            texts=texts,
            token=f"{'absent' if held is None else _digest(held.content)}-{_digest(seen.wanted)}",
            notes=_notes(args, seen, texts),
            payload=seen,
        )

    def apply(self, change: Change | Unpredictable, args: SshFileArgs, at: Sessions, *, key: str) -> Receipt:
        """Replaces the file in one exchange, having kept what it held."""
        receipt, wanted = self.prepare(change, args, at), cast(FileSeen, change.payload).wanted
        _write(at.shell(args.connection, args.host), _path(args, at), wanted, args.mode, args.owner, args.group)
        return receipt

    def prepare(self, change: Change | Unpredictable, args: SshFileArgs, at: Sessions) -> Receipt:
        """Keeps content, mode and owner."""
        seen = cast(FileSeen, change.payload)
        held = seen.held
        kept = None if held is None else at.keep.put(held.content)
        before = {} if held is None else {"mode": f"{held.mode:o}", "uid": held.uid, "gid": held.gid}
        return Receipt({"path": args.path, "kept": kept, "wrote": _digest(seen.wanted), **before}, summary=change.summary)

    def undo(self, receipt: Receipt, args: SshFileArgs, at: Sessions, *, key: str) -> None:
        """Puts back content, mode and owner, or removes a file that was new."""
        if self.undoing(receipt, args, at) is None:
            return
        data, path = receipt.data, _path(args, at)
        shell, kept = at.shell(args.connection, args.host), data["kept"]
        if kept is None:
            _remove(shell, path)
            return
        owner, group = (str(data["uid"]), str(data["gid"])) if _is_owned(args) else (None, None)
        _write(shell, path, at.keep.get(str(kept)), str(data["mode"]), owner, group)

    def undoing(self, receipt: Receipt, args: SshFileArgs, at: Sessions) -> Change | None:
        """Content, mode and owner that are not as they were. Raises ``ChangedSince`` when somebody changed the content since."""
        data, path = receipt.data, _path(args, at)
        held, _ = _read(at.shell(args.connection, args.host), path)
        before = None if data["kept"] is None else at.keep.get(str(data["kept"]))
        if held is None and before is None:
            return None
        if held is not None and _digest(held.content) != data["wrote"] and held.content != before:
            why = f"{path} was changed by somebody else since: it is left alone. Look at it, then restore it by hand"
            raise ChangedSince(why)
        fields = () if held is None or before is None else _former_fields(args, held, data)
        same = held is not None and held.content == before
        if same and not fields:
            return None
        now = None if held is None else held.content
        now_shown, before_shown = (None if side is None else shown(side, at) for side in (now, before))
        return Change(
            f"{'remove' if before is None else 'restore'} {args.path}",
            fields=fields,
            texts=() if same else (TextChange(args.path, now_shown, before_shown),),
            token="-".join("absent" if side is None else _digest(side) for side in (now, before)),
        )


def _is_owned(args: SshFileArgs) -> bool:
    return args.owner is not None or args.group is not None


def _former_fields(args: SshFileArgs, held: Held, data: Mapping[str, object]) -> tuple[FieldChange, ...]:
    """Mode, and owner where the step sets one, that differ from what the receipt says of before."""
    mode = int(str(data["mode"]), 8)
    changes = [] if held.mode == mode else [FieldChange("mode", f"{held.mode:04o}", f"{mode:04o}")]
    if _is_owned(args):
        sides = (("owner", held.uid, data["uid"]), ("group", held.gid, data["gid"]))
        changes += [FieldChange(name, now, before) for name, now, before in sides if now != before]
    return tuple(changes)


def _path(args: SshFileArgs, at: Sessions) -> str:
    return remote_path(at.setting(args.connection, "root"), args.path)


def _read(shell: ShellSession, path: str) -> tuple[Held | None, bool]:
    """The file, None when there is none; and whether its folder is there."""
    result = shell.probe(posix_file.read_command(path, facts=True))
    if result.status in (posix_file.MISSING, posix_file.NO_FOLDER):
        _output(result, "read", path, result.status)
        return None, result.status == posix_file.MISSING
    facts, _, content = _output(result, "read", path).partition(b"\n")
    mode, uid, gid, user, group = facts.decode("utf-8", "replace").split(":", 4)
    return Held(content, int(mode, 8), uid, gid, user, group), True


def _write(shell: ShellSession, path: str, data: bytes, mode: str | None, owner: str | None, group: str | None) -> None:
    command = posix_file.write_command(path, len(data), mode or "", owner or "", group or "")
    _output(shell.run(command, data), "write", path)


def _remove(shell: ShellSession, path: str) -> None:
    _output(shell.run(posix_file.remove_command(path)), "remove", path)


def _output(result: CommandResult, verb: str, path: str, expected: int = 0) -> bytes:
    """What the script printed. Raises what its failure means."""
    _, mark, output = result.stdout.partition(posix_file.MARK)
    if not mark:
        raise Permanent(f"cannot {verb} {path}: this login has no POSIX shell. It said: {last_words(result)}")
    if result.status != expected:
        raise posix_file.failure_of(result.status, last_words(result), verb, path)
    return output


def _field_changes(args: SshFileArgs, held: Held | None) -> tuple[FieldChange, ...]:
    changes = []
    mode = None if args.mode is None else int(args.mode, 8)
    if mode is not None and (held is None or held.mode != mode):
        changes.append(FieldChange("mode", None if held is None else f"{held.mode:04o}", f"{mode:04o}"))
    if args.owner is not None and (held is None or args.owner not in (held.user, held.uid)):
        changes.append(FieldChange("owner", None if held is None else held.user, args.owner))
    if args.group is not None and (held is None or args.group not in (held.group, held.gid)):
        changes.append(FieldChange("group", None if held is None else held.group, args.group))
    return tuple(changes)


def _notes(args: SshFileArgs, seen: FileSeen, texts: Iterable[TextChange]) -> tuple[str, ...]:
    notes = []
    if not seen.has_folder:
        notes.append(f"the folder of {args.path} does not exist yet: a step before this one has to create it")
    if any(not text.is_new and text.before == text.after for text in texts):
        notes.append("it differs only in a value that is not shown")
    return tuple(notes)


def shown(content: bytes, at: Sessions) -> str:
    """The text with secrets masked, also old ones nobody told us; for what is no text its size and digest."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"(binary, {len(content)} bytes, sha256 {_digest(content)})" if "\0" in text else at.redact(mask_lookalikes(text))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
