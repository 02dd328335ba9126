"""The pipelines in docs/ci are valid by the published schemas, ask for no right they do not need, and do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.support.cli import ROOT, environment, switchover
from tests.support.forge_server import TOKEN, Forge, forge_server

CI = ROOT / "docs" / "ci"
SCHEMAS = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
MAJOR = re.compile(r"[\w-]+/[\w./-]+@v\d+")


def pipeline(name: str) -> dict[str, Any]:
    # `on` is a word to a forge, and true to YAML 1.1.
    loaded: dict[str, Any] = yaml.load((CI / name).read_text(encoding="utf-8"), yaml.BaseLoader)
    return loaded


def typed(name: str) -> Any:
    text = re.sub(r"^on:", '"on":', (CI / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return yaml.safe_load(text)


GITHUB, GITLAB = pipeline("github-actions.yml"), pipeline("gitlab-ci.yml")
STEPS = [step for job in GITHUB["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize(("name", "schema"), [
    ("github-actions.yml", "github-workflows.json"), ("gitlab-ci.yml", "gitlab-ci.json"),
])
def test_each_is_valid_by_the_published_schema(name: str, schema: str) -> None:
    """As SchemaStore and GitLab publish them."""
    validator = Draft7Validator(json.loads((SCHEMAS / schema).read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(typed(name))] == []


def test_a_workflow_asks_for_no_right_it_does_not_need() -> None:
    """It reads; only a job that comments or uploads may write, and only that; nothing runs with the rights of the target."""
    assert set(GITHUB["on"]) == {"pull_request"}
    assert GITHUB["permissions"] == {"contents": "read"}
    for job in GITHUB["jobs"].values():
        written = {name for name, level in job["permissions"].items() if level == "write"}
        comments = any("switchover comment" in step.get("run", "") for step in job["steps"])
        assert written == ({"pull-requests"} if comments else {"security-events"})
        assert "timeout-minutes" in job
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)
    assert GITHUB["concurrency"]["cancel-in-progress"] == "true"


def test_actions_are_pinned_by_their_major_version() -> None:
    """And only those of the forge itself are used."""
    used = {step["uses"] for step in STEPS if "uses" in step}
    assert all(MAJOR.fullmatch(name) and name.startswith(("actions/", "github/")) for name in used)


def test_nothing_that_a_stranger_writes_becomes_a_command() -> None:
    """No expression stands in a script: a branch may be called anything. The token is only where the comment is made."""
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        if "github.token" in str(step.get("env", "")):
            assert step["run"].startswith("switchover comment ")


def test_the_real_systems_are_read_only_where_a_person_released_it() -> None:
    """An environment with reviewers, or a job by hand; never for a fork."""
    real = GITHUB["jobs"]["plan-real"]
    assert real["environment"] == "switchover-plan"
    assert "head.repo.full_name == github.repository" in real["if"]
    assert "--lab" in str(GITHUB["jobs"]["plan-lab"]["steps"])
    rule = GITLAB["runbooks:plan-real"]["rules"][0]
    assert rule["when"] == "manual"
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]


class Project:
    """The example project in a repository: a base commit, and a merge of a change that widens what is touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        for name in ("runbooks", "inventories", "templates"):
            shutil.copytree(ROOT / name, self.folder / name)
        self.git("init", "--quiet", "-b", "main")
        self.commit("Base")
        self.git("checkout", "--quiet", "-b", "change")
        runbook = self.folder / "runbooks" / "hosted-pbx-cutover.yml"
        text = runbook.read_text(encoding="utf-8")
        changed = re.sub(r"max_failures: \S+", "max_failures: 90%", text, count=1)
        assert changed != text
        runbook.write_text(changed, encoding="utf-8")
        self.commit("Change")
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "-m", "Merge", "change")

    def git(self, *words: str) -> str:
        who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "t")
        mail = dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "t@example.net")
        env = {**environment(), **who, **mail, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(["git", *words], cwd=self.folder, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", message)

    def run(self, script: str, env: dict[str, str]) -> None:
        """As the runners do: bash that ends at the first failure. What installs the program is left out: it is there."""
        lines = [line for line in script.splitlines() if line != "pip install switchover"]
        path = f"{self.folder.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        shim = self.folder.parent / "switchover"
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m engine.cli.main "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(lines)], cwd=self.folder, env={**environment(), **env, "PATH": path},
            capture_output=True, text=True, timeout=240, check=False, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def told(forge: Forge) -> dict[str, str]:
    """Comments by the kind in their marker."""
    kinds = [re.match(r"<!-- switchover:(\w+) ", entry["body"]) for entry in forge.comments]
    return {kind[1]: entry["body"] for kind, entry in zip(kinds, forge.comments, strict=True) if kind is not None}


@pytest.mark.xdist_group("pipelines")
def test_the_github_workflow_does_what_it_says(tmp_path: Path) -> None:
    """Every script of it, twice, against the example project: two comments, each rewritten in place, and findings as SARIF."""
    project = Project(tmp_path)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
    try:
        with forge_server(tmp_path, "github", says_account=False) as forge:
            base = {**GITHUB["env"], "GITHUB_ACTIONS": "true", "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/moves",
                    "GITHUB_EVENT_PATH": str(event)}
            for job in ("check", "diff", "plan-lab", "diff"):
                for step in GITHUB["jobs"][job]["steps"]:
                    env = {name: value.replace("${{ github.token }}", TOKEN) for name, value in step.get("env", {}).items()}
                    if "run" in step:
                        project.run(step["run"], {**base, **env})
            found = told(forge)
            assert len(forge.comments) == len(found) == 2
    finally:
        switchover(project.folder, "lab", "down")
    assert "Highest risk: a guard is looser" in found["diff"]
    assert "against the lab, not the real systems" in found["plan"]
    assert "to create" in found["plan"]
    log = json.loads((project.folder / "lint.sarif").read_text(encoding="utf-8"))
    assert log["version"] == "2.1.0"


@pytest.mark.xdist_group("pipelines")
def test_the_gitlab_pipeline_does_what_it_says(tmp_path: Path) -> None:
    """Likewise; without a token the text is kept and nothing fails."""
    project = Project(tmp_path)
    base_commit = project.git("rev-parse", "HEAD^1")
    try:
        with forge_server(tmp_path, "gitlab", limit=1_000_000) as forge:
            base = {**GITLAB["variables"], "GITLAB_CI": "true", "CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "42",
                    "CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_DIFF_BASE_SHA": base_commit, "CI_JOB_TOKEN": "glcbt-1"}
            for job, token in (("check", ""), ("diff", ""), ("diff", TOKEN), ("plan-lab", TOKEN)):
                script = [*GITLAB[".switchover"]["before_script"], *GITLAB[f"runbooks:{job}"]["script"]]
                project.run("\n".join(script), {**base, "GITLAB_TOKEN": token})
            found = told(forge)
    finally:
        switchover(project.folder, "lab", "down")
    assert set(found) == {"diff", "plan"}
    assert (project.folder / "review.md").read_text(encoding="utf-8").strip() == found["diff"].strip()
