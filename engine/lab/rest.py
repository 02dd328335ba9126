"""REST APIs of no particular make: the twin of every connection of type ``http``, each with objects of its own.

Started as ``python -m engine.lab.rest --folder DIR --seed FILE.json --port N``; announces ``{"http": port}``. What a connection
asks for stands below ``/NAME``. ``seed["rest"]`` says for each how it logs in (see ``rest_login``), which objects it has at
first, and which field names an object in its collection.

Any path holds a JSON object, a list of the objects below it, or nothing. GET and HEAD read; in a list, a query picks the objects
whose fields have its values. PUT replaces or makes, PATCH merges (RFC 7396), POST to an object merges too and anywhere else
makes an object below, DELETE removes an object with all below it. Bodies are JSON or a form; errors are problems (RFC 9457).

Log: ``DIR/rest.jsonl``. Faults: those of every lab API (``slow``, ``status``, ``drop``, ``lost_reply``, ``hang``), and ``late``
(value: seconds until a write shows, 1 unless told; it is answered with 202 and nothing), ``rate_limit`` (value: requests a
second; 429 with ``Retry-After`` beyond that), all matched on ``METHOD /NAME/path?query``.
"""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from engine.lab.board import Board
from engine.lab.rest_login import expected_headers
from engine.lab.rest_store import BadIdError, IdTakenError, IsFullError, Key, Object, RestStore, StoreError, key_of
from engine.lab.web_server import RateLimit, Refused, Route, WebApp, WebReply, WebRequest, serve

SERVER = "rest"
_DEEPEST = 64
"""Nesting of a body. Beyond it nothing means to be read."""
_STATUS: Mapping[type[StoreError], int] = {IsFullError: 507, IdTakenError: 409, BadIdError: 422}


class RestApi:
    """One connection's API. Safe to use from several threads."""

    def __init__(self, board: Board, name: str, seed: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._board, self._name = board, name
        self._expected = expected_headers(seed["login"], secrets)
        self._store = RestStore(seed["objects"], seed["id"], time.monotonic)
        self._lock = threading.Lock()

    def refuse_stranger(self, request: WebRequest) -> None:
        """Every header that the connection's settings make has to be there, with the lab's own credential in it."""
        for header, value in self._expected.items():
            if not hmac.compare_digest(request.headers.get(header, "").encode(), value.encode()):
                raise Refused(401, (
                    f"The header {header} does not hold the lab's credential. If the settings of connection {self._name} changed"
                    " since the lab came up, bring it up anew: switchover lab down, then switchover lab up"
                ))

    def answer(self, request: WebRequest, path: str) -> WebReply:
        """Does what one request asks. Raises ``Refused``."""
        with self._lock:
            try:
                return self._methods()[request.method](request, key_of(path))
            except StoreError as error:
                raise Refused(_STATUS[type(error)], str(error)) from None

    def _methods(self) -> Mapping[str, Callable[[WebRequest, Key], WebReply]]:
        return {
            "GET": self._get, "HEAD": self._get, "PUT": self._put, "PATCH": self._patch, "POST": self._post,
            "DELETE": self._delete,
        }

    # ------------------------------------------------------------ one method each

    def _get(self, request: WebRequest, key: Key) -> WebReply:
        found = self._store.read(key)
        if found is not None:
            return WebReply(200, found)
        listed = self._store.children(key)
        if listed is None:
            raise Refused(404, f"There is nothing at {request.path}")
        return WebReply(200, [entry for entry in listed if _has(entry, request.query)])

    def _put(self, request: WebRequest, key: Key) -> WebReply:
        is_new = self._store.read(key) is None
        if is_new and self._store.children(key) is not None:
            return _not_for_a_list(request)
        value, late_s = _body(request), self._late_s(request)
        self._store.put(key, value, late_s)
        return self._done(201 if is_new else 200, value, late_s)

    def _patch(self, request: WebRequest, key: Key) -> WebReply:
        if self._store.read(key) is None:
            return self._no_object(request, key)
        changes, late_s = _body(request), self._late_s(request)
        return self._done(200, self._store.merge(key, changes, late_s), late_s)

    def _post(self, request: WebRequest, key: Key) -> WebReply:
        if self._store.read(key) is not None:
            return self._patch(request, key)
        late_s = self._late_s(request)
        made, value = self._store.create(key, _body(request), late_s)
        location = "/".join(["", self._name, *(quote(segment, safe="") for segment in made)])
        return self._done(201, value, late_s, {"Location": location})

    def _delete(self, request: WebRequest, key: Key) -> WebReply:
        if self._store.read(key) is None:
            return self._no_object(request, key)
        late_s = self._late_s(request)
        self._store.remove(key, late_s)
        return self._done(204, None, late_s)

    # ------------------------------------------------------------ what they share

    def _no_object(self, request: WebRequest, key: Key) -> WebReply:
        if self._store.children(key) is not None:
            return _not_for_a_list(request)
        raise Refused(404, f"There is nothing at {request.path}")

    def _late_s(self, request: WebRequest) -> float:
        late = self._board.fault("late", f"{request.method} {request.target}")
        return 0.0 if late is None else late.value or 1.0

    @staticmethod
    def _done(status: int, value: Object | None, late_s: float, headers: Mapping[str, str] | None = None) -> WebReply:
        return WebReply(202, headers=headers or {}) if late_s else WebReply(status, value, headers=headers or {})


def build(board: Board, seed: Mapping[str, Any]) -> WebApp:
    """The APIs of ``seed["rest"]``, by the first segment of the path."""
    apis = {name: RestApi(board, name, given, seed["secrets"]) for name, given in seed.get("rest", {}).items()}
    limit = RateLimit(board)

    def handle(request: WebRequest) -> WebReply:
        api = apis.get(request.params["name"])
        if api is None:
            raise Refused(404, f"The lab came up without a connection {request.params['name']} of type http")
        api.refuse_stranger(request)
        limit.refuse_excess(request)
        return api.answer(request, request.path.removeprefix("/").partition("/")[2])

    methods = ("GET", "PUT", "PATCH", "POST", "DELETE")
    return WebApp(routes=[Route(method, "/{name}{path...}", handle) for method in methods], word_error=word_error)


def word_error(request: WebRequest, status: int, why: str) -> WebReply:
    """A problem, as RFC 9457 words it."""
    return _problem(status, why, {"Retry-After": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else {})


def _problem(status: int, why: str, headers: Mapping[str, str]) -> WebReply:
    known = {entry.value: entry.phrase for entry in HTTPStatus}
    problem = {"type": "about:blank", "title": known.get(status, "Error"), "status": status, "detail": why}
    return WebReply(status, problem, headers=headers, content_type="application/problem+json")


def _not_for_a_list(request: WebRequest) -> WebReply:
    why = f"{request.path} is a list, for which there is no {request.method}"
    return _problem(HTTPStatus.METHOD_NOT_ALLOWED, why, {"Allow": "GET, HEAD, POST"})


# ---------------------------------------------------------------- values


def _body(request: WebRequest) -> Object:
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(request.form())
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        raise Refused(415, f"JSON or a form is needed, not {request.content_type or 'a request without a content type'}")
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused(422, "The body has to be a JSON object")
    if _is_deeper(value, _DEEPEST):
        raise Refused(422, f"The body is nested deeper than {_DEEPEST} levels")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(entry, levels - 1) for entry in inner)


def _has(entry: Object, query: Mapping[str, str]) -> bool:
    return all(name in entry and _as_text(entry[name]) == value for name, value in query.items())


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


if __name__ == "__main__":
    serve(SERVER, build)
