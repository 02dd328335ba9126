"""Requests to the REST API of a forge (GitHub, GitLab) with one token, and what its refusals mean, in an operator's words.

Nothing here waits or repeats. No redirect is followed and nothing is fetched from another host: the token would go along.
Rate limits are told as GitHub documents them: 403 or 429, with ``retry-after`` or with ``x-ratelimit-remaining: 0``.
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from engine import __version__
from engine.model.complaint import complaint_of
from engine.model.errors import SwitchoverError, Temporary
from engine.model.secret import Redactor, Secret
from engine.ports import HttpReply
from engine.transports.http import READING, chunks, on_loopback, parsed, wait_of

STRANGE = "The answer is none of this API"
_TIMEOUT_S = 30.0
_MOST_BYTES = 64 * 1024 * 1024
"""A page holds a hundred comments of up to a million characters at the worst; more is no list of comments."""
_WITHOUT_HEADER_S = 60.0
"""GitHub asks to wait "at least one minute" for a secondary limit that names no time."""


class TokenRefused(SwitchoverError):
    """401: the token is wrong, expired or was taken back."""


class RightsMissing(SwitchoverError):
    """403: the token is known, and may not do this; or nobody may, as the conversation is locked."""


class NotThere(SwitchoverError):
    """404: no such pull request, or the token may not know of it."""


class NotTaken(SwitchoverError):
    """The comment was refused for what it is, such as its length."""


class Limited(Temporary):
    """A rate limit: nothing was done, and ``wait_s`` says when to come again."""


class Client:
    """Requests to one API with one token. ``rights``: what a token needs there, for who has too few."""

    def __init__(self, url: str, headers: Mapping[str, str], token: Secret, rights: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SwitchoverError("The address of the API cannot be used", f"{url or '(empty)'} does not look like https://host/path.")
        if parts.scheme == "http" and not on_loopback(parts.hostname):
            why = f"{url} is plain http: the token could be read on the way to {parts.hostname}. Use https."
            raise SwitchoverError("The token was not sent", why)
        self.url, self._host, self._rights = url.rstrip("/"), parts.netloc.rpartition("@")[2], rights
        self._redact = Redactor([token.reveal()])
        self._http = httpx.Client(
            headers={"User-Agent": f"switchover/{__version__}", **headers}, timeout=_TIMEOUT_S, follow_redirects=False,
            verify=_trust(ca_file) if parts.scheme == "https" else False, trust_env=not on_loopback(parts.hostname),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def exchange(self, method: str, path: str, *, json: object = None) -> HttpReply:
        """One request and its answer below 300. ``path`` may be a whole address on the API's own host: that of a next page."""
        url = path if path.startswith(f"{self.url}/") else f"{self.url}/{path.lstrip('/')}"
        doing = f"{method} {urlsplit(url).path} at {self._host}"
        try:
            with self._http.stream(method, url, json=json) as response:
                body = _bounded(response, doing)
        except httpx.InvalidURL as error:
            raise SwitchoverError("The address of the API cannot be used", f"{self._redact(url)}: {error}.") from None
        except httpx.HTTPError as error:
            raise self._unanswered(method, doing, error) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        reply = HttpReply(response.status_code, headers, body, parsed(headers, body))
        if reply.status >= 300:
            raise self._refusal(reply, doing, method)
        return reply

    def _unanswered(self, method: str, doing: str, error: httpx.HTTPError) -> Exception:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            if _cause(error, ssl.SSLError):
                return SwitchoverError(
                    "The connection is not trusted", f"{doing}: {self._redact(str(error))}. Nothing was sent. An authority of"
                    " your own is named by SSL_CERT_FILE, on GitLab's runners by CI_SERVER_TLS_CA_FILE.",
                )
            asked = "is the address right, and does a proxy or firewall let it through?"
            return Temporary(f"{doing}: could not connect; {asked}", nothing_done=True)
        unknown = "" if method in READING else "; whether it was taken is not known"
        why = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "the connection was lost"
        return Temporary(f"{doing}: {why}{unknown}")

    def _refusal(self, reply: HttpReply, doing: str, method: str) -> Exception:
        said = self._redact(complaint_of(reply.data) or _nested(reply.data))
        told = f"{doing} was answered with {reply.status}{f': {said}' if said else ''}."
        limited = _limited(reply, said)
        if limited is not None:
            return Limited(told, limited, nothing_done=True)
        if reply.status == 401:
            why = f"{told} It is wrong, has expired or was taken back. {self._rights}"
            return TokenRefused("The token was not accepted", why)
        if reply.status == 403:
            if "locked" in said:
                why = f"{told} Nobody without special rights can comment on it any more."
                return RightsMissing("The conversation is locked", why)
            return RightsMissing("The token has too few rights", f"{told} {self._accepted(reply)}{self._rights}")
        if reply.status in (404, 410):
            return NotThere(
                "There is no such pull request, or the token may not see it",
                f"{told} Check the repository and the number. {self._rights}",
            )
        if reply.status in (400, 413, 422):
            is_long = reply.status == 413 or "too long" in said.lower()
            hint = " This server takes less: give its limit to --characters where the comment is made." if is_long else ""
            return NotTaken("The comment was not taken", f"{told}{hint}")
        if reply.status in (408, 425) or reply.status >= 500:
            unknown = "" if method in READING else " Whether it was taken is not known."
            return Temporary(f"{told}{unknown}", wait_of(reply.headers) if "retry-after" in reply.headers else None)
        moved = " It leads to another address, where the token is not sent." if reply.status < 400 else ""
        return SwitchoverError(STRANGE, f"{told}{moved} Check the address of the API: {self.url}.")

    def _accepted(self, reply: HttpReply) -> str:
        # GitHub names what would have done.
        names = reply.headers.get("x-accepted-github-permissions", "")
        return f"It takes one of: {self._redact(names)}. " if names else ""


def _limited(reply: HttpReply, said: str) -> float | None:
    """Seconds to wait when it is a rate limit; None when it is not."""
    if reply.status not in (403, 429):
        return None
    if "retry-after" in reply.headers:
        return wait_of(reply.headers) or _WITHOUT_HEADER_S
    if reply.headers.get("x-ratelimit-remaining") == "0":
        return wait_of(reply.headers) or _WITHOUT_HEADER_S
    return _WITHOUT_HEADER_S if reply.status == 429 or "rate limit" in said.lower() else None


def _nested(data: object) -> str:
    """GitLab words some refusals as ``{"message": {"note": ["is too long"]}}``."""
    fields = data.get("message") if isinstance(data, Mapping) else None
    if not isinstance(fields, Mapping):
        return ""
    return "; ".join(f"{name} {' '.join(map(str, why)) if isinstance(why, list) else why}" for name, why in fields.items())


def _bounded(response: httpx.Response, doing: str) -> bytes:
    parts, size = [], 0
    for part in chunks(response):
        size += len(part)
        if size > _MOST_BYTES:
            raise SwitchoverError(STRANGE, f"{doing}: it is longer than {_MOST_BYTES >> 20} MiB.")
        parts.append(part)
    return b"".join(parts)


def _cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context()
        context.load_default_certs()
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        where = ca_file or "The system's list"
        raise SwitchoverError("The list of trusted authorities cannot be read", f"{where}: {error}") from None
    return context
