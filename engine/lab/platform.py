"""The target platform: the part of the NetSapiens v2 API a migration uses, and the SIP registrar its phones register at.

Started as ``python -m engine.lab.platform --folder DIR --seed FILE.json --port N``; announces ``{"http": port, "sip": port}``.
The API is below ``/ns-api/v2``; the bearer token is ``seed["secrets"]["platform_token"]``.

As the real one: a write answers 202 with nothing in it, and shows a while later, unless its body says ``synchronous: yes``
(200 and the record); lists are cut at 100 and paged by ``start`` and ``limit``; errors are ``{code, message}``; ``~`` in a
path is one's own domain; ``/count`` on a collection gives its size. When a phone last fetched its file is read from the log
of the lab's TFTP server: fetches by 127.0.0.1 itself, which is where tools run, do not count.

Log: ``DIR/platform.jsonl``. Faults: those of every lab API (``slow``, ``status``, ``drop``, ``lost_reply``, ``hang``), and
``late`` (value: seconds until a write or a registration shows, 0.2 unless told; matched on ``PUT /path`` or ``REGISTER user``),
``read_only`` (403 to any write).
"""

from __future__ import annotations

import argparse
import hmac
import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.lab.board import Board, announce
from engine.lab.phone_registrar import LATE_S, Registrar
from engine.lab.seed import read_seed
from engine.lab.web_server import READING, LabServer, Refused, Route, WebApp, WebReply, WebRequest
from engine.model.values import dataclass

SERVER = "platform"
_BASE = "/ns-api/v2/domains/{domain}"
_PAGE = 100
_TOOLS = "127.0.0.1"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record. ``path`` is below the domain; ``key`` the field that names a record; ``required`` as in the API's
    specification; ``read_only`` fields cannot be written."""

    name: str
    path: str
    key: str
    required: tuple[str, ...]
    read_only: frozenset[str] = frozenset()


USERS = Kind("user", "/users", "user", ("user", "name-first-name", "name-last-name", "email-address", "user-scope"))
DEVICES = Kind("device", "/users/{user}/devices", "device", ("device",), frozenset(
    f"device-sip-registration-{field}" for field in ("state", "datetime", "user-agent", "ip-address", "expires-datetime")
))
PHONES = Kind("phone", "/phones", "mac", ("mac", "model"), frozenset({"device-provisioning-last-retrieved-datetime"}))
NUMBERS = Kind("phone number", "/phonenumbers", "phonenumber", ("phonenumber",))
KINDS = (USERS, DEVICES, PHONES, NUMBERS)


@dataclass(slots=True)
class Store:
    """The records of one domain, and writes that do not show yet. Used under one lock."""

    records: dict[str, dict[str, Record]] = field(default_factory=lambda: {kind.name: {} for kind in KINDS})
    pending: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def settle(self) -> None:
        """Makes writes show whose time has come, in their order."""
        now = time.monotonic()
        due = [work for moment, work in self.pending if moment <= now]
        self.pending = [entry for entry in self.pending if entry[0] > now]
        for work in due:
            work()


class Platform:
    """Answers for one customer's domain."""

    def __init__(self, board: Board, seed: Mapping[str, Any]) -> None:
        self._board = board
        self._token = str(seed["secrets"]["platform_token"])
        self._domains = {"~", str(seed["domain"])}
        self._domain = str(seed["domain"])
        self._store = store_of(seed)
        self._fetches = FetchLog(board.folder / "tftp.jsonl")
        self.registrar = Registrar(board, self._passwords)

    def app(self) -> WebApp:
        """The API."""
        routes = [Route("GET", _BASE, self._read_domain)]
        for kind in KINDS:
            collection = f"{_BASE}{kind.path}"
            one = f"{collection}/{{{kind.key}}}"
            routes += [
                Route("GET", collection, self._handler(kind, self._list)),
                Route("GET", f"{collection}/count", self._handler(kind, self._count)),
                Route("POST", collection, self._handler(kind, self._create)),
                Route("GET", one, self._handler(kind, self._read)),
                Route("PUT", one, self._handler(kind, self._update)),
                Route("DELETE", one, self._handler(kind, self._delete)),
            ]
        return WebApp(routes=tuple(routes), guard=self._refuse_strangers)

    # ------------------------------------------------------------ who may

    def _refuse_strangers(self, request: WebRequest) -> WebReply | None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return WebReply(401, {"code": 401, "message": "Unauthorized"})
        if request.method not in READING and self._board.fault("read_only", request.path) is not None:
            return WebReply(403, {"code": 403, "message": "Forbidden: this key is read-only"})
        return None

    def _handler(self, kind: Kind, act: Callable[[Kind, WebRequest], WebReply]) -> Callable[[WebRequest], WebReply]:
        def handle(request: WebRequest) -> WebReply:
            if request.params["domain"] not in self._domains:
                raise Refused(404, f"Domain {request.params['domain']} does not exist")
            with self._store.lock:
                self._store.settle()
                if kind is DEVICES and request.params["user"] not in self._store.records[USERS.name]:
                    raise Refused(404, f"User {request.params['user']} does not exist")
                return act(kind, request)

        return handle

    # ------------------------------------------------------------ reading

    def _read_domain(self, request: WebRequest) -> WebReply:
        if request.params["domain"] not in self._domains:
            raise Refused(404, f"Domain {request.params['domain']} does not exist")
        return WebReply(200, {"domain": self._domain, "reseller": "lab", "is-domain-locked": "no"})

    def _list(self, kind: Kind, request: WebRequest) -> WebReply:
        start, limit = _number(request, "start", 0), min(_number(request, "limit", _PAGE), _PAGE)
        found = self._visible(kind, request)
        return WebReply(200, [self._shown(kind, record) for record in found[start : start + limit]])

    def _count(self, kind: Kind, request: WebRequest) -> WebReply:
        return WebReply(200, {"total": len(self._visible(kind, request))})

    def _read(self, kind: Kind, request: WebRequest) -> WebReply:
        return WebReply(200, self._shown(kind, self._found(kind, request)))

    def _visible(self, kind: Kind, request: WebRequest) -> list[Record]:
        records = list(self._store.records[kind.name].values())
        return [record for record in records if record["user"] == request.params["user"]] if kind is DEVICES else records

    def _found(self, kind: Kind, request: WebRequest) -> Record:
        record = self._store.records[kind.name].get(_key(kind, request.params))
        if record is None:
            raise Refused(404, f"{kind.name.capitalize()} {request.params[kind.key]} does not exist")
        return record

    def _shown(self, kind: Kind, record: Record) -> Record:
        if kind is DEVICES:
            return {**record, **self._registration(record["user"])}
        if kind is PHONES:
            fetched = self._fetches.last(record["mac"])
            return {**record, "device-provisioning-last-retrieved-datetime": fetched.isoformat() if fetched else None}
        return dict(record)

    def _registration(self, user: str) -> Record:
        binding = self.registrar.binding(user)
        names = ("state", "datetime", "user-agent", "ip-address", "expires-datetime")
        if binding is None:
            values: tuple[str | None, ...] = ("unregistered", None, None, None, None)
        else:
            values = (
                "registered" if binding.live else "unregistered", binding.registered_at.isoformat(), binding.user_agent,
                binding.peer, binding.expires_at.isoformat(),
            )
        return {f"device-sip-registration-{name}": value for name, value in zip(names, values, strict=True)}

    def _passwords(self) -> Mapping[str, str]:
        with self._store.lock:
            self._store.settle()
            devices = self._store.records[DEVICES.name].values()
            return {device["user"]: str(device.get("device-sip-registration-password", "")) for device in devices}

    # ------------------------------------------------------------ writing

    def _create(self, kind: Kind, request: WebRequest) -> WebReply:
        body = self._body(kind, request)
        missing = [name for name in kind.required if not body.get(name)]
        if missing:
            raise Refused(400, f"Missing required: {', '.join(missing)}")
        if kind is DEVICES:
            body["user"] = request.params["user"]
        key = _key(kind, body)
        if key in self._store.records[kind.name]:
            raise Refused(409, f"{kind.name.capitalize()} {body[kind.key]} already exists")
        return self._write(request, body, lambda: self._store.records[kind.name].__setitem__(key, body), body)

    def _update(self, kind: Kind, request: WebRequest) -> WebReply:
        record = self._found(kind, request)
        body = self._body(kind, request)
        return self._write(request, body, lambda: record.update(body), {**record, **body})

    def _delete(self, kind: Kind, request: WebRequest) -> WebReply:
        self._found(kind, request)
        key = _key(kind, request.params)
        asked = request.json() if request.body else {}
        return self._write(request, asked, lambda: self._store.records[kind.name].pop(key, None), {})

    def _body(self, kind: Kind, request: WebRequest) -> Record:
        body = request.json()
        if not isinstance(body, dict):
            raise Refused(400, "A JSON object is needed")
        refused = sorted(kind.read_only & body.keys())
        if refused:
            raise Refused(400, f"Read-only: {', '.join(refused)}")
        return body

    def _write(self, request: WebRequest, body: Record, work: Callable[[], object], shown: Record) -> WebReply:
        if body.pop("synchronous", "no") == "yes":
            shown.pop("synchronous", None)
            work()
            return WebReply(200, shown)
        late = self._board.fault("late", f"{request.method} {request.path}")
        moment = time.monotonic() + (LATE_S if late is None or late.value is None else late.value)
        self._store.pending.append((moment, work))
        return WebReply(202)


class FetchLog:
    """When each phone last fetched a file, from the log of the lab's TFTP server. Reads only what was added since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def last(self, mac: str) -> datetime | None:
        """When a file with this MAC in its name was last fetched by a phone."""
        with self._lock:
            self._read_on()
            return self._last.get(mac.lower())

    def _read_on(self) -> None:
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                added = log.read()
        except FileNotFoundError:
            return
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, entry: Record) -> None:
        if entry["kind"] != "read" or not entry.get("ok") or str(entry.get("peer", "")).rpartition(":")[0] == _TOOLS:
            return
        name = str(entry["file"]).rpartition("/")[2].lower()
        for start in range(len(name) - 11):
            if all(character in "0123456789abcdef" for character in name[start : start + 12]):
                self._last[name[start : start + 12]] = datetime.fromisoformat(entry["at"])


def store_of(seed: Mapping[str, Any]) -> Store:
    """The domain as built before the cutover: users, a device per phone, and the temporary numbers."""
    store = Store()
    users, devices = store.records[USERS.name], store.records[DEVICES.name]
    for item in seed.get("users", ()):
        first, _, last = str(item.get("name", item["extension"])).partition(" ")
        users[str(item["extension"])] = _user(str(item["extension"]), first, last, str(item.get("email", "")))
    for item in seed.get("phones", ()):
        extension = str(item["extension"])
        users.setdefault(extension, _user(extension, str(item.get("label", extension)), "", ""))
        devices[f"{extension}/{extension}"] = {
            "device": extension, "user": extension, "device-sip-registration-password": str(item.get("line_password", "")),
            "device-models-model": str(item["model"]), "device-provisioning-mac-address": str(item["mac"]),
        }
        store.records[PHONES.name][str(item["mac"]).lower()] = {
            "mac": str(item["mac"]).lower(), "model": f"{item['vendor']} {item['model']}", "device1": extension,
            "transport": "udp",
        }
    for item in seed.get("numbers", ()):
        _add_number(store, item)
    return store


def _user(extension: str, first: str, last: str, email: str) -> Record:
    return {
        "user": extension, "name-first-name": first, "name-last-name": last, "email-address": email, "user-scope": "Basic User",
        "caller-id-number": "", "caller-id-name": "", "caller-id-number-emergency": "", "voicemail-enabled": "yes",
    }


def _add_number(store: Store, item: Mapping[str, Any]) -> None:
    digits = str(item.get("temporary_did") or "").lstrip("+")
    if not digits:
        return
    target = str(item.get("routes_to", ""))
    store.records[NUMBERS.name][digits] = {
        "phonenumber": digits, "enabled": "yes", "dial-rule-application": "to-user" if target else "available-number",
        "dial-rule-translation-destination-user": target, "dial-rule-description": str(item.get("label", "")),
    }
    user = store.records[USERS.name].get(target)
    if user is not None and not user["caller-id-number"]:
        user["caller-id-number"] = digits


def _key(kind: Kind, values: Mapping[str, Any]) -> str:
    name = str(values[kind.key])
    if kind is DEVICES:
        return f"{values['user']}/{name}"
    return name.lower() if kind is PHONES else name


def _number(request: WebRequest, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit():
        raise Refused(400, f"{name} must be a number")
    return int(text)


def main() -> None:
    """Arguments, seed, the API and the registrar, and a clean end on SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="lab platform")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    board = Board(options.folder, SERVER)
    platform = Platform(board, read_seed(options.seed))
    platform.registrar.start()
    with LabServer(board, platform.app(), options.port) as server:
        announce(http=server.port, sip=platform.registrar.port)
        told_to_end.wait()
    platform.registrar.stop()


if __name__ == "__main__":
    main()
