"""What a repository can tell of a change beyond its files: on which branches it is, who wrote and reviewed it, who signed it.

Everything is asked in a way that neither the working tree nor a commit's own text can bend: branches by their full names, so that
no tag or branch passes for another; mail addresses as they were written, past a ``.mailmap``; what is told apart by zero bytes,
which no commit and no file name can hold.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from engine.model.history import Commit, Signed
from engine.model.values import dataclass
from engine.transports.git import Entry, NoRevision, Repository

REVIEWED = "switchover.reviewed"
"""The setting of git, in no file of the tree, that names the reviewed branch where the default one is not it."""
_FIELDS = ("%H", "%P", "%ae", "%s", "%(trailers:key=Reviewed-by,key=Approved-by,valueonly,unfold)",
           "%(trailers:key=Co-authored-by,valueonly,unfold)")
_MAIL = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
_WHY = {
    "B": "has a bad signature: it is not what was signed", "U": "is signed by a key that nobody here vouches for",
    "X": "has a signature that has expired", "Y": "is signed by a key that had expired",
    "R": "is signed by a key that was revoked", "N": "is signed by none of the allowed signers",
}
"""git's letter for a signature -> what is wrong, in words that follow 'the commit'."""


_USUAL = ("main", "master")
_WHERE = ("refs/remotes/*", "refs/heads")


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch by its full name, and its newest commit."""

    ref: str
    commit: str

    @property
    def name(self) -> str:
        """``origin/main``, as people write it."""
        return short(self.ref)


@dataclass(frozen=True, slots=True)
class History(Repository):
    """A repository that is asked who stands behind a change."""

    # ------------------------------------------------------------ branches

    def reviewed(self) -> Branch | None:
        """The reviewed branch: the one that git's setting ``switchover.reviewed`` names, else the default one of the remote, else
        its ``main`` or ``master`` or, where nothing is ever fetched, the local one. None when there is none. Raises
        ``NoRevision`` when the setting names none."""
        named, remotes = self._settings()
        ref = _full(named, remotes)
        wanted = (ref,) if named else ("refs/remotes/*/HEAD", *(f"{where}/{name}" for where in _WHERE for name in _USUAL))
        found = self._branches(wanted)
        if named and ref not in found:
            raise NoRevision(
                f"The reviewed branch '{named}' is not here",
                f"git's setting {REVIEWED} names it. Fetch it with git fetch, or name another: git config {REVIEWED} BRANCH",
            )
        return found[ref] if named else next((found[name] for name in _candidates(remotes) if name in found), None)

    def _settings(self) -> tuple[str, tuple[str, ...]]:
        """What the setting names, empty when nothing, and the names of the repositories that are fetched from."""
        code, out, _ = self._ask("config", "-z", "--get-regexp", r"^(switchover\.reviewed|remote\..*\.url)$")
        entries = [entry.partition("\n") for entry in os.fsdecode(out).split("\0")] if code == 0 else []
        named = [value.strip() for key, _, value in entries if key == REVIEWED]
        remotes = {key.removeprefix("remote.").removesuffix(".url") for key, _, _ in entries if key != REVIEWED}
        return (named or [""])[-1], tuple(sorted(remotes, key=lambda name: (name != "origin", name)))

    def _branches(self, patterns: Sequence[str]) -> dict[str, Branch]:
        """By full name; a default branch by that of its remote's HEAD."""
        out = self._must("for-each-ref", "--format=%(refname)%00%(objectname)%00%(symref)", *patterns)
        rows = (line.split("\0") for line in os.fsdecode(out).splitlines())
        return {name: Branch(aim or name, commit) for name, commit, aim in rows}

    def ref(self, name: str) -> str:
        """A branch's full name: what begins with a remote's name is one as it was fetched, anything else one of this clone."""
        return _full(name, self._settings()[1])

    def branches(self, pattern: str, containing: str = "") -> tuple[str, ...]:
        """Branches that a name or pattern means, in short; only those in whose history a commit is, when one is given."""
        only = (f"--contains={containing}",) if containing else ()
        code, out, _ = self._ask("for-each-ref", "--format=%(refname)", *only, self.ref(pattern))
        names = os.fsdecode(out).splitlines() if code == 0 else []
        return tuple(short(name) for name in names if not name.endswith("/HEAD"))

    def known_branches(self) -> tuple[str, ...]:
        """All there are, in short."""
        return tuple(short(name) for name in os.fsdecode(
            self._must("for-each-ref", "--format=%(refname)", "refs/remotes", "refs/heads")
        ).splitlines())

    # ------------------------------------------------------------ files

    def inside(self, path: Path) -> str | None:
        """A file's path from the repository's top, folders on the way followed; None when it is elsewhere."""
        real = path.parent.resolve() / path.name
        return real.relative_to(self.top.resolve()).as_posix() if real.is_relative_to(self.top.resolve()) else None

    def content(self, commit: str, path: str) -> bytes | None:
        """A file as a commit has it; None when it has none."""
        found = next((entry for entry in self.tree(commit, [path]) if entry.path == path), None)
        return None if found is None else self._contents({found.blob})[found.blob]

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """Files of a commit at or below a folder."""
        return tuple(entry.path for entry in self.tree(commit, [folder]))

    def differing(self, commit: str, files: Sequence[Path], folders: Sequence[Path]) -> tuple[str, ...]:
        """Which files are not as a commit has them, and which of its files below ``folders`` are gone. By their content, so that
        neither an ignored file nor one that git was told to overlook passes for reviewed."""
        found: list[str] = []
        inside: dict[str, Path] = {}
        for path in files:
            name = self.inside(path)
            if name is None or "\n" in name:
                found.append(str(path))
            else:
                inside[name] = path
                if path.is_symlink() and (aim := self.inside(path.resolve())) is not None:
                    inside[aim] = path.resolve()
        below = [name for folder in folders if (name := self.inside(folder)) is not None]
        committed = {entry.path: entry for entry in self.tree(commit, [*inside, *below])} if inside or below else {}
        hashes = self._hashes({name: path for name, path in inside.items() if name in committed})
        found += [name for name in inside if name not in committed or hashes[name] != committed[name].blob]
        found += [name for name in committed if name not in inside and self._is_gone(committed[name])]
        return tuple(dict.fromkeys(found))

    def _is_gone(self, entry: Entry) -> bool:
        return not os.path.lexists(self.top / entry.path)

    def _hashes(self, files: Mapping[str, Path]) -> dict[str, str]:
        """What git would name each file's content by, line ends as its attributes have them; of a link what it points to."""
        plain = [name for name, path in files.items() if stat.S_ISREG(os.lstat(path).st_mode)]
        asked = "".join(f"{name}\n" for name in plain)
        listed = self._must("hash-object", "--stdin-paths", stdin=os.fsencode(asked)).split() if plain else []
        hashes = dict(zip(plain, (blob.decode() for blob in listed), strict=True))
        for name, path in files.items():
            if name not in hashes:
                target = os.fsencode(path.readlink()) if path.is_symlink() else b""
                hashes[name] = self._must("hash-object", "--stdin", stdin=target).decode().strip()
        return hashes

    # ------------------------------------------------------------ who

    def before_last_change(self, commit: str, below: Sequence[str]) -> str | None:
        """The commit before the newest one, along the branch, that changed any of the paths; None when that was the first."""
        limits = (f":(top,literal){path}" for path in below)
        code, out, _ = self._ask("log", "-1", "--no-show-signature", "--first-parent", "--format=%P", commit, "--", *limits)
        parents = out.decode().split() if code == 0 else []
        return parents[0] if parents else None

    def commits(self, base: str, head: str) -> tuple[Commit, ...]:
        """What is in the history of ``head`` and not in that of ``base``, newest first; all of it without a base."""
        span = f"{base}..{head}" if base else head
        told = self._must(
            "log", "-z", "--no-show-signature", f"--format=tformat:{'%x00'.join(_FIELDS)}", span, "--"
        ).split(b"\0")
        fields = [os.fsdecode(field) for field in told]
        rows = [fields[at:at + len(_FIELDS)] for at in range(0, len(fields) - 1, len(_FIELDS))]
        files = self._touched([row[0] for row in rows])
        return tuple(
            Commit(
                row[0], tuple(row[1].split()), frozenset({row[2].lower(), *_mails(row[5])}), _mails(row[4]),
                files.get(row[0], ()), row[3],
            )
            for row in rows
        )

    def _touched(self, commits: Collection[str]) -> dict[str, tuple[str, ...]]:
        if not commits:
            return {}
        asked = "".join(f"{commit}\n" for commit in commits).encode()
        out = self._must("diff-tree", "--stdin", "-r", "-c", "--root", "--raw", "--no-renames", "-z", stdin=asked)
        touched: dict[str, list[str]] = {}
        current: list[str] = []
        tokens = iter(out.split(b"\0"))
        for token in tokens:
            if token.startswith(b":"):
                current.append(os.fsdecode(next(tokens)))
            elif token.strip():
                current = touched.setdefault(token.decode().strip(), [])
        return {commit: tuple(names) for commit, names in touched.items()}

    def verify(self, commit: str, allowed: bytes | None) -> Signed:
        """A commit's signature, as ``git verify-commit`` finds it. ``allowed``: an allowed-signers file's content, and then only
        keys in it count; None: whatever git itself is told to trust."""
        head = self._must("cat-file", "commit", commit).partition(b"\n\n")[0]
        kind = re.search(rb"^gpgsig(?:-sha256)? -----BEGIN (\w+)", head, re.MULTILINE)
        if kind is None:
            return Signed(good=False, why="has no signature")
        if allowed is None:
            return self._verified(commit, ())
        if kind[1] != b"SSH":
            return Signed(good=False, why="is not signed by an SSH key, and the policy names those that may sign")
        with tempfile.NamedTemporaryFile(prefix="switchover-signers-") as file:
            file.write(allowed)
            file.flush()
            return self._verified(commit, ("-c", f"gpg.ssh.allowedSignersFile={file.name}"))

    def _verified(self, commit: str, setting: tuple[str, ...]) -> Signed:
        code, _, told = self._ask(*setting, "verify-commit", "--raw", commit)
        shown = self._must(*setting, "log", "-1", "--no-show-signature", "--format=%G?%x00%GS", commit)
        letter, _, signer = shown.decode("utf-8", "replace").strip("\n").partition("\0")
        if code == 0 and letter == "G":
            return Signed(good=True, signer=signer)
        said = " ".join(told.decode("utf-8", "replace").split())
        if b"allowedSignersFile" in told:
            return Signed(good=False, why="has a signature, and git knows no allowed signers to check it by")
        return Signed(good=False, signer=signer, why=_WHY.get(letter, f"has a signature that cannot be checked ({said})"))


def _full(name: str, remotes: Sequence[str]) -> str:
    return f"refs/remotes/{name}" if name.partition("/")[0] in remotes else f"refs/heads/{name}"


def _candidates(remotes: Sequence[str]) -> Iterator[str]:
    """Which branch counts as reviewed by itself, the likeliest first."""
    yield from (f"refs/remotes/{remote}/HEAD" for remote in remotes)
    yield from (f"refs/remotes/{remote}/{name}" for remote in remotes for name in _USUAL)
    if not remotes:
        yield from (f"refs/heads/{name}" for name in _USUAL)


def short(ref: str) -> str:
    """``origin/main`` for its full name."""
    return ref.removeprefix("refs/remotes/").removeprefix("refs/heads/")


def _mails(text: str) -> frozenset[str]:
    """Mail addresses in angle brackets, one a line, the last one of each."""
    found = (_MAIL.findall(line) for line in text.splitlines())
    return frozenset(mails[-1].lower() for mails in found if mails)
