"""``tftp.file``: one file on a TFTP server holds exactly this text.

For what is not a phone's configuration (``phone.config`` knows those): dial plans, ring tones' lists, a boot menu. What stands
on the server may hold passwords nobody told us, so what is shown is masked by what keys are called, too.
"""

from __future__ import annotations

import hashlib
import re
from typing import ClassVar, cast

from engine.model.args import BadArgument, arg
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, Effect, Receipt, TextChange, Unpredictable
from engine.model.secret import MASK
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class TftpFileArgs:
    """Arguments of ``tftp.file``."""

    connection: str = arg("The TFTP server.", connection=("tftp",))
    path: str = arg("The file, below the connection's root.", examples=("dialplan.xml", "{{ item.mac }}-directory.xml"))
    content: str | None = arg("What it shall hold, as it stands. Either this or template.", default=None)
    template: str | None = arg(
        "Template for what it shall hold, relative to templates/. Either this or content.", default=None, template=True,
    )

    def __post_init__(self) -> None:
        """Raises ``BadArgument`` unless exactly one of ``content`` and ``template`` is given."""
        if (self.content is None) == (self.template is None):
            why = "give the text itself (content) or a template file (template), one of the two"
            raise BadArgument("content", why)


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What stands there and what should. ``shown_*`` are masked, and only filled in when the two differ."""

    before: bytes | None
    after: bytes
    shown_before: str | None = None
    shown_after: str = ""


class TftpFile:
    """Writes one file by TFTP write request when it differs."""

    name: ClassVar[str] = "tftp.file"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A file on a TFTP server holds exactly the given text."
    settle_s: ClassVar[float] = 2.0
    """tftpd-hpa stores before it acknowledges; servers that rename afterwards, or copy to a second one, take a moment."""
    local: ClassVar[bool] = False
    Args = TftpFileArgs

    def observe(self, args: TftpFileArgs, at: Sessions) -> FileSeen:
        """Renders what it shall hold and reads what it holds."""
        text = at.render(args.template) if args.template is not None else cast(str, args.content)
        after = text.encode()
        before = at.files(args.connection).read(args.path)
        if before == after:
            return FileSeen(before, after)
        shown_before = None if before is None else at.redact(mask_lookalikes(_shown(before)))
        return FileSeen(before, after, shown_before, at.redact(mask_lookalikes(text)))

    def diff(self, args: TftpFileArgs, seen: FileSeen) -> Change | None:
        """The file, when it differs by a byte."""
        if seen.before == seen.after:
            return None
        return Change(
            summary=f"{'write' if seen.before is None else 'rewrite'} {args.path}",
            texts=(TextChange(args.path, seen.shown_before, seen.shown_after),),
            reversible=seen.before is not None,
            token=_token(seen),
            notes=tuple(_notes(args, seen)),
            payload=seen,
        )

    def apply(self, change: Change | Unpredictable, args: TftpFileArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes it, having kept what it held."""
        receipt = self.prepare(change, args, at)
        at.files(args.connection).write(args.path, cast(FileSeen, change.payload).after)
        return receipt

    def prepare(self, change: Change | Unpredictable, args: TftpFileArgs, at: Sessions) -> Receipt:
        """Keeps what the file holds."""
        seen = cast(FileSeen, change.payload)
        kept = None if seen.before is None else at.keep.put(seen.before)
        data = {"path": args.path, "kept": kept, "wrote": _digest(seen.after).hex()}
        return Receipt(data, summary=f"{args.path}: {len(seen.after)} bytes written")

    def undo(self, receipt: Receipt, args: TftpFileArgs, at: Sessions, *, key: str) -> None:
        """Writes back what the file held."""
        change = self.undoing(receipt, args, at)
        if change is not None:
            at.files(args.connection).write(str(receipt.data["path"]), cast(bytes, change.payload))

    def undoing(self, receipt: Receipt, args: TftpFileArgs, at: Sessions) -> Change | None:
        """The file, when it is not as it was before. Raises ``Permanent`` when it was new, which TFTP cannot delete, and
        ``ChangedSince`` when somebody changed it since."""
        path, kept = str(receipt.data["path"]), receipt.data["kept"]
        now = at.files(args.connection).read(path)
        if kept is None:
            if now is None:
                return None
            raise Permanent(f"{path} was new, and TFTP has no way to delete it: remove it on the server itself")
        before = at.keep.get(str(kept))
        if now is not None and now != before and _digest(now).hex() != receipt.data["wrote"]:
            why = f"{path} was changed by somebody else since: it is left alone. Look at it, then restore it by hand"
            raise ChangedSince(why)
        if now == before:
            return None
        shown_now = None if now is None else at.redact(mask_lookalikes(_shown(now)))
        text = TextChange(path, shown_now, at.redact(mask_lookalikes(_shown(before))))
        return Change(f"restore {path}", texts=(text,), token=_token(FileSeen(now, before)), payload=before)


_HINTS = ("pass", "secret", "token", "apikey", "api_key", "credential")
_CALLED = r"(?:passw(?:or)?d|passphrase|_pass|secret|token|api_?key|credential)"
_KEY = re.compile(f"(?i){_CALLED}")
_LONGEST = 40
"""Characters of a key before and after the word that gives it away."""
_WORDS = rf"[\w.\-]{{0,{_LONGEST}}}{_CALLED}[\w.\-]{{0,{_LONGEST}}}"
_LOOKALIKE = re.compile(
    rf"""(?ix)
      (?P<line>  ["']?{_WORDS}["']? \s* [=:] \s* ) (?P<value> "[^"\r\n]*" | '[^'\r\n]*' | [^\s<>"'][^\r\n<>]* )
    | (?P<element> <{_WORDS}(?:\s[^<>]*)?(?<!/)> ) (?P<inner> [^<]+ )
    """
)


def mask_lookalikes(text: str) -> str:
    """Masks values whose key is called like a secret, in ``key = value``, ``"key": "value"``, attributes and elements.

    Looks for the telling word first and only then at what stands round it: trying every place of a 4 KB file as the beginning
    of a key takes 10 ms, in which no other thread does anything.
    """
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text
    parts: list[str] = []
    done = 0
    for hit in _KEY.finditer(text):
        found = _key_around(text, hit.start(), done) if hit.start() >= done else None
        if found is not None:
            parts += (text[done : found.start()], found["line"] or found["element"], MASK)
            done = found.end()
    return "".join(parts) + text[done:]


def _key_around(text: str, place: int, done: int) -> re.Match[str] | None:
    """The key that the telling word at ``place`` is in, with its value; nothing before ``done`` belongs to it."""
    start = place
    while start > max(done, place - _LONGEST) and (text[start - 1] in "_.-" or text[start - 1].isalnum()):
        start -= 1
    opening = start - 1 if start > done and text[start - 1] in "\"'<" else start
    return _LOOKALIKE.match(text, opening) or _LOOKALIKE.match(text, start)


def _shown(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"({len(data)} bytes that are not text)\n" if "\0" in text else text


def _token(seen: FileSeen) -> str:
    before = b"absent" if seen.before is None else _digest(seen.before)
    return hashlib.sha256(before + _digest(seen.after)).hexdigest()[:32]


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _notes(args: TftpFileArgs, seen: FileSeen) -> list[str]:
    if seen.before is None:
        return [f"{args.path} is new, and TFTP cannot delete it again"]
    if seen.shown_before == seen.shown_after:
        return [f"{args.path} differs only in a value that is not shown"]
    return []
