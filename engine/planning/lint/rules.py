"""All rules. A new one is a module beside this and a line here."""

from __future__ import annotations

from engine.planning.lint.must_precede import MUST_PRECEDE
from engine.planning.lint.rule import Rule

RULES: tuple[Rule, ...] = (MUST_PRECEDE,)
