"""One comment on a pull request is kept up to date, against both APIs: never a second one, and never without a word why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.errors import SwitchoverError, Temporary
from engine.model.secret import Secret
from engine.transports import forge_client
from engine.transports.forge import GitHub, GitLab
from engine.transports.forge_client import Client, NotTaken, NotThere, RightsMissing, TokenRefused
from engine.wiring.commenting import Body, NoComment, Published, Publisher, body_of
from tests.support.forge_server import TOKEN, Forge, forge_server

MARK = "<!-- switchover:plan runbooks/a.yml inventories/acme -->"
OTHER = "<!-- switchover:plan runbooks/b.yml inventories/acme -->"
BODY = Body(MARK, f"{MARK}\n\n## Plan\n")
KINDS = ("github", "gitlab")


@pytest.fixture(params=KINDS)
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forge]:
    with forge_server(tmp_path, request.param) as server:
        yield server


class Attempt:
    """Publishes, and remembers how long it was asked to wait and what was said."""

    def __init__(self, forge: Forge, patience_s: float = 300, token: str = TOKEN) -> None:
        self.forge, self.patience_s, self.token = forge, patience_s, token
        self.waits: list[float] = []
        self.told: list[str] = []

    def __call__(self, body: Body = BODY, account: str = "", number: int = 7) -> Published:
        kind = GitHub if self.forge.kind == "github" else GitLab
        with kind.client(self.forge.url, Secret(self.token)) as client:
            made = GitHub(client, "acme/moves", number) if kind is GitHub else GitLab(client, "42", number)
            return Publisher(made, self.waits.append, self.patience_s, self.told.append).publish(body, account)


def test_the_first_is_posted_and_the_next_rewrites_it(forge: Forge) -> None:
    """Over several pages of other people's comments, which are not touched."""
    for n in range(7):
        forge.add(f"remark {n}", "somebody")
    first = Attempt(forge)()
    forge.add("a remark after it", "somebody")
    second = Attempt(forge)(Body(MARK, f"{MARK}\n\n## Another plan\n"))
    third = Attempt(forge)(Body(MARK, f"{MARK}\n\n## Another plan\n"))
    assert (first.how, second.how, third.how) == ("posted", "rewritten", "unchanged")
    assert first.comment.id == second.comment.id == third.comment.id
    assert len(forge.writes) == 2
    assert [entry["body"] for entry in forge.comments if MARK in entry["body"]] == [f"{MARK}\n\n## Another plan\n"]


def test_comments_on_other_things_and_of_other_people_are_left_alone(forge: Forge) -> None:
    """A marker that somebody quotes, or copies into a comment of their own, changes nothing."""
    forge.add(f"{OTHER}\n\nanother runbook")
    forge.add(f"{MARK}\n\ncopied", "somebody")
    forge.add(f"As it says:\n> {MARK}\n{MARK}")
    before = [entry["body"] for entry in forge.comments]
    assert Attempt(forge)().how == "posted"
    assert [entry["body"] for entry in forge.comments[:-1]] == before


def test_of_several_the_oldest_is_rewritten_and_the_others_are_named(forge: Forge) -> None:
    """Nothing is deleted: somebody may have answered to it."""
    ours = [forge.add(f"{MARK}\r\n\r\nold {n}") for n in range(3)]
    published = Attempt(forge)()
    assert published.comment.id == ours[0]
    assert [other.id for other in published.others] == ours[1:]
    assert all(not request.startswith("DELETE") for request in forge.requests)


def test_line_ends_and_blanks_that_the_server_changed_are_no_difference(forge: Forge) -> None:
    """Or each push would rewrite, and notify."""
    forge.add(f"{MARK}\r\n\r\n## Plan")
    assert Attempt(forge)().how == "unchanged"
    assert not forge.writes


def test_a_token_of_an_app_finds_its_own(tmp_path: Path) -> None:
    """In GitHub Actions the token may not ask whose it is: then it is a program's account, or the one that is named."""
    with forge_server(tmp_path, "github", says_account=False) as forge:
        forge.add(f"{MARK}\n\ncopied by a person", "somebody")
        ours = forge.add(f"{MARK}\n\nold")
        assert Attempt(forge)().comment.id == ours
        assert Attempt(forge)(account="nobody-yet").how == "posted"
        assert "GET /user" in forge.requests


@pytest.mark.parametrize("fault", ["lost_reply", "hang"])
def test_what_the_server_took_before_it_fell_silent_is_not_posted_again(
    forge: Forge, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for first. What was not taken is posted after all."""
    monkeypatch.setattr(forge_client, "_TIMEOUT_S", 0.3)
    forge.faults((fault, "POST", 1.0))
    attempt = Attempt(forge)
    assert attempt().how == "posted"
    assert len(forge.comments) == 1
    assert len(forge.writes) == (1 if fault == "lost_reply" else 2)
    assert attempt.waits == [5.0]
    assert "whether it was taken is not known" in attempt.told[0]


def test_a_server_that_fails_is_tried_again_and_given_up_in_the_end(forge: Forge) -> None:
    """With growing pauses, a bounded number of times."""
    forge.faults(("status", "GET", 502), ("status", "POST", 500))
    attempt = Attempt(forge)
    assert attempt().how == "posted"
    assert attempt.waits == [5.0, 5.0]
    forge.comments.clear()
    forge.limited = [(503, {}, "down")] * 9
    with pytest.raises(Temporary, match="was answered with 503: down"):
        Attempt(forge)()
    assert not forge.comments


@pytest.mark.parametrize(("status", "headers", "message", "wait_s"), [
    (403, {"Retry-After": "17"}, "You have exceeded a secondary rate limit.", 17),
    (429, {"Retry-After": "9"}, "Too many requests", 9),
    (403, {}, "You have exceeded a secondary rate limit. Please wait a few minutes.", 60),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "40"}, "API rate limit exceeded", 40),
    (429, {}, "Retry later", 60),
])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    forge: Forge, status: int, headers: dict[str, str], message: str, wait_s: float
) -> None:
    """By its header, or a minute when it names no time; not longer than allowed in all."""
    forge.limited = [(status, headers, message)]
    attempt = Attempt(forge)
    assert attempt().how == "posted"
    assert attempt.waits == [wait_s]
    forge.comments.clear()
    forge.limited = [(status, headers, message)]
    with pytest.raises(Temporary, match="--wait leaves"):
        Attempt(forge, patience_s=wait_s - 1)()
    assert not forge.comments


def test_a_token_without_rights_is_told_from_a_wrong_one(forge: Forge) -> None:
    """Each with what to do; the token itself is in neither."""
    with pytest.raises(TokenRefused, match="wrong, has expired or was taken back") as wrong:
        Attempt(forge, token="ghs_another0123456789")()
    forge.may_write = False
    with pytest.raises(RightsMissing, match=r"pull-requests: write|scope 'api'") as missing:
        Attempt(forge)()
    assert "another0123456789" not in str(wrong.value)
    assert TOKEN not in str(missing.value)
    if forge.kind == "github":
        assert "It takes one of: issues=write; pull_requests=write." in missing.value.detail


def test_a_locked_conversation_and_a_missing_pull_request_are_named(forge: Forge) -> None:
    """Neither is a matter of trying again."""
    forge.is_locked = True
    with pytest.raises(RightsMissing, match="conversation is locked"):
        Attempt(forge)()
    with pytest.raises(NotThere, match="no such pull request, or the token may not see it"):
        Attempt(forge)(number=8)


def test_a_server_that_takes_less_says_how_to_make_it_shorter(forge: Forge) -> None:
    """Another limit than the published one is the server's own."""
    forge.limit = 20
    with pytest.raises(NotTaken, match=r"too long.*--characters"):
        Attempt(forge)()


def test_the_token_goes_nowhere_else(tmp_path: Path) -> None:
    """Neither over plain http to another machine, nor to where a next page is said to be, nor after a redirect."""
    with pytest.raises(SwitchoverError, match="plain http"):
        GitHub.client("http://forge.example/api", Secret(TOKEN))
    with pytest.raises(SwitchoverError, match="does not look like"):
        Client("forge.example", {}, Secret(TOKEN), "")
    with forge_server(tmp_path, "github", page_size=1) as forge:
        forge.add("a", "somebody")
        forge.add("b", "somebody")
        right, forge.url = forge.url, "http://127.0.0.1:9"
        with GitHub.client(right, Secret(TOKEN)) as client, pytest.raises(SwitchoverError, match="next page is said to be at"):
            list(GitHub(client, "acme/moves", 7).comments())
        forge.limited = [(301, {"Location": "https://elsewhere.example/"}, "Moved Permanently")]
        with GitHub.client(right, Secret(TOKEN)) as client, pytest.raises(SwitchoverError, match="where the token is not sent"):
            GitHub(client, "acme/moves", 7).post("x")


def test_a_server_that_is_not_there_is_given_up_with_nothing_sent(tmp_path: Path) -> None:
    """And a page that is no API is told as such."""
    with forge_server(tmp_path, "github") as forge:
        url = forge.url
    attempt = Attempt(Forge(tmp_path, "github", url=url))
    with pytest.raises(Temporary, match="could not connect"):
        attempt()
    assert attempt.waits == [5.0, 10.0, 20.0]


@pytest.mark.parametrize(("text", "key", "first"), [
    (f"{MARK}\n\nx", "", MARK),
    (f"\N{ZERO WIDTH NO-BREAK SPACE}{MARK}\r\n\r\nx\r\n", "", MARK),
    (f"{MARK}\n\nx", "night shift", "<!-- switchover:plan night%20shift -->"),
    ("# Anything\n\nx", "lint", "<!-- switchover:comment lint -->"),
])
def test_the_marker_is_the_files_own_or_made_of_the_key(text: str, key: str, first: str) -> None:
    body = body_of(text, key, 65_536)
    assert body.marker == first
    assert body.text.startswith(f"{first}\n\n")
    assert "\r" not in body.text
    assert body.text.endswith("x\n")


@pytest.mark.parametrize(("text", "says"), [
    ("", "There is nothing to say"), ("\n \n", "There is nothing to say"), (MARK, "There is nothing to say"),
    ("# Anything", "no marker"), (f"{MARK}\n\n{'x' * 70_000}", "70,059 characters, and 65,536 are taken"),
])
def test_what_cannot_be_a_comment_is_refused_before_anything_is_sent(text: str, says: str) -> None:
    """With what to do, and as invalid input."""
    with pytest.raises(NoComment, match=says) as refused:
        body_of(text, "", 65_536)
    assert refused.value.exit_code == 3
