"""``phone.config``: a phone's configuration files stand on the provisioning server exactly as their templates say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import ClassVar, cast

from engine.actions.phone.local_time import clock_of
from engine.actions.phone.masking import mask_pair
from engine.actions.phone.vendors import Model, model_of
from engine.model.args import arg
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, Effect, Receipt, TextChange, Unpredictable
from engine.model.values import dataclass
from engine.ports import FileSession, Sessions


@dataclass(frozen=True, slots=True)
class PhoneConfigArgs:
    """Arguments of ``phone.config``."""

    connection: str = arg("Where the files are kept.", connection=("local", "tftp", "sftp", "ssh"))
    mac: str = arg("The phone's MAC: bare lower-case, as in the inventory.", examples=("{{ item.mac }}",))
    vendor: str = arg("Its vendor: yealink, poly, grandstream, cisco or snom.", examples=("{{ item.vendor }}",))
    model: str = arg("Its model, such as T46S or VVX411.", examples=("{{ item.model }}",))
    folder: str = arg("Folder below the connection's root; empty: the root itself.", default="")
    template: str = arg(
        "Template for the file with the settings instead of the vendor's own, relative to templates/.", default="", template=True,
    )


@dataclass(slots=True, eq=False)
class FileSeen:
    """One file: what stands there and what should. ``mask`` gives both sides fit to be shown."""

    path: str
    before: bytes | None
    after: bytes
    mask: Callable[[], tuple[str | None, str | None]] = field(repr=False)
    _wanted: bytes = field(default=b"", init=False, repr=False)

    @property
    def wanted(self) -> bytes:
        """Digest of ``after``, worked out when first asked for: an item is asked three times, or not at all."""
        if not self._wanted:
            self._wanted = _digest(self.after)
        return self._wanted

    def change(self) -> TextChange:
        """What is shown of it, masked when somebody looks."""
        return TextChange.later(self.path, self.mask, is_new=self.before is None)


@dataclass(slots=True, eq=False)
class ConfigSeen:
    """What was read: the files in writing order, and whether the server can take a new file back."""

    files: tuple[FileSeen, ...]
    can_remove: bool


class PhoneConfig:
    """Renders the vendor's templates for one phone and delivers the files that differ, the boot file last."""

    name: ClassVar[str] = "phone.config"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "The phone's configuration files are rendered and stand on the provisioning server, byte for byte."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False  # True in effect when the connection is a local folder
    Args = PhoneConfigArgs
    TemplateNames: ClassVar[tuple[str, ...]] = ("phone",)
    TemplatesBy: ClassVar[tuple[str, ...]] = ("vendor", "model", "template")

    def templates(self, vendor: str, model: str, template: str) -> tuple[str, ...]:
        """The files of a phone; none for one that nobody knows, of which planning says more."""
        try:
            return tuple(_templates(model_of(vendor, model), template))
        except Permanent:
            return ()

    def facts(self) -> Mapping[str, Sequence[str]]:
        """What it knows of each vendor, for its page."""
        from engine.actions.phone.vendor_facts import file_facts  # noqa: PLC0415  # only for a page, not at every start

        return file_facts()

    def observe(self, args: PhoneConfigArgs, at: Sessions) -> ConfigSeen:
        """Renders each file and reads what stands in its place."""
        model = model_of(args.vendor, args.model)
        facts = phone_facts(model, args)
        files = at.files(args.connection)
        paths, extra = cast("tuple[str, ...]", facts["files"]), {"phone": facts}
        seen = []
        for path, template in zip(paths, _templates(model, args.template), strict=True):
            text = at.render(template, extra)
            after = (text if text.endswith("\n") else text + "\n").encode()
            before = files.read(path)
            seen.append(FileSeen(path, before, after, partial(mask_pair, model.family, before, after, at.redact)))
        return ConfigSeen(tuple(seen), files.can_remove)

    def diff(self, args: PhoneConfigArgs, seen: ConfigSeen) -> Change | None:
        """The files that differ."""
        differing = [file for file in seen.files if file.before != file.after]
        if not differing:
            return None
        created = [file for file in differing if file.before is None]
        verb = "write" if created and len(created) == len(differing) else "rewrite"
        token = hashlib.sha256()
        for file in differing:
            token.update(b"\0".join((file.path.encode(), _digest(file.before), file.wanted)))
        texts = tuple(file.change() for file in differing)
        return Change(
            summary=f"{verb} {', '.join(file.path for file in differing)}",
            texts=texts,
            reversible=seen.can_remove or not created,
            token=token.hexdigest()[:32],
            notes=tuple(_notes(texts)),
            payload=tuple(differing),
        )

    def apply(self, change: Change | Unpredictable, args: PhoneConfigArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes the differing files in order, having kept what they held."""
        receipt, files = self.prepare(change, args, at), at.files(args.connection)
        for file in cast(tuple[FileSeen, ...], change.payload):
            files.write(file.path, file.after)
        return receipt

    def prepare(self, change: Change | Unpredictable, args: PhoneConfigArgs, at: Sessions) -> Receipt:
        """Keeps what the differing files hold."""
        seen = cast(tuple[FileSeen, ...], change.payload)
        files = [
            {"path": f.path, "kept": None if f.before is None else at.keep.put(f.before), "wrote": f.wanted.hex()}
            for f in seen
        ]
        return Receipt({"files": files}, summary=f"{len(files)} file{'s' if len(files) != 1 else ''} written")

    def undo(self, receipt: Receipt, args: PhoneConfigArgs, at: Sessions, *, key: str) -> None:
        """Puts the former contents back and removes what was new, the boot file first. Touches none when it may not touch all."""
        change = self.undoing(receipt, args, at)
        files = at.files(args.connection)
        for former in () if change is None else cast("tuple[_Former, ...]", change.payload):
            if former.before is None:
                files.remove(former.path)
            else:
                files.write(former.path, former.before)

    def undoing(self, receipt: Receipt, args: PhoneConfigArgs, at: Sessions) -> Change | None:
        """The files that are not as they were before. Raises ``ChangedSince`` when somebody changed one since."""
        files = at.files(args.connection)
        entries = cast("list[Mapping[str, str | None]]", receipt.data["files"])
        found = tuple(former for entry in reversed(entries) if (former := _former(entry, files, at)) is not None)
        if not found:
            return None
        stuck = next((former for former in found if former.before is None), None)
        if stuck is not None and not files.can_remove:
            raise Permanent(
                f"{stuck.path} was new, and the protocol of connection {args.connection!r} cannot delete: remove it on the server"
            )
        family = model_of(args.vendor, args.model).family
        texts = tuple(
            TextChange.later(f.path, partial(mask_pair, family, f.now, f.before, at.redact), is_new=f.now is None) for f in found
        )
        token = hashlib.sha256(b"".join(_digest(side) for f in found for side in (f.now, f.before)))
        names = ", ".join(former.path for former in found)
        verb = "restore" if any(former.before is not None for former in found) else "remove"
        return Change(f"{verb} {names}", texts=texts, token=token.hexdigest()[:32], payload=found)


@dataclass(frozen=True, slots=True)
class _Former:
    """A file that is not as it was before the change: what it holds now and what it held, None for nothing."""

    path: str
    now: bytes | None
    before: bytes | None


def _former(entry: Mapping[str, str | None], files: FileSession, at: Sessions) -> _Former | None:
    path, kept = str(entry["path"]), entry["kept"]
    before, now = None if kept is None else at.keep.get(kept), files.read(path)
    if now is not None and now != before and _digest(now).hex() != entry["wrote"]:
        raise ChangedSince(f"{path} was changed by somebody else since: it is left alone. Look at it, then restore it by hand")
    return None if now == before else _Former(path, now, before)


def phone_facts(model: Model, args: PhoneConfigArgs) -> dict[str, object]:
    """What a template gets as ``phone``. A plain mapping, because templates read those four times quicker than objects.

    ``mac`` and ``mac_upper``: bare; ``vendor``; ``model`` as the vendor's file names spell it; ``files``: paths of this phone's
    files in writing order; ``local_time(zone)``: see ``clock_of``.
    """
    folder = args.folder.strip("/")
    names = model.file_names(args.mac)
    return {
        "mac": args.mac.lower(), "mac_upper": args.mac.upper(), "vendor": model.family.vendor, "model": model.code,
        "files": tuple(f"{folder}/{name}" for name in names) if folder else names, "local_time": clock_of,
    }


def _templates(model: Model, override: str) -> tuple[str, ...]:
    """The settings file is always the first to be written; an override replaces its template."""
    own = tuple([file.template for file in model.family.files])
    return (override, *own[1:]) if override else own


def _digest(data: bytes | None) -> bytes:
    return b"absent" if data is None else hashlib.sha256(data).digest()


def _notes(texts: Iterable[TextChange]) -> Iterator[str]:
    for text in texts:
        if not text.is_new and text.before == text.after:
            yield f"{text.name} differs only in a value that is not shown"
