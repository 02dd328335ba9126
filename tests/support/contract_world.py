"""A lab with a small customer in it, and single steps of runbooks against it: what the action contract is proved with.

Everything between the case and the wire is the product's own: the inventory reader, the scene, the connections, the lab's
overlay, ``attempt``. Items are cheap and a lab is not, so every test takes items nobody touched before.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.client
import json
import os
import shutil
import stat
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.actions.catalog import BUILT_IN
from engine.execution.attempt import Attempt, Outcome, Task, attempt
from engine.execution.decide import NO_PAST, Expected, Past
from engine.lab.control import LabStatus, ServerStatus, add_fault, clear_faults, lab_down, lab_status, lab_up
from engine.lab.overlay import lab_connections
from engine.lab.seed import seed_from
from engine.language.inventory_reader import load_inventory
from engine.language.runbook_reader import load_runbook
from engine.language.secrets import SecretResolver
from engine.language.templates import Templates
from engine.model.event import Event, ItemIntended, encode
from engine.model.inventory import Connection, Inventory, Item
from engine.model.plan import Change, PlannedItem, Receipt, Unpredictable
from engine.model.runbook import Runbook
from engine.planning.planner import Planner
from engine.planning.results import Results
from engine.planning.scene import BlockWork, CompiledStep, Given, Ready, Scene
from engine.ports import Action, Sessions
from engine.project import shipped
from engine.transports.keep import FileKeep
from engine.transports.outbox import FileOutbox
from engine.wiring.clock import SystemClock
from engine.wiring.connections import Connections, Stores
from engine.wiring.secrets import KnownSecrets
from tests.support.contract_cases import Case

CUSTOMER = "wren-optics"
OLD_PASSWORD = "Old-pw-nobody-told-us-77"
"""Stands in files and records from before: no inventory knows it, and all the same it must not be shown."""
SERVER_OF: Mapping[str, str] = {
    "tftp": "tftp", "ssh": "ssh", "sftp": "ssh", "smtp": "mail", "telnyx": "carrier", "twilio": "carrier",
    "netsapiens": "platform", "http": "rest", "sip": "phones", "local": "", "rt": "desk",
    "servicenow": "desk", "jira": "desk",
}
"""Type of connection -> the lab server behind it; empty: this machine's own disk. ``api`` is of another type than its server."""
TREES = ("tftp-root", "ssh-root", "local-root")
_AREA_CODES = (202, 212, 312, 415, 503, 602)
_PHONES: Mapping[str, str] = {"yealink": "T46S", "poly": "VVX411", "snom": "D785", "grandstream": "GXP2170"}
_EACH = 130
"""Phones per vendor."""
_PEOPLE = 500
"""At a desk."""


# ---------------------------------------------------------------- the customer


def write_customer(folder: Path) -> None:
    """A tiny customer, but for the number of its items."""
    folder.mkdir(parents=True)
    connections = {
        "tree": {"type": "local", "root": "/srv/provisioning"},
        "provisioning": {"type": "tftp", "host": "prov.example.net", "timeout_s": 0.5},
        "staging": {"type": "sftp", "host": "staging.example.net", "username": "cutover", "root": "/srv/tftp"},
        "pbx": {"type": "ssh", "host": "pbx.example.net", "username": "cutover"},
        "pbx-files": {"type": "ssh", "host": "pbx.example.net", "username": "cutover", "root": "/srv/tftp"},
        "telnyx": {"type": "telnyx", "api_key": "env:CONTRACT_TELNYX"},
        "twilio": {
            "type": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": "env:CONTRACT_TWILIO",
            "forward_url": "https://hooks.example.net/forward?to={to}",
        },
        "platform": {
            "type": "netsapiens", "url": "https://core.example.net/ns-api/v2", "token": "env:CONTRACT_NS", "domain": CUSTOMER,
        },
        "doors": {
            "type": "http", "url": "https://doors.example.net/v1", "token": "env:CONTRACT_DOORS",
            "lab": {"objects": {"/doors": list(_doors())}},
        },
        "crm": {
            "type": "http", "url": "https://crm.example.net", "username": "cutover", "password": "env:CONTRACT_CRM",
            "headers": {"X-Api-Key": "env:CONTRACT_CRM_KEY"}, "lab": {"objects": {"/people": []}, "id": "extension"},
        },
        "rt": {"type": "rt", "url": "https://rt.example.net", "token": "env:CONTRACT_RT"},
        "now": {"type": "servicenow", "url": "https://now.example.net", "token": "env:CONTRACT_NOW"},
        "jira": {
            "type": "jira", "url": "https://jira.example.net", "username": "cutover@example.net", "token": "env:CONTRACT_JIRA",
            "withdraw_as": "Dropped",
        },
        "mail": {"type": "smtp", "host": "mail.example.net", "security": "starttls", "from": "cutover@example.net"},
        "sip": {"type": "sip", "host": "pbx.example.net", "domain": "pbx.example.net"},
    }
    inventory = {
        "switchover": 1, "customer": CUSTOMER, "title": "Wren Optics", "timezone": "America/New_York", "country": "US",
        "connections": connections,
        "defaults": {
            "sip_server": "sip.example.net", "sip_port": 5060, "sip_transport": "udp", "ntp_server": "time.example.net",
            "provisioning_url": "tftp://prov.example.net", "old_password": OLD_PASSWORD,
        },
        "collections": {name: {"file": f"{name}.csv"} for name in ("phones", "numbers", "users")},
    }
    (folder / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    _write_rows(folder / "phones.csv", _phone_rows())
    _write_rows(folder / "users.csv", _user_rows())
    _write_rows(folder / "numbers.csv", _number_rows())


def _doors() -> Iterator[dict[str, object]]:
    """An entry phone for each person at a desk, that rings somebody else."""
    for n in range(_EACH * len(_PHONES)):
        yield {
            "id": str(7000 + n), "label": f"Door {n}", "forward": {"to": "9999", "after_s": 20}, "badge_pin": OLD_PASSWORD,
        }


def _phone_rows() -> Iterator[dict[str, object]]:
    for index, (vendor, model) in enumerate(_PHONES.items()):
        for n in range(_EACH):
            extension = 1000 * (index + 1) + n
            yield {
                "mac": f"00{index:02x}5e{n:06x}", "vendor": vendor, "model": model,
                "extension": extension, "label": f"Desk {extension}", "line_password": f"Lp-{extension}<&>Wq7x",
            }


def _user_rows() -> Iterator[dict[str, object]]:
    for n in range(_PEOPLE):
        yield {
            "extension": 7000 + n, "name": f"Person {n}", "email": f"person.{n}@wren.example", "voicemail_pin": f"83{n:04d}61",
            "role": "desk",
        }
    behind = [*_line_extensions(), *(row["extension"] for row in _phone_rows())]
    for extension in behind:
        yield {"extension": extension, "name": "A Line", "email": "", "voicemail_pin": "", "role": "line"}


def _line_extensions() -> Iterator[int]:
    """One user for each number, so that no two cases meet at one."""
    return iter(range(8000, 8000 + 50 * len(_AREA_CODES)))


def _number_rows() -> Iterator[dict[str, object]]:
    extensions = _line_extensions()
    for area in _AREA_CODES:
        for n in range(50):
            number = f"+1{area}55501{n:02d}"
            yield {
                "number": number, "temporary_did": f"+1{area}55501{n + 50:02d}", "routes_to": next(extensions),
                "label": f"Line {area} {n}", "connection_id": f"{area}{n:03d}",
                "twilio_sid": f"PN{hashlib.sha256(number.encode()).hexdigest()[:32]}",
            }


def _write_rows(path: Path, rows: Iterator[dict[str, object]]) -> None:
    found = list(rows)
    lines = [",".join(found[0]), *(",".join(f'"{value}"' for value in row.values()) for row in found)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---------------------------------------------------------------- the lab and what opens sessions


@dataclass
class World:
    """The customer, the lab that plays its systems, and the connections into it."""

    folder: Path
    inventory: Inventory
    connections: Mapping[str, Connection]
    secrets: KnownSecrets
    credentials: Mapping[str, str]
    """Of the lab's servers."""
    clock: SystemClock = field(default_factory=SystemClock)
    taken: set[str] = field(default_factory=set)
    _source: Connections | None = None
    _runbooks: dict[str, Runbook] = field(default_factory=dict)
    _writes: int = 0
    _contents: dict[tuple[str, int, int, int], str] = field(default_factory=dict)
    _read: dict[str, int] = field(default_factory=dict)
    """How far each server's log was read."""

    @property
    def lab(self) -> Path:
        return self.folder / "lab"

    @property
    def source(self) -> Connections:
        """The connections of the whole world: one per host, as in a run."""
        if self._source is None:
            self._source = self.opened(self.connections)
        return self._source

    @functools.cached_property
    def templates(self) -> Templates:
        return Templates((Path(__file__).parents[1] / "contract" / "cases" / "templates", shipped("templates")))

    def runbook(self, step: Mapping[str, Any], collection: str) -> Runbook:
        """A runbook of one step, read as every runbook is; each text once."""
        book = {
            "switchover": 1, "name": "contract", "title": "Contract",
            "phases": [{"name": "p", "title": "P", "steps": [{"name": "s", "for_each": collection, **step}]}],
        }
        text = json.dumps(book)
        if text not in self._runbooks:
            path = self.folder / f"book-{len(self._runbooks)}.yml"
            path.write_text(text, encoding="utf-8")
            self._runbooks[text] = load_runbook(path)
        return self._runbooks[text]

    @property
    def outbox(self) -> FileOutbox:
        return FileOutbox(self.folder / "outbox", self.clock.now)

    def opened(self, connections: Mapping[str, Connection]) -> Connections:
        """What opens sessions of these connections."""
        stores = Stores(FileKeep(self.folder / "keep"), self.outbox, self.outbox.reading())
        return Connections(connections, self.templates, self.secrets, self.clock, stores, CUSTOMER)

    @contextlib.contextmanager
    def diverted(self, name: str, port: int) -> Iterator[Connections]:
        """Connections of which one leads to another port of this machine."""
        source = self.opened({**self.connections, name: _with_port(self.connections[name], port)})
        try:
            yield source
        finally:
            source.close()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()

    # ------------------------------------------------------------ items

    def take(self, wanted: Mapping[str, str]) -> tuple[str, Item]:
        """An item of ``wanted["collection"]`` with the other fields as wanted, that nobody has taken; and its collection."""
        fields = {name: value for name, value in wanted.items() if name != "collection"}
        for item in self.inventory.collections[wanted["collection"]].items:
            if item.key not in self.taken and all(item.fields.get(name) == value for name, value in fields.items()):
                self.taken.add(item.key)
                return wanted["collection"], item
        raise AssertionError(f"there are no more items like {wanted}: make more of them in write_customer")

    # ------------------------------------------------------------ the lab

    def server_of(self, connection: str) -> str:
        """The lab server behind a connection; empty for this machine's own disk."""
        if connection == "api":
            return "platform"
        return SERVER_OF[self.connections[connection].type] if connection else ""

    def status(self, server: str) -> ServerStatus:
        found: LabStatus = lab_status(self.lab)
        return found.server(server)

    def port_of(self, connection: str) -> int:
        settings = self.connections[connection].settings
        return int(str(settings["port"])) if "port" in settings else urllib.parse.urlsplit(str(settings["url"])).port or 0

    def writes(self) -> int:
        """How many requests that could have altered anything the servers have had. Phones that register on their own account
        are not counted."""
        for log in self.lab.glob("*.jsonl"):
            with log.open("rb") as lines:
                lines.seek(self._read.get(log.name, 0))
                added = lines.read()
            whole = added[: added.rfind(b"\n") + 1]
            self._read[log.name] = self._read.get(log.name, 0) + len(whole)
            entries = map(json.loads, whole.splitlines())
            self._writes += sum(entry["kind"] == "write" and entry["what"] != "REGISTER" for entry in entries)
        return self._writes

    def fault(self, server: str, name: str, **how: Any) -> None:
        add_fault(self.lab, server, name, **how)

    def behave(self) -> None:
        clear_faults(self.lab)

    def leaks(self, text: str, *more: str) -> list[str]:
        """Secrets in a text, in the clear or in an encoding a log would have."""
        known = [str(value) for name, value in self.credentials.items() if not name.endswith(("username", "sid"))]
        return [form for value in (*known, OLD_PASSWORD, *more) for form in _forms(value) if form in text]

    def files(self) -> dict[str, str]:
        """Every file the servers keep for others: path -> mode and content. Links are not followed."""
        found = {}
        for tree in TREES:
            for folder, _, names in os.walk(self.lab / tree):
                for name in names:
                    path = f"{folder}/{name}"
                    status = os.lstat(path)
                    if stat.S_ISREG(status.st_mode) and not path.endswith("/var/log/asterisk/notify"):  # the PBX's own log
                        found[path] = f"{status.st_mode & 0o777:o} {self._content(path, status)}"
        return found

    def _content(self, path: str, status: os.stat_result) -> str:
        stamp = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp not in self._contents:
            self._contents[stamp] = Path(path).read_bytes().decode("latin-1")
        return self._contents[stamp]

    def ask(self, server: str, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        """One exchange with a lab API, by plain HTTP, with the credentials of whichever API the path is of."""
        seed = self.credentials
        port = self.port_of({"carrier": "telnyx", "rest": "doors", "desk": "rt"}.get(server, server))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        logins = {
            "v2": f"Bearer {seed['telnyx_api_key']}", "ns-api": f"Bearer {seed['platform_token']}",
            "doors": f"Bearer {seed['rest_key']}", "crm": _basic(seed, "rest_username", "rest_password"),
            "REST": f"token {seed['rt_token']}", "api": f"Bearer {seed['servicenow_token']}",
            "rest": _basic(seed, "jira_username", "jira_token"),
        }
        login = logins.get(path.split("/")[1]) or _basic(seed, "twilio_account_sid", "twilio_auth_token")
        try:
            connection.request(method, path.replace("{sid}", seed["twilio_account_sid"]), body or None,
                               {"Authorization": login, "Content-Type": kind, "X-Api-Key": seed["rest_key"]})
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        assert reply.status < 300 or (method, reply.status) == ("GET", 404), f"{method} {path}: {reply.status} {text!r}"
        return json.loads(text) if text and reply.status != 404 else None


@contextlib.contextmanager
def world_at(folder: Path) -> Iterator[World]:
    """The world, up inside the block."""
    customer, lab = folder / "customer", folder / "lab"
    write_customer(customer)
    inventory, _ = load_inventory(customer)
    resolver = SecretResolver(customer, {})
    numbers = [item.fields for item in inventory.collections["numbers"].items]
    seed = {
        **seed_from(inventory, resolver.secret),
        "sip_connections": [{"id": number["connection_id"], "record_type": "credential_connection"} for number in numbers],
    }
    lab_up(lab, seed)
    try:
        (lab / "ssh-root" / "var" / "log").mkdir(parents=True, exist_ok=True)
        for place in ("ssh-root/var/log", "tftp-root"):
            (lab / place / "tftpd.log").symlink_to(lab / "tftpd.log")
        twins = lab_connections(inventory.connections, lab)
        platform = twins["platform"].settings
        more = {
            "logs": Connection("logs", "local", {"root": str(lab)}),
            "api": Connection("api", "http", {"url": platform["url"], "token": platform["token"]}),
        }
        world = World(folder, inventory, {**twins, **more}, KnownSecrets(SecretResolver(folder, {})), seed["secrets"])
        try:
            yield world
        finally:
            world.close()
    finally:
        lab_down(lab)
        shutil.rmtree(lab, ignore_errors=True)


def _with_port(connection: Connection, port: int) -> Connection:
    settings = dict(connection.settings)
    if "url" in settings:
        parts = urllib.parse.urlsplit(str(settings["url"]))
        settings["url"] = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
    else:
        settings["port"] = port
    return Connection(connection.name, connection.type, settings)


def _forms(value: str) -> set[str]:
    return {value, urllib.parse.quote(value, safe=""), base64.b64encode(value.encode()).decode().rstrip("=")}


# ---------------------------------------------------------------- one step for one item


@dataclass
class Trial:
    """One step for one item, as planning and running it go about it."""

    world: World
    step: Mapping[str, Any]
    collection: str
    item: Item
    source: Connections
    scene: Scene = field(init=False)
    work: BlockWork = field(init=False)
    ready: Ready = field(init=False)

    def __post_init__(self) -> None:
        self.scene = self._scene()
        self.scene.begin_run(self.world.clock.now())
        (self.work,) = self.scene.work()
        compiled = self.work.lanes[0].steps[0]
        assert isinstance(compiled, CompiledStep)
        ready = self.scene.ready(compiled, self.work.block, self.item)
        assert ready is not None
        self.ready = ready

    def _scene(self) -> Scene:
        world = self.world
        # Of all items only this one: making lanes for a thousand others would take longer than the test.
        collection = replace(world.inventory.collections[self.collection], items=(self.item,))
        inventory = replace(world.inventory, collections={self.collection: collection})
        return Scene(
            world.runbook(self.step, self.collection), inventory, BUILT_IN, world.templates, self.source, world.secrets,
            world.clock, Given(CUSTOMER, "r1", {}), Results({}),
        )

    @property
    def action(self) -> Action[Any, Any]:
        return self.ready.compiled.action

    @property
    def args(self) -> Any:
        return self.ready.args

    def at(self, *, read_only: bool) -> Sessions:
        return self.scene.sessions(self.ready, read_only=read_only)

    def look(self) -> Change | Unpredictable | None:
        """What a plan would see."""
        seen = self.action.observe(self.args, self.at(read_only=True))
        change: Change | Unpredictable | None = self.action.diff(self.args, seen)
        return change

    def planned(self) -> PlannedItem:
        """What a plan would say, as it is shown and kept."""
        (planned,) = Planner(self.scene).plan([self.work])
        return planned

    def apply(self, change: Change | Unpredictable, *, read_only: bool = False) -> Receipt:
        return self.action.apply(change, self.args, self.at(read_only=read_only), key=f"key of {self.ready.address}")

    def undo(self, receipt: Receipt, *, read_only: bool = False) -> None:
        """Takes back, from the receipt as a journal gives it back."""
        self.action.undo(stored(receipt), self.args, self.at(read_only=read_only), key="undo")  # type: ignore[attr-defined]  # Undoable

    def prepare(self, change: Change) -> Receipt:
        """What undoing will need, before the write."""
        receipt: Receipt = self.action.prepare(change, self.args, self.at(read_only=True))  # type: ignore[attr-defined]  # Undoable
        return receipt

    def undoing(self, receipt: Receipt) -> Change | None:
        """What taking back would change."""
        back: Change | None = self.action.undoing(stored(receipt), self.args, self.at(read_only=True))  # type: ignore[attr-defined]  # Undoable
        return back

    def begin(self, past: Past = NO_PAST, expected: Expected | None = None) -> Attempt:
        """One try as the engine makes it, to be driven by hand."""
        task = Task(self.ready.compiled, self.work.block, self.item, expected, past)
        return attempt(self.scene, task)

    def attempt(self, past: Past = NO_PAST) -> Outcome:
        """One whole try."""
        return finished(self.begin(past))

    def render(self, value: Any) -> Any:
        """A case's value for this item."""
        templates = self.world.templates
        return templates.compile_value(value, self.scene.runbook.document.source, ()).render(self.ready.context)

    def leaks(self, text: str) -> list[str]:
        """Secrets in a text, the item's own too."""
        own = [str(self.item.fields[name]) for name in ("line_password", "voicemail_pin") if name in self.item.fields]
        return self.world.leaks(text, *own)


def stored(receipt: Receipt) -> Receipt:
    """A receipt as a journal gives it back."""
    return Receipt(json.loads(json.dumps(receipt.data)), receipt.summary)


def trial(world: World, case: Case, *, timeout_s: float = 8.0, settle_s: float | None = None) -> Trial:
    """A case on an item nobody has touched, arranged as ``before``."""
    collection, item = world.take(case.item)
    found = again(world, case, collection, item, world.source, timeout_s=timeout_s, settle_s=settle_s)
    arrange(found, case.before)
    return found


def again(
    world: World, case: Case, collection: str, item: Item, source: Connections, *, timeout_s: float = 8.0,
    settle_s: float | None = None,
) -> Trial:
    """The same step for the same item by other connections, or with other times than the action's own."""
    step = {"action": case.action, "with": dict(case.args), "timeout": timeout_s}
    if settle_s is not None:
        step["settle"] = settle_s
    return Trial(world, step, collection, item, source)


def intended(tried: Attempt) -> ItemIntended | Outcome:
    """Drives a try to its intent; its outcome when there was none."""
    try:
        return next(tried)
    except StopIteration as stop:
        assert isinstance(stop.value, Outcome), "it was given up, and nobody asked for that"
        return stop.value


def finished(tried: Attempt) -> Outcome:
    """Drives a try to its end."""
    while True:
        found = intended(tried)
        if isinstance(found, Outcome):
            return found


def arrange(trial: Trial, steps: Sequence[Mapping[str, Any]]) -> None:
    """Makes the other side so: ``put`` and ``append`` (a file below the lab's folder: path, content, mode), ``ask`` (an API:
    server, method, path, json or form), ``do`` (another step: action, with)."""
    for written in steps:
        (verb, raw), = written.items()
        how = trial.render(raw) if verb != "do" else raw
        _ARRANGEMENTS[verb](trial, how)


def _put(trial: Trial, how: Mapping[str, Any]) -> None:
    path = trial.world.lab / how["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(str(how["content"]).encode())
    path.chmod(int(str(how.get("mode", "644")), 8))


def _append(trial: Trial, how: Mapping[str, Any]) -> None:
    path = trial.world.lab / how["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(f"{str(how['content']).rstrip()}\n".encode())


def _ask(trial: Trial, how: Mapping[str, Any]) -> None:
    if "form" in how:
        body, kind = urllib.parse.urlencode(how["form"]).encode(), "application/x-www-form-urlencoded"
    else:
        body, kind = json.dumps(how["json"]).encode(), "application/json"
    path = how["path"]
    if "find" in how:  # the other side's own name for a number or a ticket
        path = path.replace("ID", find_id(trial.world, str(how["find"]), str(path)))
    trial.world.ask(how["server"], how["method"], path, body, kind)


def _do(trial: Trial, how: Mapping[str, Any]) -> None:
    other = Trial(trial.world, {**how, "timeout": 8, "settle": 8}, trial.collection, trial.item, trial.world.source)
    outcome = other.attempt()
    assert outcome.event.kind in ("item_changed", "item_ran", "item_unchanged"), outcome.event


_ARRANGEMENTS = {"put": _put, "append": _append, "ask": _ask, "do": _do}


# ---------------------------------------------------------------- the far side, looked at without the product


_PASSING = ("device-sip-registration-", "device-provisioning-last-retrieved")
"""Fields that a phone alters by living."""


def find_id(world: World, number: str, path: str) -> str:
    """The other side's own name for a number, or for the ticket with a key, of the API that ``path`` is of."""
    for prefix, tickets, name in (("/REST", _rt_tickets, "id"), ("/api", _incidents, "sys_id"), ("/rest", _issues, "key")):
        if path.startswith(f"{prefix}/"):
            return str(tickets(world, number)[0][name])
    if path.startswith("/v2/"):
        found = world.ask("carrier", "GET", f"/v2/phone_numbers?filter[phone_number]={number.lstrip('+')}")["data"]
        return str(found[0]["id"])
    found = _twilio(world, number)
    return str(found["sid"])


def far_side(trial: Trial) -> dict[str, Any]:
    """All files the servers keep, what the APIs hold for the item, and how many mails arrived."""
    world, item = trial.world, trial.item
    held: dict[str, Any] = {"mails": len(list((world.lab / "mail").glob("[0-9]*.eml")))}
    if trial.collection == "numbers":
        number = str(item.fields["number"])
        voice = find_id(world, number, "/v2/")
        held["telnyx"] = world.ask("carrier", "GET", f"/v2/phone_numbers/{voice}/voice")["data"]
        if not held["telnyx"]["call_forwarding"]["forwards_to"]:
            # Without a target the type has no effect, and Telnyx's API has no way to clear it.
            held["telnyx"]["call_forwarding"].pop("forwarding_type")
        held["sip"] = world.ask("carrier", "GET", f"/v2/credential_connections/{item.fields['connection_id']}")["data"]
        held["twilio"] = _twilio(world, number)
    extension = str(item.fields.get("extension") or item.fields["routes_to"])
    held["tickets"] = [found(world, f"c-{extension}") for found in (_rt_tickets, _incidents, _issues)]
    base = f"/ns-api/v2/domains/~/users/{extension}"
    held["user"] = world.ask("platform", "GET", base)
    held["users"] = world.ask("platform", "GET", "/ns-api/v2/domains/~/users/count")
    held["door"] = world.ask("rest", "GET", f"/doors/doors/{extension}")
    held["people"] = world.ask("rest", "GET", f"/crm/people?extension={extension}")
    held["devices"] = [_lasting(device) for device in world.ask("platform", "GET", f"{base}/devices") or ()]
    return {**held, "files": world.files()}


def _twilio(world: World, number: str) -> dict[str, Any]:
    query = urllib.parse.urlencode({"PhoneNumber": number})
    found = world.ask("carrier", "GET", f"/2010-04-01/Accounts/{{sid}}/IncomingPhoneNumbers.json?{query}")
    numbers: list[dict[str, Any]] = found["incoming_phone_numbers"]
    return next(entry for entry in numbers if entry["phone_number"] == number)


def _rt_tickets(world: World, key: str) -> list[dict[str, Any]]:
    """Tickets with a key, with what people see of them."""
    query = urllib.parse.urlencode({"query": f"RefersTo = 'switchover:{key}'"})
    found = world.ask("desk", "GET", f"/REST/2.0/tickets?{query}")["items"]
    tickets = [world.ask("desk", "GET", f"/REST/2.0/ticket/{entry['id']}") for entry in found]
    said = [world.ask("desk", "GET", f"/REST/2.0/ticket/{entry['id']}/attachments")["total"] for entry in found]
    shown = ("id", "Subject", "Status", "Priority", "Queue")
    return [{**{name: ticket[name] for name in shown}, "said": n} for ticket, n in zip(tickets, said, strict=True)]


def _incidents(world: World, key: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"sysparm_query": f"correlation_id=switchover:{key}"})
    found: list[dict[str, Any]] = world.ask("desk", "GET", f"/api/now/table/incident?{query}")["result"]
    return [{name: value for name, value in incident.items() if not name.startswith("close_")} for incident in found]


def _issues(world: World, key: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"jql": f'labels = "switchover-{key}"'})
    found: list[dict[str, Any]] = world.ask("desk", "GET", f"/rest/api/3/search/jql?{query}")["issues"]
    return [{**i, "said": world.ask("desk", "GET", f"/rest/api/3/issue/{i['key']}/comment")["total"]} for i in found]


def _lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    password = "device-sip-registration-password"
    return {name: value for name, value in record.items() if name == password or not name.startswith(_PASSING)}


def text_of(event: Event) -> str:
    """An event as the journal writes it."""
    return json.dumps([event.kind, encode(event)], default=str)


def _basic(secrets: Mapping[str, Any], username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{secrets[username]}:{secrets[password]}".encode()).decode()
