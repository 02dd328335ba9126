"""A project's policy held against what is to be applied: what is found, and what is journalled of it or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.language.policy_reader import name_in, people_in
from engine.model import event as ev
from engine.model.errors import SwitchoverError
from engine.model.policy import Policy, PolicyBroken
from engine.model.review import Review, Risk
from engine.model.values import dataclass
from engine.planning.policy import Base, Facts, Finding, Verdict, brief, decide
from engine.ports import Journal
from engine.project import Project
from engine.transports.git_history import History
from engine.wiring.amend import Draft, Wanted
from engine.wiring.gates import person_of
from engine.wiring.loading import Loaded
from engine.wiring.order import Override
from engine.wiring.policy_in_force import InForce, check_names, in_force
from engine.wiring.runs import run_header


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be applied. ``commit``: the one it is to be from, when not the newest here, as that of a saved plan (empty: it
    was made outside git); ``since``: the commit it is to be compared with, when not told by the journal, as for an amendment."""

    loaded: Loaded
    commit: str | None = None
    since: str = ""
    keeps_inventory: bool = False
    """Whether the inventory is that of a run, which was checked when it began."""


def subject_of(draft: Draft, wanted: Wanted) -> Subject:
    """What the policy is held against: the new revision, compared with the one the run goes by, if that was a commit's."""
    state, header = draft.state, run_header(draft.state)
    changed = bool(state.policies[-1].changed) if state.policies else bool(header.git_dirty)
    since = "" if changed else header.git_commit or ""
    return Subject(draft.stage.loaded, since=since, keeps_inventory=wanted.inventory is None)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of holding a policy against something."""

    in_force: InForce
    facts: Facts
    verdict: Verdict

    def event(self, outcome: str) -> ev.PolicyChecked:
        """As it is journalled."""
        facts, policy, signed = self.facts, self.in_force.policy, self.facts.signed
        return ev.PolicyChecked(
            outcome, self.in_force.where, self.in_force.commit, tuple(_as_data(policy, found) for found in self.verdict.findings),
            facts.commit, facts.changed, tuple(dict.fromkeys(b for found in facts.containing.values() for b in found)),
            {} if signed is None else {"good": signed.good, "signer": signed.signer, "why": signed.why},
            {} if facts.base is None else {"commit": facts.base.commit, "why": facts.base.why},
            tuple({"risk": risk.value, "reasons": list(reasons)} for risk, reasons in facts.risks.items()),
            tuple({"name": a.name, "role": a.role, "mail": a.mail, "commits": list(a.commits)} for a in self.verdict.approvers),
            tuple(filter(None, (*self.in_force.notes, facts.uncompared))),
        )


def _as_data(policy: Policy, finding: Finding) -> Mapping[str, object]:
    return {"rule": finding.rule, "at": str(policy.span(finding.path)), "kept": finding.kept, "says": finding.says}


# ---------------------------------------------------------------- what is found


def check(project: Project, subject: Subject, journal: Journal | None) -> Checked | None:
    """Holds the policy in force against what is to be applied; None when there is no policy. Raises as ``in_force`` does."""
    found = in_force(project) or _where_it_lies(project, subject.loaded.named.runbook)
    if found is None:
        return None
    people = _people(found, subject.loaded)
    check_names(project, found.policy, found, people, subject.loaded.runbook.name)
    facts = _Gathering(project, subject, journal, found).facts(people)
    return Checked(found, facts, decide(found.policy, facts))


def _where_it_lies(project: Project, runbook: Path) -> InForce | None:
    """The policy of another project that the runbook is in: standing elsewhere when one applies it escapes nothing."""
    folder = runbook.resolve().parent
    return None if folder.is_relative_to(project.root) else in_force(Project(folder, project.state))


def _people(found: InForce, loaded: Loaded) -> Mapping[str, Mapping[str, object]]:
    """Who holds which role: the policy's own people before those of the inventory, which are taken from where the policy is."""
    if found.history is None or not found.commit:
        return {**loaded.inventory.people, **found.policy.people}
    name = found.history.inside(loaded.named.inventory / "inventory.yml")
    content = found.history.content(found.commit, name) if name is not None else None
    return {**(people_in(content, name or "") if content is not None else {}), **found.policy.people}


@dataclass(frozen=True, slots=True)
class _Gathering:
    """Asks the repository, the journal and the review, and only what some rule asks for."""

    project: Project
    subject: Subject
    journal: Journal | None
    found: InForce

    def facts(self, people: Mapping[str, Mapping[str, object]]) -> Facts:
        history = self.found.history
        facts = Facts(self._names(), people=people)
        if history is None:
            return self._without_commit(facts, self.found.no_history)
        commit, why = self._commit(history)
        if not commit:
            return self._without_commit(replace(facts, branches=history.known_branches()), why)
        rules = self.found.policy.rules_for(facts.names)
        files, folders = self._made_from()
        patterns = tuple(dict.fromkeys(pattern for rule in rules for pattern in rule.branches))
        facts = replace(
            facts, commit=commit, changed=history.differing(commit, files, folders) if rules else (),
            containing={pattern: history.branches(pattern, commit) for pattern in patterns},
            existing=frozenset(pattern for pattern in patterns if history.branches(pattern)),
            branches=history.known_branches(), shallow=history.is_shallow,
            signed=history.verify(commit, self.found.signers) if any(rule.signed for rule in rules) else None,
            paths=tuple(filter(None, map(history.inside, (*files[:1], *folders)))),
        )
        return self._compared(history, facts) if any(rule.demands for rule in rules) else facts

    def _names(self) -> tuple[str, ...]:
        found, runbook = self.found, self.subject.loaded.named.runbook
        path = found.history.inside(runbook) if found.history is not None and found.commit else None
        content = found.history.content(found.commit, path) if found.history is not None and path is not None else None
        reviewed = name_in(content, path or "") if content is not None else None
        return tuple(dict.fromkeys(filter(None, (self.subject.loaded.runbook.name, reviewed))))

    def _without_commit(self, facts: Facts, why: str) -> Facts:
        return replace(facts, no_commit=why, uncompared="There is no commit to compare")

    def _commit(self, history: History) -> tuple[str, str]:
        wanted = self.subject.commit
        if wanted is None:
            commit = history.head().commit
            return commit or "", "Nothing is committed in this repository yet."
        if not wanted:
            return "", "The plan was made where nothing was committed."
        try:
            return history.resolve(wanted), ""
        except SwitchoverError as error:
            return "", f"The plan is of commit {brief(wanted)}, which is not here. {error.detail}"

    def _made_from(self) -> tuple[list[Path], list[Path]]:
        """Files, the runbook first, and folders: what is gone from one of them was in the commit."""
        loaded = self.subject.loaded
        inventory, templates = loaded.named.inventory, self.project.root / "templates"
        read = () if self.subject.keeps_inventory else loaded.inventory.files
        files = [loaded.named.runbook, *(inventory / name for name in read)]
        found = (loaded.templates.find(name) for name in loaded.templates.names())
        files += [path for path in found if path is not None and path.is_relative_to(templates)]
        folders = () if self.subject.keeps_inventory else (inventory,)
        return files, [*folders, *([templates] if templates.is_dir() else ())]

    def _compared(self, history: History, facts: Facts) -> Facts:
        """With what the change means, and who reviewed its commits."""
        base, why = self._base(history, facts)
        if base is None:
            return replace(facts, uncompared=why, commits=history.commits("", facts.commit))
        facts = replace(facts, base=base, commits=history.commits(base.commit, facts.commit))
        named = self.subject.loaded.named
        # Imported where some rule asks who reviewed: comparing brings along what no other check needs.
        from engine.wiring.reviewing import review as compare  # noqa: PLC0415

        try:
            review = compare(
                self.project, base.commit, None if facts.changed else facts.commit, (named.runbook,),
                None if self.subject.keeps_inventory else named.inventory,
            )
        except SwitchoverError as error:
            return replace(facts, uncompared=f"It could not be compared with {brief(base.commit)}: {error.summary}")
        return replace(facts, risks=_reasons(review), uncompared=_uncompared(review))

    def _base(self, history: History, facts: Facts) -> tuple[Base | None, str]:
        if self.subject.since:
            return self._at(history, self.subject.since, "which the run goes by so far")
        last = next(iter(_applied(self.journal, self.subject.loaded)), None)
        if last is not None:
            return self._at(history, last[1], f"applied last with success, by run {last[0]}")
        branch = history.reviewed()
        fork = history.merge_base(branch.commit, facts.commit) if branch is not None else None
        if branch is not None and fork is not None and fork != facts.commit:
            return Base(fork, f"where it left {branch.name}"), ""
        before = history.before_last_change(facts.commit, facts.paths)
        if before is None:
            return None, f"There is nothing before {brief(facts.commit)} to compare it with"
        return self._at(history, before, "before its newest change, as it was never applied from here")

    def _at(self, history: History, commit: str, why: str) -> tuple[Base | None, str]:
        try:
            return Base(history.resolve(commit), why), ""
        except SwitchoverError as error:
            return None, f"It is to be compared with {brief(commit)}, {why}, and that is not here. {error.detail}"


def _applied(journal: Journal | None, loaded: Loaded) -> Iterable[tuple[str, str]]:
    """Runs that applied this runbook to this customer with success, from a commit as it stands, newest first."""
    if journal is None:
        return
    scope, name = loaded.inventory.customer, loaded.runbook.name
    open_ones = {info.run for info in journal.open_runs()}
    taken_back: set[str] = set()
    for info in journal.runs(scope):
        states = [record.event for record in journal.pick(info.run, _OF_RUN)]
        started = next((event for event in states if isinstance(event, ev.RunStarted)), None)
        if started is None:
            continue
        if started.header.get("rollback_of"):
            taken_back.add(str(started.header["rollback_of"]))
            continue
        amended = [event for event in states if isinstance(event, ev.RunAmended)]
        header = amended[-1].header if amended else started.header
        ended = [event.status for event in states if isinstance(event, ev.RunFinished)]
        succeeded = bool(ended) and ended[-1] == "succeeded" and info.run not in open_ones
        whole = header.get("git_commit") and not _was_changed(states, header)
        if info.runbook == name and succeeded and whole and info.run not in taken_back:
            yield info.run, str(header["git_commit"])


_OF_RUN = (ev.RunStarted.kind, ev.RunAmended.kind, ev.RunFinished.kind, ev.PolicyChecked.kind)


def _was_changed(states: Sequence[ev.Event], header: Mapping[str, object]) -> bool:
    """Whether a run was made from files that its commit does not have. What the policy found is nearer than the whole tree."""
    checked = [event for event in states if isinstance(event, ev.PolicyChecked)]
    return bool(checked[-1].changed) if checked else bool(header.get("git_dirty"))


def _reasons(review: Review) -> Mapping[Risk, tuple[str, ...]]:
    found: dict[Risk, list[str]] = {}
    for difference in review.differences:
        found.setdefault(difference.risk, []).append(difference.reason)
    return {risk: tuple(found[risk]) for risk in Risk if risk in found}


def _uncompared(review: Review) -> str:
    if not review.runbooks:
        return "It is on neither side of the comparison"
    for runbook in review.runbooks:
        if runbook.invalid:
            return f"{runbook.path} could not be compared, because its {runbook.invalid[0][0]} side is not valid"
        if not runbook.is_whole:
            return f"{runbook.path} could not be compared as a whole: {' '.join(runbook.notes).rstrip('.')}"
    return ""


# ---------------------------------------------------------------- enforced


def enforce(checked: Checked | None, override: Override | None, *, lab: bool = False) -> list[ev.PolicyChecked]:
    """What is journalled of it. Raises ``PolicyBroken`` with all that does not hold and the way to go on, and ``NotAllowed`` when
    whoever overrides it may not. Against the lab nothing is refused."""
    if checked is None:
        return []
    if not checked.verdict.broken:
        return [checked.event("kept")]
    if lab:
        return [checked.event("not enforced")]
    people = [_person(role, checked.facts.people) for role in checked.in_force.policy.overridden_by]
    if override is None or not people:
        ways = "\n  ".join((*broken_lines(checked), may_override(checked)))
        raise PolicyBroken("The policy does not let this be applied", ways)
    person = person_of(people, override.account, "Not yours to override", "those who may override the policy", "--override")
    return [replace(
        checked.event("overridden"), who=person.name, role=person.role, via=person.via, reason=override.reason,
    )]


def broken_lines(checked: Checked) -> list[str]:
    """Each thing that does not hold: where it is asked, what was found, how to go on."""
    policy = checked.in_force.policy
    return [
        f"{policy.span(found.path)}: rule '{found.rule}': {f'{found.says} {found.go_on}'.rstrip()}"
        for found in checked.verdict.broken
    ]


def may_override(checked: Checked) -> str:
    """Who may let it be applied all the same."""
    by = checked.in_force.policy.overridden_by
    if not by:
        return "Nobody may override this policy."
    people = (_person(role, checked.facts.people) for role in by)
    who = " or ".join(f"{person['name']} ({person['role']})" for person in people)
    return f"{who} may override it, on record: --override {by[0]} --reason WHY"


def _person(role: str, people: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    person = people.get(role, {})
    logins = person.get("logins", ())
    return {
        "role": role, "name": str(person.get("name", role)), "email": str(person.get("email", "")),
        "logins": [logins] if isinstance(logins, str) else [str(login) for login in (logins if isinstance(logins, list) else ())],
    }
