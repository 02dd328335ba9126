"""Two revisions of runbooks and an inventory, read side by side and compared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from engine.actions.catalog import catalog
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import Draft, read_runbook
from engine.language.semantics import check_runbook
from engine.language.templates import Templates
from engine.language.yaml_reader import read_yaml
from engine.model.args import arguments_of
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.inventory import Inventory
from engine.model.plan import Effect
from engine.model.review import Difference, OpenRun, Review, Risk, RunbookReview
from engine.model.runbook import Runbook
from engine.model.source import Document, Span
from engine.model.values import dataclass
from engine.planning.review.inventories import Placed
from engine.planning.review.runbooks import Comparison, Side
from engine.planning.review.scope import Scopes, scopes_of
from engine.planning.review.steps import Trait
from engine.planning.review.texts import compare_texts, files_of
from engine.planning.review.written import compare_written
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
    def folders(self) -> tuple[Path, ...]:
        """Where template files are: this side's, else those that come with the engine, unless these are the project's own."""
        own = self.project.root / "templates"
        return tuple(folder for folder in ((own,) if self.is_shipped else (own, shipped("templates"))) if folder.is_dir())

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
        reviewer = _Reviewer(project, before, after, asked, today or date.today())
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
    path: PurePosixPath | None = None
    draft: Draft | None = None

    @property
    def runbook(self) -> Runbook | None:
        return None if self.draft is None else self.draft.runbook

    @property
    def text(self) -> bytes:
        return b"" if self.path is None else (self.tree.root / self.path).read_bytes()

    def problems(self, templates: Templates) -> tuple[Diagnostic, ...]:
        """All that is wrong with it, as far as no inventory is needed to tell."""
        if self.draft is None:
            return ()
        found = [*self.draft.problems]
        if self.draft.runbook is not None:
            specs = specs_of(catalog(self.draft.runbook.actions()), self.draft.runbook)
            found += check_runbook(self.draft.runbook, specs, None, templates)
        return tuple(one for one in found if one.is_error)


@dataclass(frozen=True, slots=True)
class Stock:
    """The inventory of one side: None when it is not looked at, is not there, or is invalid, by ``problems``."""

    inventory: Inventory | None = None
    problems: tuple[Diagnostic, ...] = ()
    is_missing: bool = False


@dataclass(slots=True)
class _Reviewer:
    project: Project
    old: Tree
    new: Tree
    asked: Asked
    today: date
    before: Templates = field(init=False)
    after: Templates = field(init=False)
    same_templates: bool = field(init=False)

    def __post_init__(self) -> None:
        self.before = Templates(self.old.folders, self.old.display)
        self.same_templates = _contents(self.old.folders) == _contents(self.new.folders)
        self.after = self.before if self.same_templates else self.before.beside(self.new.folders, self.new.display)

    def runbooks(self) -> Iterator[RunbookReview]:
        stocks = self._stock(self.old), self._stock(self.new)
        for then, now in self._pairs():
            yield self._reviewed(then, now, *stocks)

    # ------------------------------------------------------------ reading

    def _pairs(self) -> Iterator[tuple[Read, Read]]:
        """Each runbook on both sides: by its path, else by its name, for files are renamed."""
        wanted = set(self.asked.runbooks)
        if wanted and all((tree.root / path).is_file() for tree in (self.old, self.new) for path in wanted):
            yield from ((_read(self.old, path), _read(self.new, path)) for path in self.asked.runbooks)
            return
        then, now = ({path: _read(tree, path) for path in self._files(tree)} for tree in (self.old, self.new))
        moved = _renamed({path: one for path, one in then.items() if path not in now},
                         {path: one for path, one in now.items() if path not in then})
        taken = set(moved.values())
        for path in sorted({*then, *now} - taken):
            was, is_now = then.get(path), now.get(path)
            if is_now is not None and was is None and path in moved:
                was = then[moved[path]]
            if not wanted or wanted & {one.path for one in (was, is_now) if one is not None}:
                yield was or Read(self.old), is_now or Read(self.new)

    def _files(self, tree: Tree) -> list[PurePosixPath]:
        folders = dict.fromkeys((self.asked.base / "runbooks", *(path.parent for path in self.asked.runbooks)))
        found = [path for folder in folders for path in sorted((tree.root / folder).glob("*.yml"))]
        found += [tree.root / path for path in self.asked.runbooks if (tree.root / path).is_file()]
        return [PurePosixPath(path.relative_to(tree.root).as_posix()) for path in dict.fromkeys(found)]

    def _stock(self, tree: Tree) -> Stock:
        if self.asked.inventory is None:
            return Stock()
        folder = tree.root / self.asked.inventory
        if not folder.exists():
            return Stock(is_missing=True)
        try:
            return Stock(load_inventory(folder, tree.display(folder), today=self.today)[0])
        except InvalidInput as invalid:
            return Stock(problems=tuple(one for one in invalid.diagnostics if one.is_error))

    # ------------------------------------------------------------ comparing

    def _reviewed(self, then: Read, now: Read, before: Stock, after: Stock) -> RunbookReview:
        path = str(now.path or then.path)
        wrong = [(*self._problems(one, other, templates), *stock.problems) for one, other, templates, stock in (
            (then, now, self.before, before), (now, then, self.after, after),
        )]
        invalid = tuple((name, found) for name, found in zip(("old", "new"), wrong, strict=True) if found)
        notes = tuple(self._notes(then, now, before, after))
        if then.runbook is None or now.runbook is None:
            return RunbookReview(path, tuple(_one_sided(then, now)), invalid, notes=notes)
        names = {*then.runbook.actions(), *now.runbook.actions()}
        actions = catalog(names)
        traits = {name: trait_of(actions[name]) for name in names if name in actions}
        sides = self._sides(then.runbook, now.runbook, before, after)
        texts = () if self.same_templates else tuple(self._texts(*sides, actions))
        if sides[0].inventory is not None and sides[1].inventory is not None:
            # Imported only with an inventory: scenes take a while to load.
            from engine.wiring.review_rendering import rendered  # noqa: PLC0415

            made, more = rendered(sides, (self.before, self.after), actions, same_templates=self.same_templates)
            texts, notes = (*texts, *made), (*notes, *more)
        found = Comparison(*sides, traits, self.today, texts).differences()
        runs = self._open_runs(then.runbook, now) if found else ()
        return RunbookReview(path, found, invalid, runs, notes, is_whole=not (before.problems or after.problems))

    def _open_runs(self, then: Runbook, now: Read) -> tuple[OpenRun, ...]:
        if not self.project.journal.exists():
            return ()
        # Imported only where there are runs: what runs one takes as long to load as all the rest.
        from engine.wiring.review_runs import Amending, open_runs  # noqa: PLC0415

        named = self.asked.inventory
        inventory = None if named is None else (str(named.relative_to(self.asked.base)), self.new.root / named)
        runbook = self.new.root / str(now.path)
        return open_runs(self.project, Amending(then.digest, self.old.project, self.new.project, runbook, inventory))

    def _texts(self, then: Side, now: Side, actions: Mapping[str, Action[Any, Any]]) -> Iterator[Placed]:
        files = [
            files_of(side.runbook, side.inventory, templates, specs_of(actions, side.runbook))
            for side, templates in ((then, self.before), (now, self.after))
        ]
        return compare_texts(files[0], files[1], self.before, self.after)

    def _problems(self, one: Read, other: Read, templates: Templates) -> tuple[Diagnostic, ...]:
        """Looked for only where something changed: that takes longer than all the rest."""
        if one.runbook is not None and self.same_templates and one.text == other.text:
            return ()
        return one.problems(templates)

    def _sides(self, then: Runbook, now: Runbook, before: Stock, after: Stock) -> tuple[Side, Side]:
        if self.asked.inventory is None or before.problems or after.problems:
            return Side(then), Side(now)
        empty = Scopes({}, {})
        return tuple(  # type: ignore[return-value]  # of two
            Side(runbook, stock.inventory, empty if stock.inventory is None else scopes_of(runbook, stock.inventory, templates))
            for runbook, stock, templates in ((then, before, self.before), (now, after, self.after))
        )

    def _notes(self, then: Read, now: Read, before: Stock, after: Stock) -> Iterator[str]:
        if then.path is not None and now.path is not None and then.path != now.path:
            yield f"The file was called {then.path} before."
        for tree, stock in ((self.old, before), (self.new, after)):
            if stock.is_missing:
                yield f"There is no inventory {self.asked.inventory} in {tree.label}: nobody was in scope."
            if stock.problems:
                yield f"The inventory {self.asked.inventory} of {tree.label} is invalid: inventories were not compared."


def _read(tree: Tree, path: PurePosixPath) -> Read:
    place = tree.root / path
    draft = read_runbook(place, tree.display(place))
    marker = None if draft.runbook is not None else conflict_in(place.read_text("utf-8", "replace"), tree.display(place))
    return Read(tree, path, draft if marker is None else Draft(None, (marker,)))


def conflict_in(text: str, display: str) -> Diagnostic | None:
    """What is wrong with a file in which a merge was left unfinished; None when none was."""
    lines = text.splitlines()
    number = next((n for n, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), None)
    if number is None or not any(line.startswith(">>>>>>> ") for line in lines):
        return None
    detail = "Two versions of these lines stand here, from an unfinished merge. Keep one of them, and take out the markers."
    return Diagnostic("Merge conflict markers", detail, Span(display, number, 1), lines[number - 1])


def _contents(folders: Sequence[Path]) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in reversed(folders) for path in sorted(folder.rglob("*.j2")) if path.is_file()
    }


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
    elif (documents := [_document(one) for one in (then, now)]) and documents[0] is not None and documents[1] is not None:
        yield from compare_written(documents[0], documents[1])
    else:
        which = "neither side" if then.runbook is None and now.runbook is None else \
            "the old side" if then.runbook is None else "the new side"
        reason = f"what changed cannot be told: {which} is no runbook that can be read"
        yield Difference(Risk.EFFECT, "not-comparable", "", reason, span=_top(now))


def _document(read: Read) -> Document | None:
    """What is written, when it is YAML at all."""
    if read.path is None:
        return None
    place = read.tree.root / read.path
    try:
        return read_yaml(place, read.tree.display(place))
    except InvalidInput:
        return None


def _top(read: Read) -> Span | None:
    return None if read.path is None else Span(str(read.path), 1, 1)


def trait_of(action: Action[Any, Any]) -> Trait:
    """What is known of an action beforehand."""
    types = {kind for argument in arguments_of(action.Args).values() for kind in argument.connection}
    return Trait(action.effect is Effect.READS, hasattr(action, "undo"), bool(types) and types <= _PEOPLE)
