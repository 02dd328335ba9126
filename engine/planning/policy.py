"""Whether a policy lets a change be applied: decided from what was found of it, without looking at anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from engine.language.nearest import did_you_mean
from engine.model.history import Commit, Signed
from engine.model.policy import Demand, Policy, Rule, mails_of
from engine.model.review import Risk
from engine.model.source import DataPath
from engine.model.values import dataclass

_NAMED = 4
"""Files or commits that are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a change is a change of. ``why``: how it was chosen, in words that follow 'compared with COMMIT,'."""

    commit: str
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found of what is to be applied."""

    names: tuple[str, ...]
    """Of the runbook: as it calls itself, and as the reviewed branch calls it; giving itself another loosens nothing."""
    commit: str = ""
    no_commit: str = ""
    """Why there is none, as a sentence."""
    changed: tuple[str, ...] = ()
    """Files it is made from that are not as the commit has them."""
    containing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Branches that the commit is in, by the pattern of the policy that means them."""
    existing: frozenset[str] = frozenset()
    """Patterns that mean any branch at all."""
    branches: tuple[str, ...] = ()
    """All there are."""
    shallow: bool = False
    signed: Signed | None = None
    base: Base | None = None
    risks: Mapping[Risk, tuple[str, ...]] = field(default_factory=dict)
    """Why, in a sentence each."""
    uncompared: str = ""
    """Why it cannot be told what the change means, as a sentence: it counts as every risk then."""
    commits: tuple[Commit, ...] = ()
    """All since the base, newest first."""
    paths: tuple[str, ...] = ()
    """Files and folders it is made from, from the repository's top."""
    people: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Those of the policy and of the inventory, by role."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule asks. ``says``: what was found, in a sentence; ``go_on``: what to do about it."""

    rule: str
    path: DataPath
    kept: bool
    says: str
    go_on: str = ""


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody whose review counts. ``commits``: which it is of, newest first."""

    name: str
    role: str
    mail: str
    commits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules that speak of the runbook come to."""

    findings: tuple[Finding, ...]
    approvers: tuple[Approver, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What does not hold."""
        return tuple(finding for finding in self.findings if not finding.kept)


def decide(policy: Policy, facts: Facts) -> Verdict:
    """Holds what was found to every rule that speaks of the runbook."""
    reviews = covered(facts.commits)
    findings: list[Finding] = []
    approvers: dict[tuple[str, str], Approver] = {}
    for rule in policy.rules_for(facts.names):
        findings += [*_committed(rule, facts), *_contained(rule, facts), *_signed(rule, facts)]
        for demand in rule.demands:
            findings.append(_reviewed(rule, demand, facts, reviews))
            for approver in _approvers(demand, facts, reviews):
                approvers[approver.name, approver.role] = approver
    return Verdict(tuple(findings), tuple(approvers.values()))


def covered(commits: Sequence[Commit]) -> dict[str, frozenset[str]]:
    """Whose review each commit has: those it names itself, those that a merge names which brought it, and those of a commit that
    changes no file, made to say that all before it was reviewed."""
    by_id = {commit.id: commit for commit in commits}
    found = {commit.id: commit.reviewers for commit in commits}
    for commit in commits:
        if commit.reviewers and _speaks_of_others(commit):
            brought = _reached(commit.id, by_id)
            if len(commit.parents) > 1:
                brought -= _reached(commit.parents[0], by_id)
            for other in brought:
                found[other] |= commit.reviewers
    return found


def _speaks_of_others(commit: Commit) -> bool:
    return len(commit.parents) > 1 or not commit.files


def _reached(start: str, by_id: Mapping[str, Commit]) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        commit = ahead.pop()
        if commit in by_id and commit not in reached:
            reached.add(commit)
            ahead += by_id[commit].parents
    return reached


# ---------------------------------------------------------------- one rule


def _committed(rule: Rule, facts: Facts) -> Iterator[Finding]:
    if rule.dirty:
        return
    path = (*rule.path, "dirty" if facts.changed or facts.no_commit else "name")
    if facts.no_commit:
        yield Finding(rule.name, path, kept=False, says=facts.no_commit, go_on=_REVIEW)
    elif facts.changed:
        are = "is" if len(facts.changed) == 1 else "are"
        says = f"{_listed(facts.changed)} {are} not as commit {brief(facts.commit)} has it."
        yield Finding(rule.name, path, kept=False, says=says, go_on=_REVIEW)
    else:
        yield Finding(rule.name, path, kept=True, says=f"All is as commit {brief(facts.commit)} has it.")


_REVIEW = "Commit it, push it and have it reviewed."


def _contained(rule: Rule, facts: Facts) -> Iterator[Finding]:
    if not rule.branches:
        return
    path = (*rule.path, "branches")
    named = " or ".join(rule.branches)
    holding = [branch for pattern in rule.branches for branch in facts.containing.get(pattern, ())]
    if holding:
        yield Finding(rule.name, path, kept=True, says=f"Commit {brief(facts.commit)} is in {', '.join(dict.fromkeys(holding))}.")
    elif not facts.commit:
        yield Finding(rule.name, path, kept=False, says=f"Without a commit nothing is in {named}.", go_on=_REVIEW)
    elif not any(pattern in facts.existing for pattern in rule.branches):
        hints = filter(None, (did_you_mean(pattern, facts.branches) for pattern in rule.branches))
        says = " ".join((f"There is no branch {named} here.", *hints))
        yield Finding(rule.name, path, kept=False, says=says, go_on="Fetch it: git fetch")
    elif facts.shallow:
        says = f"This is a shallow clone, which does not tell whether commit {brief(facts.commit)} is in {named}."
        go_on = "Fetch all of the history: git fetch --unshallow (GitHub Actions: fetch-depth: 0; GitLab: GIT_DEPTH: 0)."
        yield Finding(rule.name, path, kept=False, says=says, go_on=go_on)
    else:
        says = f"Commit {brief(facts.commit)} is not in {named}."
        go_on = "Push it and have it reviewed and merged; when that is done already: git fetch."
        yield Finding(rule.name, path, kept=False, says=says, go_on=go_on)


def _signed(rule: Rule, facts: Facts) -> Iterator[Finding]:
    if not rule.signed:
        return
    path = (*rule.path, "signed")
    if facts.signed is None:
        yield Finding(rule.name, path, kept=False, says="Without a commit nothing is signed.", go_on=_REVIEW)
    elif facts.signed.good:
        yield Finding(rule.name, path, kept=True, says=f"Commit {brief(facts.commit)} is signed by {facts.signed.signer}.")
    else:
        says = f"Commit {brief(facts.commit)} {facts.signed.why}."
        go_on = "Have it signed by one of the allowed signers (git commit -S), or merged by one."
        yield Finding(rule.name, path, kept=False, says=says, go_on=go_on)


# ---------------------------------------------------------------- who reviewed


def _reviewed(rule: Rule, demand: Demand, facts: Facts, reviews: Mapping[str, frozenset[str]]) -> Finding:
    path = (*demand.path, "by")
    asked = demand.risks if facts.uncompared else demand.risks & facts.risks.keys()
    if not asked:
        return Finding(rule.name, path, kept=True, says=f"No change that needs {' or '.join(demand.by)}.")
    kinds = f"({facts.uncompared.rstrip('.')}; it counts as any) " if facts.uncompared else \
        f"({', '.join(sorted(risk.value for risk in asked))}) "
    lacking = _lacking(demand, facts, reviews)
    who = " or ".join(_called(role, facts.people) for role in demand.by)
    if not lacking:
        return Finding(rule.name, path, kept=True, says=f"The change {kinds}was reviewed as it has to be, by {who}.")
    wanted = "a review" if demand.count == 1 else f"{demand.count} reviews"
    says = f"The change {kinds}needs {wanted} by {who}: {'; '.join(lacking)}."
    return Finding(rule.name, path, kept=False, says=says, go_on=_go_on(demand, facts))


def _lacking(demand: Demand, facts: Facts, reviews: Mapping[str, frozenset[str]]) -> list[str]:
    """What has not been reviewed by enough of them; empty when all has."""
    missing = []
    if facts.changed or facts.no_commit:
        missing.append("what is not committed nobody has reviewed")
    commits = of_its_own(facts)
    if not commits and not missing:
        missing.append(f"no commit since {brief(facts.base.commit)} brings it" if facts.base else "no commit brings it")
    found = [(commit, _count(demand, commit, facts, reviews)) for commit in commits]
    short = [commit for commit, count in found if count < demand.count]
    if short:
        named = [f"{brief(commit.id)} '{commit.subject}'{_own(demand, commit, facts, reviews)}" for commit in short[:_NAMED]]
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        has = "none" if demand.count == 1 else "fewer"
        missing.append(f"{', '.join(named)}{more} {'has' if len(short) == 1 else 'have'} {has}")
    return missing


def of_its_own(facts: Facts) -> list[Commit]:
    """The commits since the base that changed what it is made from."""
    return [commit for commit in facts.commits if any(_is_of(file, facts.paths) for file in commit.files)]


def _is_of(file: str, paths: Sequence[str]) -> bool:
    return any(file == path or file.startswith(f"{path}/") for path in paths)


def _count(demand: Demand, commit: Commit, facts: Facts, reviews: Mapping[str, frozenset[str]]) -> int:
    """How many different people of the roles reviewed a commit, its authors apart. Who holds two roles counts once."""
    counted = set()
    for role in demand.by:
        mails = addresses(role, facts.people)
        if mails & reviews[commit.id] and not mails & commit.authors:
            counted.add(mails)
    return len(counted)


def addresses(role: str, people: Mapping[str, Mapping[str, object]]) -> frozenset[str]:
    """All addresses of whoever holds a role: also those that stand at another role, by the same name or a common address."""
    names = {_name(role, people)}
    found = set(mails_of(people.get(role, {})))
    while True:
        same = [other for other in people if _name(other, people) in names or mails_of(people[other]) & found]
        more = found.union(*(mails_of(people[other]) for other in same))
        if more == found:
            return frozenset(found)
        found, names = more, names | {_name(other, people) for other in same}


def _name(role: str, people: Mapping[str, Mapping[str, object]]) -> str:
    return str(people.get(role, {}).get("name", role)).casefold()


def _own(demand: Demand, commit: Commit, facts: Facts, reviews: Mapping[str, frozenset[str]]) -> str:
    """Who reviewed what they wrote."""
    own = [
        str(facts.people[role].get("name", role)) for role in demand.by
        if (mails := addresses(role, facts.people)) & commit.authors and mails & reviews[commit.id]
    ]
    return f" (by {own[0]}, who does not count as their own reviewer)" if own else ""


def _approvers(demand: Demand, facts: Facts, reviews: Mapping[str, frozenset[str]]) -> Iterator[Approver]:
    commits = of_its_own(facts)
    for role in demand.by:
        mails = addresses(role, facts.people)
        of = [commit for commit in commits if mails & reviews[commit.id] and not mails & commit.authors]
        if of:
            mail = min(mails & frozenset().union(*(reviews[commit.id] for commit in of)))
            yield Approver(str(facts.people[role].get("name", role)), role, mail, tuple(commit.id for commit in of))


def _called(role: str, people: Mapping[str, Mapping[str, object]]) -> str:
    person = people.get(role)
    if person is None:
        return f"{role} (nobody, for this customer)"
    return f"{person.get('name', role)} ({role})"


def _go_on(demand: Demand, facts: Facts) -> str:
    known = [(str(facts.people[role].get("name", role)), min(mails_of(facts.people[role]))) for role in demand.by
             if role in facts.people and mails_of(facts.people[role])]
    if not known:
        return f"Give the role {demand.by[0]} to somebody with an e-mail address, under 'people', and have that reviewed."
    name, mail = known[0]
    return (
        f"Have it reviewed, and said so by a line 'Reviewed-by: {name} <{mail}>' in the commit, in the merge that brings it, or "
        "in a commit without changes after it (git commit --allow-empty)."
    )


def brief(commit: str) -> str:
    """As people write a commit."""
    return commit[:10]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
