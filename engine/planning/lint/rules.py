"""All rules. A new one is a module beside this, or a function in one, and a line here."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.diagnostic import Severity
from engine.planning.lint.disclosure import OUTSIDE_MAIL, PLAIN_SECRET
from engine.planning.lint.must_precede import MUST_PRECEDE
from engine.planning.lint.rule import Finding, Rule, Subject
from engine.planning.lint.safety import CANNOT_FAIL, NO_UNDO, UNAPPROVED, UNLIMITED, WINDOWLESS
from engine.planning.lint.wording import NOT_KEBAB, OLDER, UNREACHABLE, UNUSED


def _nothing(_: Subject) -> Iterator[Finding]:
    """Excuses are judged when all other rules have been: see ``held_to``."""
    return iter(())


STALE = Rule(
    "SW901", "Excuse without effect", Severity.WARNING,
    "A # noqa that names no rule, or a rule that the line keeps to, hides whatever comes to stand there next.",
    _nothing, "Remove it; switchover lint --fix does.", "basic", fixable=True,
)
RULES: tuple[Rule, ...] = (
    MUST_PRECEDE, NO_UNDO, UNLIMITED, UNAPPROVED, WINDOWLESS, PLAIN_SECRET, OUTSIDE_MAIL, UNREACHABLE, UNUSED, CANNOT_FAIL, OLDER,
    NOT_KEBAB, STALE,
)
IDS = frozenset(rule.id for rule in RULES)
