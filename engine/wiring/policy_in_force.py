"""Which policy is in force.

It is the one on the reviewed branch: a change of it in an unreviewed tree is told, and loosens nothing. Where nothing is reviewed
(no git, no such branch, no policy on it) the file of the tree counts, since it can only ask for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from engine.language.policy_reader import name_in, people_in, policy_problems, read_policy
from engine.model.diagnostic import InvalidInput
from engine.model.policy import Policy
from engine.model.values import dataclass
from engine.project import Project
from engine.transports.git import NoRepository
from engine.transports.git_history import Branch, History

FILE = "policy.yml"
"""At the top of a project."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy that counts. ``where``: what it is called in messages; ``commit``: of the reviewed branch it stands on, empty when
    it is the tree's; ``branch``: that branch, empty when there is none; ``signers``: who may sign by it, None when it does not
    say: one that is missing allows nobody."""

    policy: Policy
    where: str
    commit: str
    branch: str
    signers: bytes | None
    notes: tuple[str, ...]
    history: History | None
    no_history: str = ""
    """Why there is no repository to ask, as a sentence."""
    folder: str = "."
    """Where it stands, from the repository's top: it speaks of every project below."""


def in_force(project: Project) -> InForce | None:
    """The policy that counts; None when there is none. Raises ``InvalidInput`` when it cannot be read, and ``SwitchoverError``
    when the repository does not tell."""
    try:
        history = History(History.open(project.root).top)
    except NoRepository as error:
        path = project.root / FILE
        if not path.is_file():
            return None
        notes = (f"{error.summary}: the policy counts as it stands here.",)
        policy = read_policy(path.read_bytes(), project.display(path))
        return InForce(policy, FILE, "", "", None, notes, None, f"{error.summary}: nothing is reviewed here.")
    branch, folders = history.reviewed(), _upwards(project.root, history)
    found = _reviewed(project, history, branch, folders) if branch is not None else None
    return found or _unreviewed(project, history, branch, folders)


def _upwards(root: Path, history: History) -> list[Path]:
    """The project's folder and those above it in the repository: a folder made a project inside another escapes no policy."""
    top, start = history.top.resolve(), root.resolve()
    return [folder for folder in (start, *start.parents) if folder.is_relative_to(top)]


def _reviewed(project: Project, history: History, reviewed: Branch, folders: Sequence[Path]) -> InForce | None:
    """The policy as it stands on the reviewed branch."""
    commit, branch = reviewed.commit, reviewed.name
    for folder in folders:
        path = folder / FILE
        name = history.inside(path) or FILE
        there = history.content(commit, name)
        if there is None:
            continue
        here = path.read_bytes() if path.is_file() else None
        same = here is not None and here.replace(b"\r\n", b"\n") == there.replace(b"\r\n", b"\n")
        what = "gone" if here is None else "another"
        differs = f"{FILE} is {what} here: what stands on {branch} counts, until that is reviewed."
        policy = read_policy(there, project.display(path) if same else f"{branch}:{name}")
        signers = history.content(commit, _beside(name, policy.allowed_signers)) or b"" if policy.allowed_signers else None
        below = PurePosixPath(name).parent.as_posix()
        return InForce(policy, f"{branch}:{name}", commit, branch, signers, () if same else (differs,), history, folder=below)
    return None


def _unreviewed(project: Project, history: History, reviewed: Branch | None, folders: Sequence[Path]) -> InForce | None:
    """The policy of the tree, where the reviewed branch has none."""
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is None:
        return None
    policy = read_policy(path.read_bytes(), project.display(path))
    why = f"it is not on {reviewed.name} yet" if reviewed is not None else "no branch of this repository counts as reviewed"
    file = path.parent / policy.allowed_signers
    signers = (file.read_bytes() if file.is_file() else b"") if policy.allowed_signers else None
    note = f"{FILE} counts as it stands here: {why}."
    below = PurePosixPath(history.inside(path) or FILE).parent.as_posix()
    return InForce(policy, FILE, "", reviewed.name if reviewed is not None else "", signers, (note,), history, folder=below)


def _beside(name: str, file: str) -> str:
    return (PurePosixPath(name).parent / file).as_posix()


def check_draft(project: Project, found: InForce) -> None:
    """Raises ``InvalidInput`` for what is wrong with the tree's own policy, which may be another than the one in force."""
    top = project.root if found.history is None else found.history.top
    folders = (folder for folder in (project.root, *project.root.parents) if folder.is_relative_to(top))
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is not None:
        check_names(project, read_policy(path.read_bytes(), project.display(path)), found, {})


def check_names(
    project: Project, policy: Policy, found: InForce, customer: Mapping[str, object], runbook: str = ""
) -> None:
    """Raises ``InvalidInput`` for runbooks and roles that a policy names and nobody has. ``customer``: roles of the inventory
    at hand; ``runbook``: the name of the runbook at hand."""
    names = {runbook, *_names_here(project)} - {""}
    roles = {*customer, *_roles_here(project)}
    if policy_problems(policy, names, roles):
        # Both are looked for where the policy stands too: a tree that lacks one there must not make the policy invalid, and a
        # policy may speak of several projects.
        names |= set(_names_there(found))
        roles |= set(_roles_there(found))
    problems = policy_problems(policy, names, roles)
    if problems:
        raise InvalidInput(problems)


def _names_here(project: Project) -> Iterable[str]:
    for path in sorted((project.root / "runbooks").rglob("*.yml")):
        name = name_in(path.read_bytes(), path.name)
        yield name or path.stem


def _roles_here(project: Project) -> Iterable[str]:
    for path in sorted((project.root / "inventories").glob("*/inventory.yml")):
        yield from people_in(path.read_bytes(), path.name)


def _names_there(found: InForce) -> Iterable[str]:
    for path, content in _there(found, lambda path: "runbooks" in path.parts[:-1] and path.suffix == ".yml"):
        yield name_in(content, path.name) or path.stem


def _roles_there(found: InForce) -> Iterable[str]:
    for path, content in _there(found, lambda path: path.name == "inventory.yml"):
        yield from people_in(content, path.name)


def _there(found: InForce, wanted: Callable[[PurePosixPath], bool]) -> Iterable[tuple[PurePosixPath, bytes]]:
    """Files of the commit, at and below where the policy stands."""
    history = found.history
    commit = found.commit or (history.head().commit if history is not None else None)
    if history is None or not commit:
        return
    for path in map(PurePosixPath, history.names(commit, found.folder)):
        if wanted(path):
            yield path, history.content(commit, str(path)) or b""
