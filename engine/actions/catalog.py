"""Every action by name: a plain dict that a type checker sees, plus what other packages register.

A package adds actions through the entry point group ``switchover.actions``; each is checked when it is loaded, and a wrong one
is refused by its name and its package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from engine.actions.http.resource import HttpResource
from engine.actions.mail.send import MailSend
from engine.actions.number.caller_id import NumberCallerId
from engine.actions.number.forward import NumberForward
from engine.actions.phone.config import PhoneConfig
from engine.actions.phone.registered import PhoneRegistered
from engine.actions.phone.resync import PhoneResync
from engine.actions.ssh.command import SshCommand
from engine.actions.ssh.file import SshFile
from engine.actions.tftp.file import TftpFile
from engine.model.errors import SwitchoverError
from engine.model.plan import Effect
from engine.ports import Action

_BUILT_IN: tuple[Action[Any, Any], ...] = (
    PhoneConfig(), PhoneResync(), PhoneRegistered(), NumberForward(), NumberCallerId(), MailSend(), SshCommand(), SshFile(),
    TftpFile(), HttpResource(),
)
BUILT_IN: Mapping[str, Action[Any, Any]] = {action.name: action for action in _BUILT_IN}
GROUP = "switchover.actions"
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_NEEDED = ("name", "version", "effect", "doc", "settle_s", "local", "Args", "observe", "diff", "apply")


def catalog(names: Iterable[str] | None = None) -> Mapping[str, Action[Any, Any]]:
    """All actions; with ``names``, installed packages are asked only when one of them is not built in."""
    wanted = set(names) if names is not None else None
    if wanted is not None and wanted <= BUILT_IN.keys():
        return BUILT_IN
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
