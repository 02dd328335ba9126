"""Where a command runs in CI: which pull request it is about, at which API, and whose token is there.

GitHub Actions and GitLab CI say so in their environment, as they document it:
https://docs.github.com/en/actions/reference/workflows-and-actions/variables and
https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from engine.model.errors import SwitchoverError
from engine.model.secret import Secret
from engine.model.values import dataclass

Provider = Literal["github", "gitlab"]


class Nowhere(SwitchoverError):
    """It cannot be told where the comment belongs, or there is no token to write it with."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What was named on the command line; empty or None: as the environment has it."""

    provider: str = ""
    repository: str = ""
    number: int | None = None
    token_env: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One pull request, and how to get there."""

    provider: Provider
    api: str
    repository: str
    number: int
    token: Secret
    from_fork: bool = False
    """Its branch is in another repository, so GitHub hands out a token that may only read."""
    is_closed: bool = False
    summary: Path | None = None
    """Where GitHub Actions takes Markdown for the page of the run."""
    web: str = ""
    """The page of the pull request, where the environment names it."""
    ca_file: Path | None = None


def place_of(env: Mapping[str, str], asked: Asked) -> Place:
    """The pull request. Raises ``Nowhere`` with what is missing and how to name it."""
    provider = asked.provider or _detected(env)
    return _github(env, asked) if provider == "github" else _gitlab(env, asked)


def _detected(env: Mapping[str, str]) -> str:
    if env.get("GITHUB_ACTIONS") == "true":
        return "github"
    if env.get("GITLAB_CI") == "true":
        return "gitlab"
    raise Nowhere("Where the comment belongs is not known", "This is neither GitHub Actions nor GitLab CI: give --provider.")


def _github(env: Mapping[str, str], asked: Asked) -> Place:
    repository = asked.repository or env.get("GITHUB_REPOSITORY", "")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise Nowhere("The repository is not known", "Give --repository OWNER/NAME, or set GITHUB_REPOSITORY.")
    event = _event(env.get("GITHUB_EVENT_PATH", ""))
    # What the environment says of the pull request counts only when it is the one that is asked for.
    pull = _mapping(event.get("pull_request"))
    number = asked.number or _github_number(event, pull, env.get("GITHUB_REF", ""))
    if number is None:
        raise Nowhere(
            "This run is about no pull request",
            f"The event is '{env.get('GITHUB_EVENT_NAME') or 'not known'}'. Let the workflow run on: pull_request, or give"
            " --number.",
        )
    is_this = pull.get("number") == number
    summary = env.get("GITHUB_STEP_SUMMARY", "")
    return Place(
        "github", env.get("GITHUB_API_URL") or "https://api.github.com", repository, number,
        _token(env, asked.token_env or "GITHUB_TOKEN", "In a workflow: env: {GITHUB_TOKEN: '${{ github.token }}'}."),
        from_fork=is_this and _is_fork(pull), is_closed=is_this and pull.get("state") == "closed",
        summary=Path(summary) if summary else None, web=str(pull.get("html_url") or "") if is_this else "",
    )


def _github_number(event: Mapping[str, Any], pull: Mapping[str, Any], ref: str) -> int | None:
    issue = _mapping(event.get("issue"))
    of_run = _mapping(event.get("workflow_run")).get("pull_requests")
    candidates = [pull.get("number"), issue.get("number") if "pull_request" in issue else None]
    if isinstance(of_run, list) and len(of_run) == 1:
        candidates.append(_mapping(of_run[0]).get("number"))
    found = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", ref)
    candidates.append(int(found[1]) if found else None)
    return next((number for number in candidates if isinstance(number, int)), None)


def _is_fork(pull: Mapping[str, Any]) -> bool:
    head = _mapping(_mapping(pull.get("head")).get("repo"))  # null when the fork is gone
    base = _mapping(_mapping(pull.get("base")).get("repo"))
    return bool(base) and head.get("full_name") != base.get("full_name")


def _gitlab(env: Mapping[str, str], asked: Asked) -> Place:
    # In a merge request from a fork CI_PROJECT_ID is the fork; the merge request is the other project's.
    project = asked.repository or env.get("CI_MERGE_REQUEST_PROJECT_ID") or env.get("CI_PROJECT_ID", "")
    if not project:
        raise Nowhere("The project is not known", "Give --repository with the project's path or number, or set CI_PROJECT_ID.")
    number = asked.number or _gitlab_number(env)
    if number is None:
        raise Nowhere(
            "This pipeline is about no merge request",
            "CI_MERGE_REQUEST_IID is not set. Let the job run by rules: if: $CI_PIPELINE_SOURCE == 'merge_request_event', or give"
            " --number.",
        )
    api = env.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    page = env.get("CI_MERGE_REQUEST_PROJECT_URL", "")
    ca_file = env.get("CI_SERVER_TLS_CA_FILE", "")
    source, target = env.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", ""), env.get("CI_MERGE_REQUEST_PROJECT_ID", "")
    return Place(
        "gitlab", api, project, number, _gitlab_token(env, asked.token_env or "GITLAB_TOKEN"), from_fork=source != target,
        web=f"{page}/-/merge_requests/{number}" if page else "", ca_file=Path(ca_file) if ca_file else None,
    )


def _gitlab_number(env: Mapping[str, str]) -> int | None:
    if env.get("CI_MERGE_REQUEST_IID", "").isdecimal():
        return int(env["CI_MERGE_REQUEST_IID"])
    # A pipeline of a branch names the merge requests that are open for it.
    found = re.fullmatch(r"[^,!]+!(\d+)", env.get("CI_OPEN_MERGE_REQUESTS", ""))
    return int(found[1]) if found else None


def _gitlab_token(env: Mapping[str, str], name: str) -> Secret:
    job_token = env.get("CI_JOB_TOKEN", "")
    if name == "CI_JOB_TOKEN" or (job_token and env.get(name) == job_token):
        raise Nowhere(
            "A job token cannot comment",
            "CI_JOB_TOKEN may read notes, but not write them. Make a project access token with the scope 'api' and the role"
            " Reporter, and give it to the pipeline as the masked variable GITLAB_TOKEN.",
        )
    return _token(
        env, name,
        "Make a project access token with the scope 'api' and the role Reporter, and give it to the pipeline as a masked"
        " variable; CI_JOB_TOKEN cannot write notes. A protected variable is not there on branches that are not protected, nor is"
        " any in a fork.",
    )


def _token(env: Mapping[str, str], name: str, hint: str) -> Secret:
    value = env.get(name, "").strip()
    if not value:
        raise Nowhere("There is no token", f"The variable {name} is not set or empty. {hint}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Nowhere("The token cannot be one", f"The variable {name} holds a blank or a character that no token has.")
    return Secret(value)


def _event(path: str) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        return _mapping(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise Nowhere("The event cannot be read", f"GITHUB_EVENT_PATH names {path}: {error}") from None


def _mapping(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}
