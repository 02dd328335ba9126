"""A project in git, and revisions of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).with_name("project")


@dataclass(frozen=True)
class GitProject:
    """A project's folder, which is a repository. ``base``: its first revision."""

    root: Path
    base: str = ""

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), "-c", "user.name=A", "-c", "user.email=a@example.net", "-c", "commit.gpgsign=false",
             "-c", "core.autocrlf=false", *arguments], check=True, capture_output=True, text=True,
        )
        return done.stdout.strip()

    def commit(self, message: str = "change") -> str:
        """Everything as it is in the folder; the revision."""
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def edit(self, file: str, before: str, after: str) -> None:
        """Replaces the first place where a text stands; ``*`` at its end: all of them."""
        path = self.root / file
        text = path.read_bytes().decode()
        assert before in text, f"{file} has no {before!r}"
        everywhere = after.endswith("*")
        path.write_bytes((text.replace(before, after[:-1]) if everywhere else text.replace(before, after, 1)).encode())

    def reset(self) -> None:
        """Back to the first revision."""
        self.git("reset", "--quiet", "--hard", self.base)
        self.git("clean", "--quiet", "-fd")


def make(folder: Path, parts: Iterable[str] = ("runbooks", "inventories", "templates")) -> GitProject:
    """The project of these tests, committed."""
    for part in parts:
        shutil.copytree(PROJECT / part, folder / part)
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(folder)], check=True)
    return GitProject(folder, GitProject(folder).commit("base"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> GitProject:
    """One repository for many cases, each of which puts it back first."""
    return make(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(tmp_path: Path) -> GitProject:
    return make(tmp_path / "project")
