"""How a block fans out, and how patiently a step tries: what lets more happen at once, or over more failures, loosens."""

from __future__ import annotations

from engine.model.review import Risk
from engine.model.runbook import FanOut, Limit, Retry
from engine.planning.review.verdict import Verdict, Verdicts, changed_fields, seconds, spelled


def compare_fan_out(old: FanOut, new: FanOut, count: int | None) -> Verdicts:
    """All but ``where``, which is a condition. ``count``: how many items there are, when that is known."""
    changed = changed_fields(old, new)
    if "for_each" in changed:
        yield _items(old.for_each, new.for_each)
    if "parallel" in changed:
        risk = Risk.GUARD if new.parallel > old.parallel else Risk.SAFER
        yield Verdict(
            risk, "parallel-changed", f"works on {new.parallel} items at once instead of {old.parallel}", str(old.parallel),
            str(new.parallel), ("parallel",),
        )
    if "rate" in changed:
        yield _rate(old.rate, new.rate)
    if "batches" in changed:
        yield _batches(old.batches, new.batches)
    if "max_failures" in changed:
        yield _max_failures(old.max_failures, new.max_failures, count)


def _items(old: str | None, new: str | None) -> Verdict:
    if old is None:
        reason = f"is done for each of {new} instead of once"
        return Verdict(Risk.SCOPE_MORE, "items-changed", reason, "none", str(new), ("for_each",))
    if new is None:
        return Verdict(Risk.EFFECT, "items-changed", f"is done once instead of for each of {old}", old, "none", ("for_each",))
    return Verdict(Risk.SCOPE_MORE, "items-changed", f"runs over {new} instead of {old}", old, new, ("for_each",))


def _rate(old: float | None, new: float | None) -> Verdict:
    faster = new is None or (old is not None and new > old)
    reason = "is no longer limited in how many start per second" if new is None else f"starts at most {new:g} items per second"
    return Verdict(Risk.GUARD if faster else Risk.SAFER, "rate-changed", reason, spelled(old), spelled(new), ("rate",))


def _batches(old: tuple[Limit, ...], new: tuple[Limit, ...]) -> Verdict:
    before, after = spelled([str(size) for size in old]), spelled([str(size) for size in new])
    if not new:
        return Verdict(Risk.GUARD, "batches-removed", "goes over all items at once: the canary batches are gone", before, after,
                       ("batches",))
    if not old:
        return Verdict(Risk.SAFER, "batches-added", f"begins with a canary batch of {new[0]}", before, after, ("batches",))
    smaller = len(new) >= len(old) and all(_at_most(now, then) for now, then in zip(new, old, strict=False))
    risk = Risk.SAFER if smaller else Risk.GUARD
    return Verdict(risk, "batches-changed", f"goes in batches of {after} instead of {before}", before, after, ("batches",))


def _at_most(one: Limit, other: Limit) -> bool:
    """Whether a limit is no more than another, however many items there are."""
    return one == other or (one.percent == other.percent and one.value <= other.value)


def _max_failures(old: Limit, new: Limit, count: int | None) -> Verdict:
    if new.value == 0 or _at_most(new, old):
        risk, reason = Risk.SAFER, f"stops after more than {new} failed items instead of {old}"
    elif new.percent != old.percent and count is not None and new.of(count) <= old.of(count):
        risk, reason = Risk.EFFECT, f"counts failed items otherwise: {new} instead of {old}, no more of the {count:,} there are"
    else:
        risk, reason = Risk.GUARD, f"goes on over {new} failed items instead of {old}"
    return Verdict(risk, "max-failures-changed", reason, str(old), str(new), ("max_failures",))


def compare_patience(old: Retry, new: Retry) -> Verdicts:
    """Retries: the same is done, more or less often."""
    changed = changed_fields(old, new)
    if "attempts" in changed:
        yield Verdict(
            Risk.EFFECT, "retry-changed", f"is tried {new.attempts} times in all instead of {old.attempts}", str(old.attempts),
            str(new.attempts), ("retry", "attempts"),
        )
    for name, key in (("backoff_s", "backoff"), ("max_backoff_s", "max_backoff")):
        if name in changed:
            then, now = changed[name]
            reason = f"waits otherwise between tries: {key} is {seconds(now)} instead of {seconds(then)}"
            yield Verdict(Risk.EFFECT, "retry-changed", reason, seconds(then), seconds(now), ("retry", key))
