"""What has to hold of a change before it may be applied, and what was found: ``policy.yml`` as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from engine.model.errors import SwitchoverError
from engine.model.review import Level, Risk
from engine.model.source import DataPath, Document, Span
from engine.model.values import dataclass


class PolicyBroken(SwitchoverError):
    """The project's policy does not let it be applied. Nothing was reached for; whoever may override it can."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Demand:
    """A change with any of these risks needs ``count`` different people of the roles ``by`` who reviewed it."""

    risks: frozenset[Risk]
    by: tuple[str, ...]
    count: int
    path: DataPath


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``rules``. All that speak of a runbook hold together, so that none can loosen another."""

    name: str
    runbooks: tuple[str, ...]
    excepted: tuple[str, ...]
    dirty: bool
    """Whether what is applied may differ from the commit."""
    branches: tuple[str, ...]
    """The commit has to be contained in one of them; empty: any will do."""
    signed: bool
    demands: tuple[Demand, ...]
    path: DataPath

    def speaks_of(self, runbook: str) -> bool:
        """Whether it holds for a runbook, by its name."""
        return _any(self.runbooks, runbook) and not _any(self.excepted, runbook)


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Policy:
    """The file. ``people``: role -> person, besides those of an inventory; ``overridden_by``: roles; ``allowed_signers``: a file
    beside it, empty for what git itself is told."""

    rules: tuple[Rule, ...]
    people: Mapping[str, Mapping[str, object]]
    overridden_by: tuple[str, ...]
    allowed_signers: str
    document: Document

    def rules_for(self, names: Iterable[str]) -> tuple[Rule, ...]:
        """Those that speak of a runbook by any of its names."""
        called = tuple(names)
        return tuple(rule for rule in self.rules if any(map(rule.speaks_of, called)))

    def span(self, path: DataPath) -> Span:
        """Where something of it stands."""
        return self.document.source.key(path)


def risks_of(names: Sequence[str], levels: Sequence[str]) -> frozenset[Risk]:
    """Risk classes by their names, and all of the levels named."""
    wanted = {Level(level) for level in levels}
    return frozenset(Risk(name) for name in names) | frozenset(risk for risk in Risk if risk.level in wanted)


def mails_of(person: Mapping[str, object]) -> frozenset[str]:
    """The addresses a person is known by, in lower case."""
    further = person.get("emails", ())
    listed = further if isinstance(further, list | tuple) else ()
    return frozenset(str(mail).lower() for mail in (person.get("email"), *listed) if mail)
