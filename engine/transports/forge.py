"""The comments of one pull request, at GitHub or GitLab, over their REST APIs.

It lists, writes and rewrites comments, and says why not. What to write, and whether to try again, is decided elsewhere.
Shapes, as published:

GitHub  https://docs.github.com/en/rest/issues/comments (a pull request is an issue; PATCH rewrites; ``Link: rel="next"``)
GitLab  https://docs.gitlab.com/api/notes/#merge-requests (PUT rewrites; 1,000,000 characters; ``X-Next-Page``)
        https://docs.gitlab.com/ci/jobs/ci_job_token/#job-token-access (a job token may only read notes)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from engine.model.errors import SwitchoverError
from engine.model.secret import Secret
from engine.model.values import dataclass
from engine.ports import HttpReply
from engine.transports.forge_client import STRANGE, Client, RightsMissing

_PAGES = 100
"""Of a hundred comments each."""


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment. ``is_bot``: written by a program's account, not a person's."""

    id: int
    author: str
    is_bot: bool
    body: str
    url: str


class Forge(Protocol):
    """One pull request's comments. Methods raise the failures named here, and ``Temporary`` where the effect is not known."""

    limit: int
    """The most characters a comment takes."""

    def account(self) -> str:
        """Whose the token is; empty when it does not say, as that of an app."""
        ...

    def comments(self) -> Iterator[Comment]:
        """All of them, the oldest first."""
        ...

    def post(self, body: str) -> Comment:
        """A new one."""
        ...

    def rewrite(self, comment: Comment, body: str) -> Comment:
        """Another text for one of ours."""
        ...


class GitHub:
    """Comments of one pull request at GitHub, or a GitHub Enterprise Server."""

    limit = 65_536

    def __init__(self, client: Client, repository: str, number: int) -> None:
        self._client = client
        self._repository = "/repos/" + "/".join(quote(part, safe="") for part in repository.split("/"))
        self._number = number

    def account(self) -> str:
        """Whose the token is; empty for that of an app, the one in GitHub Actions among them, which may not ask."""
        try:
            return str(_mapping(self._client.exchange("GET", "/user").data).get("login") or "")
        except RightsMissing:
            return ""

    def comments(self) -> Iterator[Comment]:
        """All of them; GitHub lists them by ascending id."""
        path = f"{self._repository}/issues/{self._number}/comments?per_page=100"
        for _ in range(_PAGES):
            reply = self._client.exchange("GET", path)
            yield from (_github_comment(entry) for entry in _entries(reply))
            following = re.search(r'<([^<>]+)>\s*;[^,]*\brel="next"', reply.headers.get("link", ""))
            if following is None:
                return
            path = _own(following[1], self._client.url)
        raise _too_many()

    def post(self, body: str) -> Comment:
        """A new one."""
        path = f"{self._repository}/issues/{self._number}/comments"
        return _github_comment(self._client.exchange("POST", path, json={"body": body}).data)

    def rewrite(self, comment: Comment, body: str) -> Comment:
        """Another text for one of ours."""
        path = f"{self._repository}/issues/comments/{comment.id}"
        return _github_comment(self._client.exchange("PATCH", path, json={"body": body}).data)

    @staticmethod
    def client(url: str, token: Secret, ca_file: Path | None = None) -> Client:
        """A client with the headers that GitHub's documentation asks for."""
        headers = {
            "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {token.reveal()}",
        }
        rights = (
            "In GitHub Actions a job needs 'permissions: pull-requests: write'; a fine-grained token needs 'Pull requests: Read"
            " and write' for this repository."
        )
        return Client(url, headers, token, rights, ca_file)


class GitLab:
    """Notes of one merge request at GitLab."""

    limit = 1_000_000

    def __init__(self, client: Client, project: str, number: int, web: str = "") -> None:
        self._client = client
        self._path = f"/projects/{quote(project, safe='')}/merge_requests/{number}/notes"
        self._web = web

    def account(self) -> str:
        """Whose the token is; a project's own token has a user of its own."""
        return str(_mapping(self._client.exchange("GET", "/user").data).get("username") or "")

    def comments(self) -> Iterator[Comment]:
        """All of them, what GitLab itself noted left out."""
        page = "1"
        for _ in range(_PAGES):
            reply = self._client.exchange("GET", f"{self._path}?sort=asc&order_by=created_at&per_page=100&page={page}")
            yield from (self._note(entry) for entry in _entries(reply) if not entry.get("system"))
            page = reply.headers.get("x-next-page", "").strip()
            if not page.isdecimal():
                return
        raise _too_many()

    def post(self, body: str) -> Comment:
        """A new one."""
        return self._note(self._client.exchange("POST", self._path, json={"body": body}).data)

    def rewrite(self, comment: Comment, body: str) -> Comment:
        """Another text for one of ours."""
        return self._note(self._client.exchange("PUT", f"{self._path}/{comment.id}", json={"body": body}).data)

    def _note(self, data: object) -> Comment:
        entry = _mapping(data)
        author = _mapping(entry.get("author"))
        url = f"{self._web}#note_{entry.get('id')}" if self._web else ""
        return Comment(_id(entry), str(author.get("username") or ""), bool(author.get("bot")), str(entry.get("body") or ""), url)

    @staticmethod
    def client(url: str, token: Secret, ca_file: Path | None = None) -> Client:
        """A client with the header that GitLab's documentation asks for."""
        rights = "It needs a project access token, or another, with the scope 'api' and the role Reporter or above."
        return Client(url, {"PRIVATE-TOKEN": token.reveal()}, token, rights, ca_file)


def _github_comment(data: object) -> Comment:
    entry = _mapping(data)
    user = _mapping(entry.get("user"))  # null for an account that is gone
    author, is_bot = str(user.get("login") or ""), user.get("type") == "Bot"
    return Comment(_id(entry), author, is_bot, str(entry.get("body") or ""), str(entry.get("html_url") or ""))


def _entries(reply: HttpReply) -> list[Mapping[str, Any]]:
    if not isinstance(reply.data, list):
        raise SwitchoverError(STRANGE, "A list of comments was expected. Check the address of the API.")
    return [_mapping(entry) for entry in reply.data]


def _mapping(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def _id(entry: Mapping[str, Any]) -> int:
    found = entry.get("id")
    if not isinstance(found, int):
        raise SwitchoverError(STRANGE, "A comment without an id came back. Check the address of the API.")
    return found


def _own(address: str, url: str) -> str:
    if not address.startswith(f"{url}/"):
        raise SwitchoverError(STRANGE, f"The next page is said to be at {address}, where the token is not sent.")
    return address


def _too_many() -> SwitchoverError:
    return SwitchoverError("There are too many comments", f"More than {_PAGES * 100:,} were listed without an end.")
