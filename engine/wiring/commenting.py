"""One comment on a pull request, kept up to date: found again by its marker, rewritten in place, never posted twice.

A comment is ours when the token's own account wrote it and its first line is the marker. What the server may have taken before
it fell silent is looked for before anything is posted again. Nothing is ever deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeVar

from engine.model.errors import SwitchoverError, Temporary
from engine.model.values import dataclass
from engine.reporting.markup import marker, size
from engine.reporting.terminal import spelled
from engine.transports.forge import Comment, Forge

_MARKER = re.compile(r"<!-- switchover:([a-z]+)( [^\n]*)? -->")
_TRIES = 4
_PAUSE_S = 5.0
"""After a failure that names no time; then twice as long each time. Long enough for a server to finish what it had begun."""
T = TypeVar("T")


class NoComment(SwitchoverError):
    """What was given cannot be a comment: it is empty, has no marker, or is too long."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Body:
    """A comment to be, and the first line by which it is found again."""

    marker: str
    text: str


@dataclass(frozen=True, slots=True)
class Published:
    """How it ended. ``others``: further comments of ours with the same marker, which are left as they are."""

    comment: Comment
    how: Literal["posted", "rewritten", "unchanged"]
    others: tuple[Comment, ...] = ()


def body_of(text: str, key: str, limit: int) -> Body:
    """The comment in ``text``. Raises ``NoComment``.

    ``key`` tells it from others of its kind on the same pull request, and makes a marker where the text has none.
    """
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").replace("\r\n", "\n").strip()
    first, _, rest = text.partition("\n")
    found = _MARKER.fullmatch(first.strip())
    if not text or (found and not rest.strip()):
        raise NoComment("There is nothing to say", "The file holds no text. Did the command that made it fail?")
    if found is None and not key:
        raise NoComment(
            "The comment has no marker",
            "Its first line has to be one such as <!-- switchover:plan ... -->, by which it is found again: 'plan --output"
            " markdown' and 'diff --output markdown' write it. For other Markdown give a --key.",
        )
    mark = first.strip() if found and not key else marker(found[1] if found else "comment", key)
    made = f"{mark}\n{rest if found else chr(10) + text}\n"
    if size(made) > limit:
        raise NoComment(
            "The comment is too long",
            f"It has {size(made):,} characters, and {limit:,} are taken. 'plan' and 'diff' leave out whole sections, and say"
            f" which: --output markdown --characters {limit}.",
        )
    return Body(mark, made)


class Publisher:
    """Publishes to one pull request. ``sleep`` waits; ``patience_s``: for how long in all; ``tell``: says what goes on."""

    def __init__(self, forge: Forge, sleep: Callable[[float], None], patience_s: float, tell: Callable[[str], None]) -> None:
        self._forge, self._sleep, self._tell = forge, sleep, tell
        self._left_s = patience_s

    def publish(self, body: Body, account: str = "") -> Published:
        """Posts or rewrites the comment. ``account``: whose comments are ours, where the token does not say.

        Raises the failures of ``transports.forge_client``; ``Temporary`` when time or tries are used up.
        """
        ours = account or self._patiently(self._forge.account)
        was_sent = False
        for attempt in range(1, _TRIES + 1):
            mine = [one for one in self._patiently(self._listed) if _is_ours(one, ours) and _has(one, body.marker)]
            if mine and _same(mine[0].body, body.text):
                return Published(mine[0], "posted" if was_sent else "unchanged", tuple(mine[1:]))
            try:
                if mine:
                    return Published(self._forge.rewrite(mine[0], body.text), "rewritten", tuple(mine[1:]))
                return Published(self._forge.post(body.text), "posted")
            except Temporary as failure:
                was_sent = was_sent or not failure.nothing_done
                self._wait(failure, attempt)
        raise AssertionError("the last wait raises")

    def _listed(self) -> list[Comment]:
        return list(self._forge.comments())

    def _patiently(self, read: Callable[[], T]) -> T:
        for attempt in range(1, _TRIES):
            try:
                return read()
            except Temporary as failure:
                self._wait(failure, attempt)
        return read()

    def _wait(self, failure: Temporary, attempt: int) -> None:
        """Waits as long as was asked for, or raises the failure when that is too long or the tries are used up."""
        wait_s = failure.wait_s if failure.wait_s is not None else _PAUSE_S * 2 ** (attempt - 1)
        if attempt >= _TRIES:
            raise failure
        if wait_s > self._left_s:
            asked = f"{failure.why} It is to be tried again in {spelled(wait_s)}, and --wait leaves {spelled(self._left_s)}."
            raise Temporary(asked, wait_s) from failure
        self._left_s -= wait_s
        self._tell(f"{failure.why} Looking again in {spelled(wait_s)}.")
        self._sleep(wait_s)


def _is_ours(comment: Comment, account: str) -> bool:
    # An app's token does not say whose it is. No person's account is one of a program.
    return comment.author == account if account else comment.is_bot


def _has(comment: Comment, mark: str) -> bool:
    return comment.body.lstrip().partition("\n")[0].strip() == mark


def _same(before: str, after: str) -> bool:
    return before.replace("\r\n", "\n").strip() == after.strip()
