"""A project in a real git repository, with a server's repository that it is pushed to, and people who commit to it."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import Ended, in_process, switchover

ME = pwd.getpwuid(os.getuid()).pw_name
INVENTORY = f"""\
switchover: 1
customer: acme
title: Acme Dental
timezone: America/New_York
connections:
  files: {{type: local, root: out}}
people:
  lead: {{name: Lena Lead, email: lena@example.net}}
  owner: {{name: Olga Owner, email: olga@example.net}}
  director: {{name: Dora Director, logins: [{ME}]}}
  manager: {{name: Max Manager, logins: [nobody-has-this-account]}}
collections:
  hosts:
    key: key
    items: [{{key: one}}, {{key: two}}]
"""
RUNBOOK = """\
switchover: 1
name: move
title: Move
phases:
  - name: work
    steps:
      - name: sign-off
        when: "false"
        approval: {by: lead, within: 2 days}
      - name: put
        action: document.render
        for_each: hosts
        with: {connection: files, path: "{{ item.key }}.html", template: page.html.j2, title: one}
"""
POLICY = """\
switchover_policy: 1
rules:
  - name: reviewed
    branches: [origin/main]
overrides: {by: [director, manager]}
"""
ANN = ("Ann Author", "ann@example.net")
LENA = ("Lena Lead", "lena@example.net")
MOVE = ("runbooks/move.yml", "-i", "inventories/acme")


@dataclass(frozen=True)
class Place:
    """``home``: the project; ``server``: the bare repository called origin."""

    home: Path
    server: Path

    def git(self, *words: str, who: tuple[str, str] = ANN) -> str:
        return git(self.home, *words, who=who)

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.home / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def commit(self, subject: str = "A change", *trailers: str, who: tuple[str, str] = ANN, options: tuple[str, ...] = ()) -> str:
        """Everything, as a commit. Returns its name."""
        self.git("add", "-A", who=who)
        text = "\n".join((subject, "", *trailers))
        self.git("commit", "--quiet", "--allow-empty", *options, "-m", text, who=who)
        return self.git("rev-parse", "HEAD")

    def push(self) -> None:
        self.git("push", "--quiet", "origin", "HEAD:main")

    def run(self, *words: str) -> Ended:
        """A command in a process of its own."""
        return switchover(self.home, *words)

    def apply(self, *words: str) -> Ended:
        return self.run("apply", *MOVE, "--yes", *words)

    def policy(self, *words: str) -> Ended:
        return in_process(self.home, "policy", *words)

    def decided(self) -> dict[str, object]:
        """What the policy would decide now, as data."""
        found: dict[str, object] = self.policy(*MOVE, "--output", "json").must(0, 4).json
        return found


def git(folder: Path, *words: str, who: tuple[str, str] = ANN, env: Mapping[str, str] | None = None) -> str:
    """Runs git as somebody, past this machine's own settings."""
    names = {"GIT_AUTHOR_NAME": who[0], "GIT_AUTHOR_EMAIL": who[1], "GIT_COMMITTER_NAME": who[0], "GIT_COMMITTER_EMAIL": who[1]}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env={**os.environ, **names, **alone, **(env or {})}, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def place(folder: Path, policy: str | None = POLICY, runbook: str = RUNBOOK) -> Place:
    """A project whose first commit is on the server's main branch."""
    server, home = folder / "server.git", folder / "home"
    home.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "-b", "main", str(server))
    git(home, "init", "--quiet", "-b", "main")
    git(home, "remote", "add", "origin", str(server))
    made = Place(home, server)
    made.write(".gitignore", ".switchover/\nout/\n")
    made.write("runbooks/move.yml", runbook)
    made.write("inventories/acme/inventory.yml", INVENTORY)
    made.write("templates/page.html.j2", "<p>{{ document.title }}</p>\n")
    if policy is not None:
        made.write("policy.yml", policy)
    (home / "out").mkdir()
    made.commit("Begin")
    made.push()
    return made
