"""``check.that``: what a runbook relies on is so, or it stops here and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, Receipt, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions

_KNOWN = ("that", "missing", "otherwise")


@dataclass(frozen=True, slots=True)
class ThatArgs:
    """Arguments of ``check.that``."""

    claims: tuple[Mapping[str, object], ...] = arg(
        "What has to be so, all of it. Each claim has `otherwise`, what people are told when it is not so, and either `that`,"
        " which must be true, or `missing`, a list that must be empty: what stands in it is named after `otherwise`.",
        examples=(
            [{"that": "{{ steps.form.outputs.backup_taken_on >= '2026-11-01' }}", "otherwise": "the backup is too old"}],
            [{"missing": "{{ needed | reject('in', ordered) | list }}", "otherwise": "the order lacks a licence for"}],
        ),
    )


class CheckThat:
    """Holds claims against what is known: inventory, answers to forms, outputs of earlier steps. Asks no system.

    All claims that do not hold are told at once. What they rest on does not change by waiting, so a check fails at once too;
    after a correction (`answer --correct`), `retry` asks again.
    """

    name: ClassVar[str] = "check.that"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.READS
    doc: ClassVar[str] = "What the runbook relies on is so; what is not, or what is missing, is named."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = True
    Args = ThatArgs

    def observe(self, args: ThatArgs, at: Sessions) -> None:
        """Raises ``Permanent`` with every claim that does not hold."""
        if not args.claims:
            raise Permanent("'claims' is empty: a check that checks nothing proves nothing")
        wrong = [told for number, claim in enumerate(args.claims, 1) for told in _objections(number, claim)]
        if wrong:
            raise Permanent("; ".join(wrong))

    def diff(self, args: ThatArgs, seen: None) -> Change | None:
        """Nothing: what does not hold has failed already."""
        return None

    def apply(self, change: Change | Unpredictable, args: ThatArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes nothing."""
        return Receipt()


def _objections(number: int, claim: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with one claim. Raises ``Permanent`` for what is no claim."""
    what, unknown = f"claim {number}", sorted(set(claim) - set(_KNOWN))
    if unknown:
        raise Permanent(f"{what} has {', '.join(map(repr, unknown))}; a claim has {', '.join(_KNOWN)}")
    otherwise = str(claim.get("otherwise") or "").strip()
    if not otherwise:
        raise Permanent(f"{what} does not say what people are told when it is not so: give it 'otherwise'")
    if ("that" in claim) == ("missing" in claim):
        raise Permanent(f"{what} needs either 'that' or 'missing'")
    if "missing" in claim:
        names = _names(what, claim["missing"])
        if names:
            yield f"{otherwise}: {', '.join(names)}"
    elif not isinstance(claim["that"], bool):
        raise Permanent(f"{what}: 'that' is {claim['that']!r}, and must be true or false; write it as one whole {{{{ ... }}}}")
    elif not claim["that"]:
        yield otherwise


def _names(what: str, missing: object) -> list[str]:
    if isinstance(missing, str) or not isinstance(missing, Sequence):
        raise Permanent(f"{what}: 'missing' is {missing!r}, and must be a list; write it as one whole {{{{ ... }}}}")
    return [str(name) for name in missing]
