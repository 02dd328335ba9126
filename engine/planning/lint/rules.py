"""All rules. A new one is a module beside this and a line here."""

from __future__ import annotations

from engine.planning.lint.guards import NO_WAY_BACK, UNASKED, UNLIMITED, WINDOWLESS
from engine.planning.lint.must_precede import MUST_PRECEDE
from engine.planning.lint.reach import CANNOT_FAIL, UNREACHABLE
from engine.planning.lint.rule import Rule
from engine.planning.lint.secrecy import OUTSIDE_MAIL, PLAIN_SECRETS
from engine.planning.lint.tidiness import DEPRECATED, NAMES, UNUSED

RULES: tuple[Rule, ...] = (
    MUST_PRECEDE, UNREACHABLE, UNUSED, CANNOT_FAIL, DEPRECATED, PLAIN_SECRETS,
    NAMES, UNLIMITED,
    NO_WAY_BACK, OUTSIDE_MAIL, UNASKED, WINDOWLESS,
)
"""By number: 1 basic, 2 shared, 3 production."""
