"""An amendment before it is agreed to: what stays, what is new, what is gone, what is asked anew. The plan follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.model.plan import PlanHeader, split_address
from engine.planning.amendment import Comparison
from engine.reporting.terminal import Paint, many, wrapped

_LISTED = 12


def format_amendment(
    run: str, number: int, headers: tuple[PlanHeader, PlanHeader], comparison: Comparison, asked_anew: Mapping[str, str],
    lapsed: Mapping[str, Sequence[str]], *, color: bool = False, width: int = 100,
) -> str:
    """Lines without the last line end. ``headers``: of the plan the run goes by, and of the new one."""
    paint, width = Paint(color), max(60, width)
    lines = [f"Run {paint('bold', run)} would go over from revision {number - 1} to {number}"]
    lines += [f"  {line}" for line in _made_from(*headers)]
    for title, names in (
        ("stays as done", _by_step(address for address in comparison.done if address not in asked_anew)),
        ("new", comparison.fresh), ("gone", comparison.gone), ("defined otherwise", comparison.altered),
        ("no longer in the run", _by_step(comparison.dropped)), ("to be tried again", _by_step(comparison.put_back)),
        ("still asks the same", comparison.stay_open),
    ):
        lines += [f"  {line}" for line in _listed(title, names, width)]
    for address, why in asked_anew.items():
        lines += [f"  {line}" for line in _entry("asked anew", f"{address}: {why}{_which(lapsed.get(address, ()))}", width)]
    for note in comparison.notes[:_LISTED]:
        lines += [f"  {line}" for line in _entry("note", note, width)]
    if len(comparison.notes) > _LISTED:
        lines.append(f"  {'':<{_ROOM}}and {len(comparison.notes) - _LISTED:,} more")
    return "\n".join([*lines, "", "What is left to do, as it stands now:"])


_ROOM = 22


def _made_from(then: PlanHeader, now: PlanHeader) -> Iterator[str]:
    commit = f", git {now.git_commit[:12]}{' and not all committed' if now.git_dirty else ''}" if now.git_commit else ""
    for what, before, after, where in (
        ("runbook", then.runbook_digest, now.runbook_digest, f" ({now.runbook}{commit})"),
        ("inventory", then.inventory_digest, now.inventory_digest, f" ({now.inventory})"),
        ("templates", then.templates_digest, now.templates_digest, ""),
    ):
        yield f"{what:<{_ROOM}}{'as before' if before == after else f'{before[:12]} -> {after[:12]}'}{where}"
    if then.actions != now.actions:
        changed = sorted(name for name, version in now.actions.items() if then.actions.get(name) != version)
        gone = sorted(set(then.actions) - set(now.actions))
        words = [*(f"{name} {now.actions[name]}" for name in changed), *(f"no {name}" for name in gone)]
        yield f"{'actions':<{_ROOM}}{', '.join(words)}"
    if dict(then.inputs) != dict(now.inputs):
        names = sorted(n for n in {*then.inputs, *now.inputs} if then.inputs.get(n) != now.inputs.get(n))
        yield f"{'inputs':<{_ROOM}}{', '.join(names)}"


def _by_step(addresses: Iterable[str]) -> list[str]:
    counted = Counter(split_address(address)[0] for address in addresses)
    return [f"{step} ({many(count, 'item')})" if count > 1 else step for step, count in counted.items()]


def _listed(title: str, names: Sequence[str], width: int) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        yield from _entry(title, f"{', '.join(names[:_LISTED])}{more}", width)


def _entry(title: str, text: str, width: int) -> list[str]:
    first, *rest = wrapped(text, width - _ROOM - 2, 0)
    return [f"{title:<{_ROOM}}{first}", *(f"{'':<{_ROOM}}{line}" for line in rest)]


def _which(addresses: Sequence[str]) -> str:
    if not addresses:
        return ""
    more = f" and {len(addresses) - 3:,} more" if len(addresses) > 3 else ""
    return f" ({', '.join(addresses[:3])}{more})"
