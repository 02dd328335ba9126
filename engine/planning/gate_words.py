"""Gates in a few words, for plans and lists."""

from __future__ import annotations

from engine.model.gate import Appointment, Approval, Form, Gate, Wait, Watched


def spelled(gate: Gate) -> str:
    """``approval by partner, within 2 business days, else refused``."""
    parts = [_asked(gate)]
    limits = gate.limits
    if limits.within is not None:
        late = {"refuse": "refused", "approve": "taken for given", "escalate": f"up to {limits.escalate_to}"}
        parts.append(f"within {limits.within}, else {late[limits.on_timeout]}")
    return ", ".join(parts)


def _asked(gate: Gate) -> str:
    if isinstance(gate, Wait):
        return _awaited(gate)
    who = " or ".join(gate.roles)
    if isinstance(gate, Appointment):
        return f"appointment of {gate.length} by {gate.limits.calendar}, chosen by {who}"
    if isinstance(gate, Approval):
        return f"approval by {who}" if gate.quorum == 1 else f"approval by {gate.quorum} of {who}"
    return f"form for {who}" if isinstance(gate, Form) else f"task for {who}"


def _awaited(gate: Wait) -> str:
    if gate.watched is not None:
        return f"waits for {gate.watched.action} to find it so, looking {_how_often(gate.watched)}"
    if gate.signal:
        return f"waits for {gate.signal}"
    return f"waits for {gate.duration}" if gate.duration is not None else "waits for a date"


def _how_often(watched: Watched) -> str:
    if watched.backoff <= 1:
        return f"every {watched.every}"
    return f"every {watched.every}, later every {max(watched.every, watched.max_every, key=lambda pause: pause.seconds)}"
