"""Two revisions of runbooks and an inventory, read side by side and compared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from engine.actions.catalog import catalog
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import Draft, read_runbook
from engine.language.semantics import check_runbook
from engine.language.templates import Templates
from engine.model.args import arguments_of
from engine.model.diagnostic import Diagnostic
from engine.model.errors import SwitchoverError
from engine.model.inventory import Inventory
from engine.model.plan import Effect
from engine.model.review import Difference, Review, Risk, RunbookReview
from engine.model.runbook import Runbook
from engine.model.source import Span
from engine.model.values import dataclass
from engine.planning.review.runbooks import Comparison, Side
from engine.planning.review.scope import scopes_of
from engine.planning.review.steps import Trait
from engine.ports import Action
from engine.project import Project, shipped
from engine.transports.git import Repository
from engine.wiring.loading import specs_of

_PEOPLE = frozenset({"smtp", "rt", "servicenow", "jira"})
"""Types of connections by which people are written to, and nothing else is changed."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of one side, below ``root`` as they stand below the repository's top. ``commit``: empty for the working tree."""

    label: str
    commit: str
    root: Path
    project: Project

    def display(self, path: Path) -> str:
        """As errors and findings name a file: from the repository's top."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    @property
    def templates(self) -> Templates:
        """Template files of this side, else those that come with the engine, unless these are the project's own."""
        own = self.project.root / "templates"
        folders = (own,) if self.is_shipped else (own, shipped("templates"))
        return Templates([folder for folder in folders if folder.is_dir()], self.display)

    is_shipped: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared, as paths from the repository's top. ``runbooks``: empty for all of the project."""

    base: PurePosixPath
    runbooks: tuple[PurePosixPath, ...]
    inventory: PurePosixPath | None

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """All that has to be read of a revision."""
        named = [path.parent if path.parent != PurePosixPath(".") else path for path in self.runbooks]
        inventory = () if self.inventory is None else (self.inventory,)
        return (self.base / "runbooks", self.base / "templates", *named, *inventory)


def review(
    project: Project, old: str, new: str | None, runbooks: Sequence[Path], inventory: Path | None, *, today: date | None = None
) -> Review:
    """Compares two revisions; ``new``: None for the working tree. Raises ``SwitchoverError`` for what cannot be read at all; what
    is invalid on a side stands in the review. ``today``: holidays are looked for from it on."""
    repository = Repository.open(project.root)
    asked = Asked(
        _below(repository, project.root), tuple(_below(repository, path) for path in runbooks),
        None if inventory is None else _below(repository, inventory),
    )
    commits = (repository.resolve(old), None if new is None else repository.resolve(new))
    with tempfile.TemporaryDirectory(prefix="switchover-diff-") as folder:
        before = _tree(repository, project, asked, old, commits[0], Path(folder) / "old")
        after = _tree(repository, project, asked, new or "the working tree", commits[1], Path(folder) / "new")
        reviewer = _Reviewer(before, after, asked, today or date.today())
        return Review(
            old, new or "", commits[0], commits[1] or "", "" if inventory is None else str(inventory), tuple(reviewer.runbooks())
        )


def _below(repository: Repository, path: Path) -> PurePosixPath:
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(repository.top))
    if not real.is_relative_to(top):
        raise SwitchoverError(f"{path} is not in the repository", f"Revisions are compared of what stands below {top}.")
    return PurePosixPath(real.relative_to(top).as_posix())


def _tree(repository: Repository, project: Project, asked: Asked, label: str, commit: str | None, into: Path) -> Tree:
    own = os.path.realpath(project.root / "templates") == os.path.realpath(shipped("templates"))
    root = repository.top
    if commit is not None:
        root = into
        into.mkdir()
        repository.export(repository.tree(commit, map(str, asked.folders)), into)
    return Tree(label, commit or "", root, Project(root / asked.base, project.state), own)


@dataclass(frozen=True, slots=True)
class Read:
    """One runbook of one side. ``path``: from the repository's top; None where it is not there."""

    tree: Tree
    path: PurePosixPath | None
    draft: Draft | None
    problems: tuple[Diagnostic, ...]

    @property
    def runbook(self) -> Runbook | None:
        return None if self.draft is None else self.draft.runbook


@dataclass(slots=True)
class _Reviewer:
    old: Tree
    new: Tree
    asked: Asked
    today: date

    def runbooks(self) -> Iterator[RunbookReview]:
        inventories = [self._inventory(tree) for tree in (self.old, self.new)]
        for then, now in self._pairs():
            yield self._reviewed(then, now, inventories[0], inventories[1])

    # ------------------------------------------------------------ reading

    def _pairs(self) -> Iterator[tuple[Read, Read]]:
        """Each runbook on both sides: by its path, else by its name, for files are renamed."""
        then, now = ({path: _read(tree, path) for path in self._files(tree)} for tree in (self.old, self.new))
        moved = _renamed({path: one for path, one in then.items() if path not in now},
                         {path: one for path, one in now.items() if path not in then})
        taken = set(moved.values())
        wanted = set(self.asked.runbooks)
        for path in sorted({*then, *now} - taken):
            was, is_now = then.get(path), now.get(path)
            if is_now is not None and was is None and path in moved:
                was = then[moved[path]]
            if not wanted or wanted & {one.path for one in (was, is_now) if one is not None}:
                yield was or Read(self.old, None, None, ()), is_now or Read(self.new, None, None, ())

    def _files(self, tree: Tree) -> list[PurePosixPath]:
        folders = dict.fromkeys((self.asked.base / "runbooks", *(path.parent for path in self.asked.runbooks)))
        found = [path for folder in folders for path in sorted((tree.root / folder).glob("*.yml"))]
        found += [tree.root / path for path in self.asked.runbooks if (tree.root / path).is_file()]
        return [PurePosixPath(path.relative_to(tree.root).as_posix()) for path in dict.fromkeys(found)]

    def _inventory(self, tree: Tree) -> Inventory | None:
        if self.asked.inventory is None:
            return None
        folder = tree.root / self.asked.inventory
        return load_inventory(folder, tree.display(folder), today=self.today)[0] if folder.exists() else None

    # ------------------------------------------------------------ comparing

    def _reviewed(self, then: Read, now: Read, before: Inventory | None, after: Inventory | None) -> RunbookReview:
        path = str(now.path or then.path)
        invalid = tuple((name, one.problems) for name, one in (("old", then), ("new", now)) if one.problems)
        if then.runbook is None or now.runbook is None:
            return RunbookReview(path, tuple(_one_sided(then, now)), invalid)
        actions = catalog({*then.runbook.actions(), *now.runbook.actions()})
        names = {*then.runbook.actions(), *now.runbook.actions()}
        traits = {name: _trait(actions[name]) for name in names if name in actions}
        sides = [self._side(one.tree, one.runbook, inventory) for one, inventory in ((then, before), (now, after)) if one.runbook]
        return RunbookReview(path, Comparison(sides[0], sides[1], traits, self.today).differences(), invalid)

    def _side(self, tree: Tree, runbook: Runbook, inventory: Inventory | None) -> Side:
        if inventory is None:
            return Side(runbook)
        return Side(runbook, inventory, scopes_of(runbook, inventory, tree.templates))


def _read(tree: Tree, path: PurePosixPath) -> Read:
    place = tree.root / path
    draft = read_runbook(place, tree.display(place))
    problems = [*draft.problems]
    if draft.runbook is not None:
        specs = specs_of(catalog(draft.runbook.actions()), draft.runbook)
        problems += check_runbook(draft.runbook, specs, None, tree.templates)
    return Read(tree, path, draft, tuple(found for found in problems if found.is_error))


def _renamed(
    gone: Mapping[PurePosixPath, Read], fresh: Mapping[PurePosixPath, Read]
) -> dict[PurePosixPath, PurePosixPath]:
    """New path -> the path it had, for runbooks of one name that are the only ones of it."""
    found = {}
    for path, now in fresh.items():
        alike = [old for old, then in gone.items() if now.runbook and then.runbook and then.runbook.name == now.runbook.name]
        if len(alike) == 1 and sum(_name(one) == _name(now) for one in fresh.values()) == 1:
            found[path] = alike[0]
    return found


def _name(read: Read) -> str | None:
    return None if read.runbook is None else read.runbook.name


def _one_sided(then: Read, now: Read) -> Iterator[Difference]:
    """What can be said of a runbook that is there, or can be read, on one side only."""
    if then.path is None:
        yield Difference(Risk.STEP_ADDED, "runbook-added", "", "the runbook is new", "", _name(now) or "", span=_top(now))
    elif now.path is None:
        yield Difference(Risk.STEP_REMOVED, "runbook-removed", "", "the runbook is gone", _name(then) or "", "", span=_top(then))
    else:
        which = "neither side" if then.runbook is None and now.runbook is None else \
            "the old side" if then.runbook is None else "the new side"
        reason = f"what changed cannot be told: {which} is no runbook that can be read"
        yield Difference(Risk.EFFECT, "not-comparable", "", reason, span=_top(now))


def _top(read: Read) -> Span | None:
    return None if read.path is None else Span(str(read.path), 1, 1)


def _trait(action: Action[Any, Any]) -> Trait:
    types = {kind for argument in arguments_of(action.Args).values() for kind in argument.connection}
    return Trait(action.effect is Effect.READS, hasattr(action, "undo"), bool(types) and types <= _PEOPLE)
