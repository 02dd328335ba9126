"""Every action by name: the engine's own, plus what other packages register.

A package adds actions through the entry point group ``switchover.actions``; each is checked when it is loaded, and a wrong one
is refused by its name and its package.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.model.errors import SwitchoverError
from engine.model.plan import Effect
from engine.ports import Action

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# action -> (module below engine.actions, class). Imported when asked for: all of them together take longer than a small run.
_HOMES: Mapping[str, tuple[str, str]] = {
    "phone.config": ("phone.config", "PhoneConfig"),
    "phone.resync": ("phone.resync", "PhoneResync"),
    "phone.registered": ("phone.registered", "PhoneRegistered"),
    "number.forward": ("number.forward", "NumberForward"),
    "number.caller_id": ("number.caller_id", "NumberCallerId"),
    "mail.send": ("mail.send", "MailSend"),
    "mail.invite": ("mail.invite", "MailInvite"),
    "ssh.command": ("ssh.command", "SshCommand"),
    "ssh.file": ("ssh.file", "SshFile"),
    "tftp.file": ("tftp.file", "TftpFile"),
    "http.resource": ("http.resource", "HttpResource"),
    "document.render": ("document.render", "DocumentRender"),
    "ticket.ensure": ("ticket.ensure", "TicketEnsure"),
    "ticket.comment": ("ticket.comment", "TicketComment"),
    "ticket.transition": ("ticket.transition", "TicketTransition"),
    "ticket.state": ("ticket.state", "TicketState"),
    "check.that": ("check.that", "CheckThat"),
}


class _BuiltIn(Mapping[str, Action[Any, Any]]):
    """The engine's own actions, each imported when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Action[Any, Any]] = {}

    def __getitem__(self, name: str) -> Action[Any, Any]:
        made = self._made.get(name)
        if made is None:
            module, cls = _HOMES[name]
            made = self._made[name] = getattr(importlib.import_module(f"engine.actions.{module}"), cls)()
        return made

    def __contains__(self, name: object) -> bool:
        return name in _HOMES

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


BUILT_IN: Mapping[str, Action[Any, Any]] = _BuiltIn()
GROUP = "switchover.actions"
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_NEEDED = ("name", "version", "effect", "doc", "settle_s", "local", "Args", "observe", "diff", "apply")


def catalog(names: Iterable[str] | None = None) -> Mapping[str, Action[Any, Any]]:
    """All actions; with ``names``, installed packages are asked only when one of them is not built in."""
    wanted = set(names) if names is not None else None
    if wanted is not None and wanted <= BUILT_IN.keys():
        return BUILT_IN
    # Takes a tenth of a second, which only those pay who have other packages' actions.
    from importlib.metadata import entry_points  # noqa: PLC0415

    found = dict(BUILT_IN)
    for entry in entry_points(group=GROUP):
        action = _load(entry)
        if action.name in found:
            raise _refused(entry, f"its name {action.name!r} is taken by {type(found[action.name]).__module__}")
        found[action.name] = action
    return found


def _load(entry: EntryPoint) -> Action[Any, Any]:
    try:
        action = entry.load()()
    except Exception as error:
        raise _refused(entry, f"loading it failed: {type(error).__name__}: {error}") from error
    missing = [name for name in _NEEDED if not hasattr(action, name)]
    if missing:
        raise _refused(entry, f"it lacks {', '.join(missing)}")
    if not _NAME.fullmatch(action.name):
        raise _refused(entry, f"its name {action.name!r} is not of the form system.noun")
    if not isinstance(action.effect, Effect):
        raise _refused(entry, f"its effect is {action.effect!r}, not one of engine.model.plan.Effect")
    loaded: Action[Any, Any] = action
    return loaded


def _refused(entry: EntryPoint, why: str) -> SwitchoverError:
    package = entry.dist.name if entry.dist is not None else "an unknown package"
    return SwitchoverError(
        f"The action plugin {entry.value} cannot be used",
        f"It comes from {package}, and {why}. Update or remove that package.",
    )
