"""GitHub's and GitLab's comments over REST on loopback, in the shapes they publish; a request of another shape is refused.

GitHub: https://docs.github.com/en/rest/issues/comments, pages by ``Link``. GitLab: https://docs.gitlab.com/api/notes, pages by
``X-Next-Page``. Pages are small here, whatever is asked for, so that a few comments fill several.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.lab.board import Board, Fault, write_faults
from engine.lab.web_server import LabServer, Refused, Route, WebApp, WebReply, WebRequest

TOKEN = "ghs_0a1b2c3d4e5f6071"
GITHUB_HEADERS = {
    "accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28", "authorization": f"Bearer {TOKEN}",
}


@dataclass
class Forge:
    """One pull request, number 7 of ``acme/moves`` or of project 42, and what it answers with."""

    folder: Path
    kind: str
    page_size: int = 3
    url: str = ""
    says_account: bool = True
    """GitHub's token of an app may not ask whose it is."""
    may_write: bool = True
    is_locked: bool = False
    limit: int = 65_536
    limited: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    """Status, headers and message of the next answers to writes."""
    comments: list[dict[str, Any]] = field(default_factory=list)

    @property
    def me(self) -> str:
        return "release-bot" if self.says_account else "github-actions[bot]"

    def add(self, body: str, author: str = "", *, bot: bool | None = None, system: bool = False) -> int:
        """A comment that is there; by the token's own account unless said otherwise. Returns its id."""
        author = author or self.me
        number = 100 + len(self.comments)
        is_bot = author.endswith("[bot]") if bot is None else bot
        github = {"user": {"login": author, "type": "Bot" if is_bot else "User"}, "html_url": f"https://forge.example/7#{number}"}
        gitlab = {"author": {"username": author}, "system": system, "noteable_iid": 7}
        self.comments.append({"id": number, "body": body, **(github if self.kind == "github" else gitlab)})
        return number

    def faults(self, *faults: tuple[str, str, float | None]) -> None:
        """The lab server's faults, each once: name, what it matches, value."""
        write_faults(self.folder, [
            Fault(f"f{n}", "forge", name, match, 1, value) for n, (name, match, value) in enumerate(faults)
        ])

    @property
    def requests(self) -> list[str]:
        log = self.folder / "forge.jsonl"
        return [json.loads(line)["what"] for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def writes(self) -> list[str]:
        return [request for request in self.requests if not request.startswith("GET")]

    def app(self) -> WebApp:
        routes = self._github() if self.kind == "github" else self._gitlab()
        return WebApp(routes, self._guard, self._word)

    def _github(self) -> tuple[Route, ...]:
        many, one = "/repos/acme/moves/issues/7/comments", "/repos/acme/moves/issues/comments/{id}"
        return (
            Route("GET", "/user", self._user), Route("GET", many, self._list), Route("POST", many, self._write),
            Route("PATCH", one, self._write),
        )

    def _gitlab(self) -> tuple[Route, ...]:
        many = "/projects/42/merge_requests/7/notes"
        return (
            Route("GET", "/user", self._user), Route("GET", many, self._list), Route("POST", many, self._write),
            Route("PUT", f"{many}/{{id}}", self._write),
        )

    def _guard(self, request: WebRequest) -> WebReply | None:
        if self.kind == "gitlab":
            return None if request.headers.get("private-token") == TOKEN else WebReply(401, {"message": "401 Unauthorized"})
        if request.headers.get("authorization") != GITHUB_HEADERS["authorization"]:
            return WebReply(401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"})
        wrong = [name for name, value in GITHUB_HEADERS.items() if request.headers.get(name) != value]
        if wrong:
            raise Refused(415, f"not as documented: {wrong}")
        return None

    def _word(self, request: WebRequest, status: int, why: str) -> WebReply:
        return WebReply(status, {"message": why})

    def _user(self, request: WebRequest) -> WebReply:
        if not self.says_account:
            return WebReply(403, {"message": "Resource not accessible by integration"})
        return WebReply(200, {"login" if self.kind == "github" else "username": self.me, "id": 1})

    def _list(self, request: WebRequest) -> WebReply:
        allowed = {"per_page", "page"} | ({"sort", "order_by"} if self.kind == "gitlab" else set())
        if set(request.query) - allowed or request.query.get("per_page") != "100":
            raise Refused(400, f"not as documented: {sorted(request.query)}")
        page = int(request.query.get("page", "1"))
        shown = self.comments[(page - 1) * self.page_size : page * self.page_size]
        more = page * self.page_size < len(self.comments)
        if self.kind == "gitlab":
            return WebReply(200, shown, headers={"X-Next-Page": str(page + 1) if more else "", "X-Page": str(page)})
        following = f'<{self.url}{request.path}?per_page=100&page={page + 1}>; rel="next", <{self.url}/x>; rel="last"'
        return WebReply(200, shown, headers={"Link": following} if more else {})

    def _write(self, request: WebRequest) -> WebReply:
        if self.limited:
            status, headers, message = self.limited.pop(0)
            return WebReply(status, {"message": message}, headers=headers)
        if self.is_locked:
            return WebReply(403, {"message": "Unable to create comment because issue is locked."})
        if not self.may_write:
            accepted = {"X-Accepted-GitHub-Permissions": "issues=write; pull_requests=write"} if self.kind == "github" else {}
            return WebReply(403, {"message": "Resource not accessible by integration"}, headers=accepted)
        sent = request.json()
        if set(sent) != {"body"} or not isinstance(sent["body"], str):
            raise Refused(422, f"not as documented: {sorted(sent)}")
        if len(sent["body"]) > self.limit:
            return self._too_long()
        return self._stored(request.params.get("id"), sent["body"])

    def _too_long(self) -> WebReply:
        if self.kind == "gitlab":
            return WebReply(400, {"message": {"note": [f"is too long (maximum is {self.limit} characters)"]}})
        error = {"resource": "IssueComment", "code": "unprocessable", "field": "data"}
        long = f"Body is too long (maximum is {self.limit} characters)"
        return WebReply(422, {"message": "Validation Failed", "errors": [{**error, "message": long}]})

    def _stored(self, number: str | None, body: str) -> WebReply:
        if number is None:
            self.add(body)
            return WebReply(201, self.comments[-1])
        found = next((entry for entry in self.comments if str(entry["id"]) == number), None)
        if found is None:
            raise Refused(404, "Not Found")
        found["body"] = body
        return WebReply(200, found)


@contextmanager
def forge_server(folder: Path, kind: str, **settings: Any) -> Iterator[Forge]:
    """One of the two, up on loopback."""
    forge = Forge(folder, kind, **settings)
    with LabServer(Board(folder, "forge"), forge.app()) as server:
        forge.url = server.url
        yield forge
