"""A small HTTP server for lab systems that speak REST: real sockets, keep-alive, a log of every request, faults by name.

It exists so that each simulated API is only its routes and its data. How to use it::

    def build(board: Board, seed: Mapping[str, Any]) -> WebApp:
        state = State(seed)
        return WebApp(
            routes=(
                Route("GET", "/v2/things/{id}", state.read_thing),        # handler: WebRequest -> WebReply
                Route("PATCH", "/v2/things/{id}.json", state.write_thing),
            ),
            guard=state.refuse_strangers,      # before routing: None lets pass, a WebReply refuses (401, 429 ...)
            word_error=state.word_error,       # how this API words 400, 404, 405, 415, 429, 5xx
        )

    if __name__ == "__main__":
        serve("things", build)                 # --folder DIR --seed FILE.json --port N; announces {"http": port}

In tests the same app runs in threads: ``with LabServer(board, app) as server: ... server.url``.

- ``request.params`` are the path's ``{names}``, ``request.query`` the query (last value wins), ``request.headers`` lower-case;
  ``request.json()`` and ``request.form()`` refuse other content types (415) and malformed bodies (400).
- A handler refuses by ``raise Refused(status, "why")``; ``word_error`` turns that into the API's own form.
- A ``GET`` route answers ``HEAD`` too.
- Each request is one line of ``<server>.jsonl``: GET, HEAD and OPTIONS as ``read``, every other method as ``write``, with
  ``status``, ``fault``, ``query`` and ``names`` (dotted names of the body's properties, never values: they may be secret),
  ``content_type`` and ``peer`` (the client's port: equal ports are one connection).

Faults, matched on ``METHOD /path?query``: ``slow`` (value: seconds), ``status`` (value: the status; 429 and 503 carry
``Retry-After``), ``drop`` (closes before handling), ``lost_reply`` (handles, then closes without an answer), ``hang``
(handles nothing and stays silent for value seconds, 60 unless told).
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.lab.board import Board, announce
from engine.model.values import dataclass

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_LIMIT = 16 * 1024 * 1024


class Refused(Exception):
    """A handler refuses a request: the app's ``word_error`` makes the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request as it came in. ``path`` is as sent, still percent-encoded; ``params`` are decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: int
    target: str
    """Path and query as sent: what faults are matched on, after the method."""
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        """The media type alone, lower-case; empty when none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The JSON body. Refuses another content type with 415 and broken JSON with 400."""
        if self.content_type != "application/json":
            raise Refused(415, f"application/json is needed, not {self.content_type or 'a request without a content type'}")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the body is not JSON: {error}") from None

    def form(self) -> dict[str, str]:
        """The form body. Refuses another content type with 415 and a repeated or undecodable field with 400."""
        if self.content_type != "application/x-www-form-urlencoded":
            raise Refused(415, f"a form is needed, not {self.content_type or 'a request without a content type'}")
        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))
        except ValueError as error:
            raise Refused(400, f"the body is not a form: {error}") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused(400, "a form field was sent twice")
        return found

    def names(self) -> list[str]:
        """Dotted names of the properties in the body, sorted; empty when it has none that can be told."""
        try:
            if self.content_type == "application/x-www-form-urlencoded":
                return sorted(self.form())
            return sorted(dotted_names(json.loads(self.body))) if self.body else []
        except (Refused, ValueError, RecursionError):  # the last: nested deeper than anything meant
            return []


@dataclass(frozen=True, slots=True)
class WebReply:
    """An answer. ``data`` is sent as JSON; without it ``body`` is sent as it is."""

    status: int
    data: object = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if self.data is None else json.dumps(self.data).encode()


Handler = Callable[[WebRequest], WebReply]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. ``{name}`` stands for a part of one segment, ``{name...}`` for all segments that follow."""

    method: str
    pattern: str
    handler: Handler

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters, decoded; None when it is another path."""
        found = _regex_of(self.pattern).fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def plain_error(request: WebRequest, status: int, why: str) -> WebReply:
    """The error form of an API that has none of its own: ``{code, message}``."""
    return WebReply(status, {"code": status, "message": why})


def admit(request: WebRequest) -> WebReply | None:
    """Lets everybody in."""
    return None


@dataclass(frozen=True, slots=True)
class WebApp:
    """An API: routes, who may enter, and how it words errors."""

    routes: Sequence[Route]
    guard: Callable[[WebRequest], WebReply | None] = admit
    word_error: Callable[[WebRequest, int, str], WebReply] = plain_error

    def answer(self, request: WebRequest) -> WebReply:
        """Handles one request."""
        try:
            return self.guard(request) or self._route(request)
        except Refused as refused:
            return self.word_error(request, refused.status, refused.why)

    def _route(self, request: WebRequest) -> WebReply:
        method = "GET" if request.method == "HEAD" else request.method
        known = [(route, params) for route in self.routes if (params := route.match(request.path)) is not None]
        for route, params in known:
            if route.method == method:
                return route.handler(_with_params(request, params))
        if known:
            raise Refused(405, f"{request.method} is not a method of {request.path}")
        raise Refused(404, f"there is nothing at {request.path}")


class RateLimit:
    """The fault ``rate_limit`` (value: requests a second, 1 unless told), for guards of APIs that have it. Safe to use from
    several threads."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()

    def refuse_excess(self, request: WebRequest) -> None:
        """Raises ``Refused`` with 429 when this second had its requests."""
        limit = self._board.fault("rate_limit", f"{request.method} {request.target}")
        if limit is not None and self._is_over(limit.value or 1.0):
            raise Refused(429, "You have exceeded the maximum number of allowed requests")

    def _is_over(self, per_second: float) -> bool:
        now = time.monotonic()
        with self._lock:
            while self._recent and self._recent[0] <= now - 1:
                self._recent.popleft()
            if len(self._recent) >= per_second:
                return True
            self._recent.append(now)
        return False


class LabServer:
    """One app listening on 127.0.0.1, in threads of this process. ``port`` 0 takes a free one."""

    def __init__(self, board: Board, app: WebApp, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._listener = _Listener(board, app, port, tls)
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._scheme = "http" if tls is None else "https"
        self.port: int = self._listener.server_address[1]

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begins to answer; connections made before this wait."""
        self._thread.start()

    def stop(self) -> None:
        """Closes the port and every connection, and waits for their threads."""
        self._listener.leave()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> LabServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def serve(name: str, build: Callable[[Board, Mapping[str, Any]], WebApp]) -> None:
    """The whole ``main`` of a lab server: arguments, seed, start, announce, and a clean end on SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog=f"lab {name}")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    board = Board(options.folder, name)
    with LabServer(board, build(board, json.loads(options.seed.read_text(encoding="utf-8"))), options.port) as server:
        announce(http=server.port)
        told_to_end.wait()


def dotted_names(data: object, prefix: str = "") -> Iterator[str]:
    """Names of all properties in JSON data, nested ones dotted; entries of a list share the list's name."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield f"{prefix}{name}"
            yield from dotted_names(value, f"{prefix}{name}.")
    elif isinstance(data, list):
        for value in data:
            yield from dotted_names(value, prefix)


# ---------------------------------------------------------------- sockets


class _Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Not ``http.server.HTTPServer``: that one looks its own name up in the DNS when it binds."""

    allow_reuse_address = True
    request_queue_size = 256
    daemon_threads = False
    block_on_close = True

    def __init__(self, board: Board, app: WebApp, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.board = board
        self.app = app
        self.leaving = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def leave(self) -> None:
        """Wakes every thread that waits for a client or for a hang to end."""
        self.leaving.set()
        with self._lock:
            for connection in self._open:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is no fault of ours
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """One client: requests until either side hangs up."""

    protocol_version = "HTTP/1.1"
    server_version = "lab"
    sys_version = ""
    wbufsize = -1  # head and body leave in one segment
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        request = self._read()
        if request is None:
            return
        listener = cast(_Listener, self.server)
        subject = f"{request.method} {request.target}"
        listener.board.pause(subject)
        if self._fails_before(listener, request, subject):
            return
        reply = self._faulty_status(listener, request, subject) or listener.app.answer(request)
        if listener.board.fault("lost_reply", subject) is not None:
            _record(listener.board, request, reply.status, "lost_reply")
            self._drop()
            return
        _record(listener.board, request, reply.status)
        self._send(request, reply)

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # names http.server wants

    def _read(self) -> WebRequest | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > _BODY_LIMIT:
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return None
        parts = urlsplit(self.path)
        return WebRequest(
            method=self.command, path=parts.path, query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()}, body=self.rfile.read(int(length)),
            peer=self.client_address[1], target=self.path,
        )

    def _fails_before(self, listener: _Listener, request: WebRequest, subject: str) -> bool:
        if listener.board.fault("drop", subject) is not None:
            _record(listener.board, request, None, "drop")
            self._drop()
            return True
        hang = listener.board.fault("hang", subject)
        if hang is not None:
            _record(listener.board, request, None, "hang")
            listener.leaving.wait(hang.value or 60.0)
            self._drop()
            return True
        return False

    def _faulty_status(self, listener: _Listener, request: WebRequest, subject: str) -> WebReply | None:
        fault = listener.board.fault("status", subject)
        if fault is None:
            return None
        status = int(fault.value or HTTPStatus.INTERNAL_SERVER_ERROR)
        reply = listener.app.word_error(request, status, "the lab was told to answer so")
        asks_to_wait = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        if not asks_to_wait or any(name.lower() in ("retry-after", "x-ratelimit-reset") for name in reply.headers):
            return reply
        return WebReply(reply.status, reply.data, reply.body, {**reply.headers, "Retry-After": "1"}, reply.content_type)

    def _send(self, request: WebRequest, reply: WebReply) -> None:
        content = reply.content()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _drop(self) -> None:
        self.close_connection = True
        _hang_up(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the board has the log."""


def _record(board: Board, request: WebRequest, status: int | None, fault: str = "") -> None:
    detail: dict[str, object] = {"status": status, "peer": request.peer, "query": sorted(request.query)}
    if request.body:
        detail |= {"names": request.names(), "content_type": request.content_type}
    if fault:
        detail["fault"] = fault
    board.record("read" if request.method in READING else "write", f"{request.method} {request.path}", **detail)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already


def _with_params(request: WebRequest, params: Mapping[str, str]) -> WebRequest:
    return WebRequest(
        request.method, request.path, request.query, request.headers, request.body, request.peer, request.target, params,
    )


_REGEXES: dict[str, re.Pattern[str]] = {}


def _regex_of(pattern: str) -> re.Pattern[str]:
    if pattern not in _REGEXES:
        parts = re.split(r"\{(\w+(?:\.\.\.)?)\}", pattern)
        text = "".join(_group(part) if index % 2 else re.escape(part) for index, part in enumerate(parts))
        _REGEXES[pattern] = re.compile(text)
    return _REGEXES[pattern]


def _group(name: str) -> str:
    return f"(?P<{name.removesuffix('...')}>(?:/.*)?)" if name.endswith("...") else f"(?P<{name}>[^/]+?)"
