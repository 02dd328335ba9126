"""What an action over SSH gets as ``at``: a real pool to a real server, read-only to observe and writing to apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.model.plan import Change, Receipt, Unpredictable
from engine.transports.ssh import SshPool
from tests.support.phone_sessions import PhoneSessions


@dataclass(slots=True)
class SshBench:
    """One action carried out as the engine would: plans with sessions that refuse to write, applies with ones that do not."""

    action: Any
    args: Any
    reading: PhoneSessions
    writing: PhoneSessions

    def plan(self) -> Change | Unpredictable | None:
        planned: Change | Unpredictable | None = self.action.diff(self.args, self.action.observe(self.args, self.reading))
        return planned

    def apply(self) -> Receipt:
        planned = self.plan()
        assert planned is not None
        receipt: Receipt = self.action.apply(planned, self.args, self.writing, key="key")
        return receipt

    def undo(self, receipt: Receipt) -> None:
        self.action.undo(receipt, self.args, self.writing, key="key")


def ssh_bench(pool: SshPool, settings: Mapping[str, object], action: Any, args: Any, secrets: tuple[str, ...] = ()) -> SshBench:
    """Both sets of sessions share the connection called ``pbx`` and what is kept."""
    def sessions(read_only: bool) -> PhoneSessions:
        def shell(name: str, host: str | None) -> Any:
            return pool.session({**settings, **({"host": host} if host else {})}, read_only, lambda: 20.0)

        return PhoneSessions(open_shell=shell, settings={"pbx": settings}, types={"pbx": "ssh"}, secrets=secrets)

    reading, writing = sessions(True), sessions(False)
    writing.keep = reading.keep
    return SshBench(action, args, reading, writing)
