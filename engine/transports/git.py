"""Reads a git repository: revisions, files as they stood in one, the state of the working tree. The only place that runs ``git``.

Nothing is ever written: no checkout, no index, no reference. Contents come out of the object store as they were committed, past
filters and attributes, and what a repository's own configuration would run (hooks, monitors, pagers, another signing program) is
kept from running.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from engine.model.errors import SwitchoverError
from engine.model.values import dataclass

TIMEOUT_S = 60.0
MAX_FILE = 64 * 1024 * 1024
"""Bytes; a larger file is left out, since no runbook, inventory or template may be so large."""
_QUIET = (
    "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gpg.program=gpg",
    "-c", "gpg.ssh.program=ssh-keygen", "-c", "gpg.x509.program=gpgsm",
)
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Set where git runs us as a hook: they would name another repository, or an index that is being made."""
_FILE, _EXECUTABLE, _LINK = "100644", "100755", "120000"


class NoRepository(SwitchoverError):
    """A folder is in no git repository, or git is not there."""


class NoRevision(SwitchoverError):
    """What was named is no commit of the repository, or is one that it does not hold."""


class GitFailed(SwitchoverError):
    """git did not do what it was asked, or took too long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a revision. ``path`` from the repository's top; ``blob`` names its content: alike in two revisions, the same."""

    path: str
    blob: str
    mode: str
    size: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where the working tree is. ``branch``: None when it is on none; ``commit``: None before the first one."""

    commit: str | None
    branch: str | None


@dataclass(frozen=True, slots=True)
class Signature:
    """Of a commit. ``good``: whether git holds it for valid; ``status``: its letter (``G``, ``B``, ``U``, ``N`` for none ...)."""

    status: str
    signer: str = ""
    key: str = ""

    @property
    def good(self) -> bool:
        return self.status in ("G", "U")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository with a working tree. ``top``: the working tree's own folder."""

    top: Path

    @classmethod
    def open(cls, folder: Path) -> Repository:
        """The repository that a folder is in. Raises ``NoRepository``."""
        code, out, err = _run(folder, ("rev-parse", "--show-toplevel"))
        if code != 0 or not out.strip():
            if b"dubious ownership" in err:
                raise NoRepository(
                    f"git does not trust the repository at {folder}",
                    f"It belongs to somebody else. If that is in order: git config --global --add safe.directory {folder}",
                )
            if b"work tree" in err or code == 0:
                raise NoRepository(
                    f"The repository at {folder} has no working tree",
                    "It is a bare one, as servers keep them. Clone it, and call this in the clone.",
                )
            raise NoRepository(
                f"{folder} is in no git repository",
                "Revisions are compared as git keeps them. Call this in the folder of the project, or make it one: git init",
            )
        return cls(Path(os.fsdecode(out.rstrip(b"\n"))))

    # ------------------------------------------------------------ revisions

    def resolve(self, rev: str) -> str:
        """The commit a revision names, in full. Raises ``NoRevision`` that says why there is none."""
        code, out, err = self._ask("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}")
        if code == 0 and rev and not rev.startswith("-"):
            return out.decode().strip()
        if b"ambiguous" in err and b"unknown revision" not in err:
            raise NoRevision(f"'{rev}' could be several commits", "Give more of its digits, or a branch or tag.")
        raise NoRevision(f"There is no revision '{rev}'", self._why_none(rev))

    def _why_none(self, rev: str) -> str:
        if not self._has_commits():
            return "The repository has no commit yet. Commit what there is, then compare."
        if self.is_shallow:
            return (
                "This is a shallow clone, which holds the newest commits only. Fetch the others with: git fetch --unshallow (in "
                "GitHub Actions: fetch-depth: 0 for actions/checkout; in GitLab: GIT_DEPTH: 0)."
            )
        near = get_close_matches(rev, self._names(), 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"No commit, branch or tag of this repository is called so.{hint} What was never fetched is not known: git fetch"

    @property
    def is_shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return self._ask("rev-parse", "--is-shallow-repository")[1].strip() == b"true"

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that two commits have in common; None when there is none."""
        code, out, _ = self._ask("merge-base", "--end-of-options", one, other)
        return out.decode().strip() if code == 0 else None

    def head(self) -> Head:
        """Where the working tree is."""
        code, out, _ = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        commit = out.decode().strip() if code == 0 else None
        code, out, _ = self._ask("symbolic-ref", "--short", "--quiet", "HEAD")
        return Head(commit, out.decode("utf-8", "replace").strip() if code == 0 else None)

    def changed(self, paths: Collection[str] = ()) -> tuple[str, ...]:
        """Files of the working tree that are not as the newest commit has them, new ones too; only below ``paths`` when given."""
        limits = ("--", *(f":(top,literal){path}" for path in paths)) if paths else ()
        entries = iter(self._must("status", "--porcelain=v1", "-z", "--untracked-files=all", *limits).split(b"\0"))
        found = []
        for entry in entries:
            if entry:
                found.append(os.fsdecode(entry[3:]))
                if entry[:1] in (b"R", b"C"):  # where it came from follows
                    next(entries, None)
        return tuple(found)

    def signature(self, commit: str) -> Signature:
        """How a commit is signed, as git judges it by the keys it knows."""
        shown = self._must("log", "-1", "--no-show-signature", "--format=%G?%x00%GS%x00%GF", "--end-of-options", commit)
        status, signer, key = (*shown.decode("utf-8", "replace").strip("\n").split("\0"), "", "")[:3]
        return Signature(status or "N", signer, key)

    # ------------------------------------------------------------ files

    def tree(self, commit: str, below: Iterable[str]) -> tuple[Entry, ...]:
        """The files of a commit that stand at or below any of the paths, which are from the repository's top."""
        listed = self._must(
            "ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", *dict.fromkeys(str(PurePosixPath(path)) for path in below)
        )
        entries = []
        for line in filter(None, listed.split(b"\0")):
            about, _, path = line.partition(b"\t")
            mode, kind, blob, size = about.decode().split()
            if kind == "blob":  # what is no file is another repository's commit
                entries.append(Entry(os.fsdecode(path), blob, mode, int(size)))
        return tuple(entries)

    def export(self, entries: Iterable[Entry], into: Path) -> tuple[str, ...]:
        """Writes files of a revision below a folder, each at its path. Links are followed only to what is written too. Returns
        the paths left out: those that are too large, or links to elsewhere."""
        wanted = list(entries)
        small = [entry for entry in wanted if entry.size <= MAX_FILE]
        contents = self._contents({entry.blob for entry in small})
        links: list[tuple[Entry, str]] = []
        for entry in small:
            if entry.mode == _LINK:
                links.append((entry, os.fsdecode(contents[entry.blob])))
            elif entry.mode in (_FILE, _EXECUTABLE):
                place = _place(into, entry.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(contents[entry.blob])
        left_out = [entry.path for entry in wanted if entry.size > MAX_FILE]
        return (*left_out, *(entry.path for entry, target in links if not _linked(into, entry.path, target)))

    def _contents(self, blobs: Collection[str]) -> dict[str, bytes]:
        if not blobs:
            return {}
        asked = "".join(f"{blob}\n" for blob in sorted(blobs)).encode()
        return dict(_batch(self._must("cat-file", "--batch", stdin=asked)))

    # ------------------------------------------------------------ asking git

    def _has_commits(self) -> bool:
        return bool(self._ask("rev-list", "-n", "1", "--all")[1].strip()) or self.head().commit is not None

    def _names(self) -> list[str]:
        return self._ask("for-each-ref", "--format=%(refname:short)")[1].decode("utf-8", "replace").split()

    def _ask(self, *arguments: str) -> tuple[int, bytes, bytes]:
        return _run(self.top, arguments)

    def _must(self, *arguments: str, stdin: bytes = b"") -> bytes:
        code, out, err = _run(self.top, arguments, stdin)
        if code != 0:
            said = err.decode("utf-8", "replace").strip() or f"it ended with {code}"
            raise GitFailed(f"git {arguments[0]} failed", f"In {self.top}: {said}")
        return out


def _run(folder: Path, arguments: Iterable[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    command = ["git", "-C", str(folder), *_QUIET, *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False, env=_environment())
    except FileNotFoundError:
        raise NoRepository("git is not installed", "Revisions are read by it. Install it, on the PATH.") from None
    except OSError as error:
        raise GitFailed("git could not be started", str(error)) from None
    except subprocess.TimeoutExpired:
        raise GitFailed("git takes too long", f"'{' '.join(command)}' did not end within {TIMEOUT_S:.0f} seconds.") from None
    return done.returncode, done.stdout, done.stderr


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    return {
        **kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1", "GIT_LITERAL_PATHSPECS": "0",
    }


def _batch(out: bytes) -> Iterator[tuple[str, bytes]]:
    """``<blob> <type> <size>``, the content and a line end, for each."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        blob, _, size = out[at:end].decode().partition(" ")
        if size.endswith("missing"):
            raise GitFailed(
                f"The repository lacks the content {blob}",
                "It was cloned without all contents (a partial clone), or is damaged. Fetch them: git fetch --refetch",
            )
        length = int(size.rpartition(" ")[2])
        yield blob, out[end + 1:end + 1 + length]
        at = end + 1 + length + 1


def _place(into: Path, path: str) -> Path:
    """Where a file of a tree is written. A tree made by hand can hold names that lead out of it."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        raise GitFailed(f"The revision holds a file called {path}", "No file of a project leads out of it; it was left alone.")
    return into.joinpath(*parts)


def _linked(into: Path, path: str, target: str) -> bool:
    place = _place(into, path)
    aim = (place.parent / target).resolve()
    if target.startswith("/") or not aim.is_relative_to(into.resolve()) or not aim.exists():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    return True
