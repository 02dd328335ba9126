"""``switchover comment`` as a job in CI runs it: the environment says where, and every refusal says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cli import Ended, switchover
from tests.support.forge_server import TOKEN, Forge, forge_server

MARK = "<!-- switchover:plan runbooks/a.yml inventories/acme -->"
PULL = {
    "number": 7, "state": "open", "html_url": "https://forge.example/7", "head": {"repo": {"full_name": "acme/moves"}},
    "base": {"repo": {"full_name": "acme/moves"}},
}
FORK = {**PULL, "head": {"repo": {"full_name": "somebody/moves"}}}


def github(forge: Forge, event: Mapping[str, object], **more: str) -> dict[str, str]:
    """The environment of a step in GitHub Actions."""
    path = forge.folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return {
        "GITHUB_ACTIONS": "true", "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/moves",
        "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path),
        "GITHUB_STEP_SUMMARY": str(forge.folder / "summary.md"), "GITHUB_TOKEN": TOKEN, **more,
    }


def gitlab(forge: Forge, **more: str) -> dict[str, str]:
    """The environment of a job in GitLab CI, of a merge request from the same project."""
    return {
        "GITLAB_CI": "true", "CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "42", "CI_MERGE_REQUEST_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "42", "CI_MERGE_REQUEST_IID": "7", "CI_JOB_TOKEN": "glcbt-0000000000",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://forge.example/acme/moves", "GITLAB_TOKEN": TOKEN, **more,
    }


def commented(forge: Forge, env: Mapping[str, str], *arguments: str, text: str = f"{MARK}\n\n## Plan\n") -> Ended:
    file = forge.folder / "plan.md"
    file.write_text(text, encoding="utf-8")
    return switchover(forge.folder, "comment", file, *arguments, env=env)


def test_a_pull_request_gets_its_comment_and_the_next_push_rewrites_it(tmp_path: Path) -> None:
    """What stdout gets is the comment's address."""
    with forge_server(tmp_path, "github", says_account=False) as forge:
        env = github(forge, {"pull_request": PULL})
        first = commented(forge, env).must(0)
        second = commented(forge, env, "--output", "json", text=f"{MARK}\n\n## New\n").must(0)
    assert first.out == "https://forge.example/7#100\n"
    assert "Posted: comment 100" in first.err
    assert second.json == {
        "format": "switchover.comment/1", "how": "rewritten", "id": 100, "url": "https://forge.example/7#100", "others": [],
    }
    assert TOKEN not in first.text + second.text


def test_a_merge_request_of_a_fork_is_that_of_the_project_it_goes_to(tmp_path: Path) -> None:
    """In a fork's pipeline CI_PROJECT_ID is the fork's."""
    with forge_server(tmp_path, "gitlab") as forge:
        ended = commented(forge, gitlab(forge, CI_PROJECT_ID="43", CI_MERGE_REQUEST_SOURCE_PROJECT_ID="43")).must(0)
        assert forge.writes == ["POST /projects/42/merge_requests/7/notes"]
    assert ended.out == "https://forge.example/acme/moves/-/merge_requests/7#note_100\n"


def test_a_fork_whose_token_may_only_read_gets_the_summary_of_its_run(tmp_path: Path) -> None:
    """Nobody could give it more rights, so the job does not fail; without a fork somebody can, and it does."""
    with forge_server(tmp_path, "github", says_account=False, may_write=False) as forge:
        fork = commented(forge, github(forge, {"pull_request": FORK})).must(0)
        summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
        own = commented(forge, github(forge, {"pull_request": PULL})).must(1)
    assert "from a fork" in fork.err
    assert "## Plan" in summary
    assert "pull-requests: write" in own.err
    assert "stands in the summary of this run" in own.err


def test_several_are_named_and_a_closed_one_is_told(tmp_path: Path) -> None:
    """On stderr: neither is a failure."""
    with forge_server(tmp_path, "github") as forge:
        for _ in range(2):
            forge.add(f"{MARK}\n\nold")
        ended = commented(forge, github(forge, {"pull_request": {**PULL, "state": "closed"}})).must(0)
    assert "delete them by hand: https://forge.example/7#101" in ended.err
    assert "The pull request is closed" in ended.err


@pytest.mark.parametrize("event", [
    {"pull_request": PULL}, {"issue": {"number": 7, "pull_request": {}}}, {"workflow_run": {"pull_requests": [{"number": 7}]}},
])
def test_events_that_are_about_a_pull_request_are_understood(tmp_path: Path, event: dict[str, object]) -> None:
    """Also a comment on one, and a workflow that follows another."""
    with forge_server(tmp_path, "github") as forge:
        commented(forge, github(forge, event)).must(0)
        assert len(forge.comments) == 1


@pytest.mark.parametrize(("provider", "more", "says"), [
    ("github", {"GITHUB_TOKEN": ""}, "The variable GITHUB_TOKEN is not set or empty"),
    ("github", {"GITHUB_TOKEN": "a b"}, "holds a blank"),
    ("github", {"GITHUB_EVENT_PATH": "", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/x"}, "The event is 'push'"),
    ("github", {"GITHUB_EVENT_PATH": "/nonesuch"}, "The event cannot be read"),
    ("github", {"GITHUB_REPOSITORY": "x"}, "The repository is not known"),
    ("github", {"GITHUB_ACTIONS": ""}, "give --provider"),
    ("gitlab", {"GITLAB_TOKEN": ""}, "CI_JOB_TOKEN cannot write notes"),
    ("gitlab", {"GITLAB_TOKEN": "glcbt-0000000000"}, "A job token cannot comment"),
    ("gitlab", {"CI_MERGE_REQUEST_IID": ""}, "CI_MERGE_REQUEST_IID is not set"),
    ("gitlab", {"CI_MERGE_REQUEST_PROJECT_ID": "", "CI_PROJECT_ID": ""}, "The project is not known"),
])
def test_an_environment_that_lacks_something_says_what(tmp_path: Path, provider: str, more: dict[str, str], says: str) -> None:
    """As invalid input, with nothing sent."""
    with forge_server(tmp_path, provider) as forge:
        env = github(forge, {"pull_request": PULL}) if provider == "github" else gitlab(forge)
        ended = commented(forge, {**env, **more}).must(3)
        assert says in ended.err
        assert not forge.requests


def test_outside_ci_everything_is_named(tmp_path: Path) -> None:
    """Repository, number and token; the text comes from wherever it was made."""
    with forge_server(tmp_path, "github") as forge:
        env = {"GITHUB_API_URL": forge.url, "MY_TOKEN": TOKEN}
        options = ("--provider", "github", "--repository", "acme/moves", "--number", "7", "--token-env", "MY_TOKEN", "--key", "x")
        commented(forge, env, *options, text=f"# Findings\n\nthe token was {TOKEN}\n").must(0)
        assert forge.comments[0]["body"] == "<!-- switchover:comment x -->\n\n# Findings\n\nthe token was ***\n"


def test_a_comment_over_the_limit_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """GitLab takes what GitHub does not."""
    long = f"{MARK}\n\n{'x' * 70_000}"
    with forge_server(tmp_path, "github") as forge:
        assert "--characters 65536" in commented(forge, github(forge, {"pull_request": PULL}), text=long).must(3).err
        assert not forge.requests
    with forge_server(tmp_path, "gitlab", limit=1_000_000) as forge:
        commented(forge, gitlab(forge), text=long).must(0)
