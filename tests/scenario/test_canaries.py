"""Secrets of every kind go through everything there is, past systems that repeat what they hear, and are found nowhere.

The systems here are spiteful: they put the credentials and the bodies they were sent into their complaints, as they are, in
base64, URL-encoded and in hex.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from engine.lab.board import Board
from engine.lab.web_server import LabServer, WebApp, WebReply, WebRequest
from engine.planning.planner import Planner
from tests.support.cli import Ended
from tests.support.project import Folder
from tests.support.sshd import free_port

RUNBOOK = """switchover: 1
name: canaries
inputs: {gate: {type: secret, required: true}}
phases:
  - name: phones
    steps:
      - name: config
        action: phone.config
        for_each: phones
        with: {connection: files, mac: "{{ item.mac }}", vendor: "{{ item.vendor }}", model: "{{ item.model }}"}
  - name: doors
    steps:
      - name: code
        action: http.resource
        for_each: doors
        max_failures: 100%
        parallel: 8
        with:
          connection: "api"
          path: "/doors/{{ item.name }}"
          fields:
            code: "{{ item.door_secret }}"
            note: "set with {{ portal_token }} and {{ inputs.gate }} for {{ item.door_secret }}"
      - name: basic
        action: http.resource
        for_each: doors
        max_failures: 100%
        parallel: 8
        needs: []
        with: {connection: basic, path: "/doors/{{ item.name }}", fields: {label: "{{ item.name }} {{ item.door_secret }}"}}
  - name: mail
    needs: []
    steps:
      - name: tell
        action: mail.send
        with: {connection: mail, to: "a@example.net", subject: "Done", text: "Nothing secret."}
"""
INVENTORY = """switchover: 1
customer: canary
timezone: Europe/Berlin
country: US
connections:
  files: {type: local, root: SERVED}
  api: {type: http, url: "URL", token: "env:CANARY_TOKEN", headers: {X-Portal: "env:CANARY_HEADER"}}
  basic: {type: http, url: "URL", username: operator, password: "file:secrets/password"}
  mail: {type: smtp, host: 127.0.0.1, port: PORT, security: none, from: a@example.net, username: a, password: "env:CANARY_MAIL"}
defaults: {portal_token: "env:CANARY_VARIABLE", sip_server: sip.example.net}
collections:
  phones: {file: phones.csv}
  doors:
    key: name
    items:
      - {name: good, door_secret: "file:secrets/doors.yml#good"}
"""
PHONES = """mac,vendor,model,extension,line_password,admin_password
805ec0a10001,yealink,T54W,101,file:secrets/lines.yml#101,env:CANARY_ADMIN
"""
VARIABLES = {
    "CANARY_TOKEN": "canary-token-7Qx+/Zp==", "CANARY_HEADER": "canary header; 81 & 2", "CANARY_MAIL": "canary-mail-5x1",
    "CANARY_VARIABLE": 'canary "variable" <9>', "CANARY_ADMIN": "canary-admin-%41",
    "CANARY_INPUT": "canary-input-~1\\2",
}
NAMED = ("runbooks/canaries.yml", "-i", "inventories/canary", "--set", "gate=env:CANARY_INPUT")
FILES = {
    "password": "canary:password/é", "doors.yml": "good: canary-good-&4711\nbad: canary-bad-?4712\n",
    "lines.yml": "101: canary-line-<4714>\n",
}
SECRETS = [
    *VARIABLES.values(), "canary:password/é", "canary-good-&4711", "canary-bad-?4712",
    "canary-line-<4714>", "canary-of-old",
]
HEARD = ("authorization", "x-portal", "code", "note", "label")
"""Headers and fields of the body, each repeated by doors of its own."""


class SpitefulApi:
    """Doors with fields. Those called ``bad-HEARD-NUMBER-CUT`` take no change, and say what they heard in one of its spellings,
    so far into a long complaint that it is cut in the middle when CUT is 1."""

    def __init__(self) -> None:
        self.doors: dict[str, dict[str, object]] = {}

    def answer(self, request: WebRequest) -> WebReply:
        name = request.path.rpartition("/")[2]
        if request.method == "GET":
            return WebReply(200, self.doors.setdefault(name, {"code": "0000"}))
        heard = {**request.headers, **{key: str(value) for key, value in request.json().items()}}
        if name.startswith("bad-"):
            _, what, number, cut = name.rsplit("-", 3) if "x-portal" not in name else ("", "x-portal", *name.rsplit("-", 2)[1:])
            told = spellings(heard.get(what, "nothing"))[int(number)]
            return WebReply(400, {"message": f"{'.' * (290 - len(told) // 2) if cut == '1' else ''} I heard {told} from you"})
        self.doors[name] |= request.json()
        return WebReply(200, self.doors[name])


def bad_doors() -> str:
    """A door for each thing that is heard, each spelling of it, whole and cut."""
    names = [f"bad-{what}-{number}-{cut}" for what in HEARD for number in range(len(spellings(""))) for cut in (0, 1)]
    return "".join(f'      - {{name: {name}, door_secret: "file:secrets/doors.yml#bad"}}\n' for name in names)


def spellings(text: str) -> list[str]:
    """A text as others may repeat it."""
    raw = text.encode()
    return [
        text, quote(text, safe=""), quote_plus(text), raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(), base64.b64encode(b"operator:" + raw).decode(), escape(text),
        json.dumps(text)[1:-1],
    ]


def recognisable(secret: str) -> list[str]:
    """What gives a secret away: its first half in any spelling, since what was cut short tells as much."""
    return [spelling[: max(10, len(spelling) // 2)] for spelling in spellings(secret)]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    root, served = tmp_path / "project", tmp_path / "served"
    customer = root / "inventories" / "canary"
    (customer / "secrets").mkdir(parents=True)
    (root / "runbooks").mkdir()
    served.mkdir()
    (served / "805ec0a10001.cfg").write_text("account.1.password = canary-of-old\n")
    for name, text in FILES.items():
        (customer / "secrets" / name).write_text(text)
    with LabServer(Board(tmp_path, "api"), WebApp((), guard=SpitefulApi().answer)) as server:
        written = INVENTORY.replace("SERVED", str(served)).replace("URL", server.url).replace("PORT", str(free_port()))
        (customer / "inventory.yml").write_text(written + bad_doors())
        (customer / "phones.csv").write_text(PHONES)
        (root / "runbooks" / "canaries.yml").write_text(RUNBOOK)
        yield Folder(root)


def everything(folder: Folder) -> list[Ended]:
    """One evening, every command and every form of output."""
    commands: list[tuple[object, ...]] = [
        ("validate", *NAMED), ("plan", *NAMED, "--verbose", "--out", "c.plan"), ("plan", *NAMED, "--output", "json"),
        ("plan", *NAMED, "--output", "jsonl"), ("show", "c.plan"), ("show", "c.plan", "--output", "json"),
        ("apply", "c.plan", "--log", "e.log"), ("retry", "--output", "jsonl", "--log", "e.log"), ("status",),
        ("status", "--output", "json"),
        ("report", "--html", "r.html", "--csv", "r.csv", "--junit", "r.xml", "--jsonl", "r.jsonl"),
        ("report", "--output", "json"), ("apply", *NAMED, "--yes", "--output", "json"),
    ]
    return [folder.quick(*command) for command in commands]


def test_no_canary_is_found_outside_its_cage(folder: Folder) -> None:
    """The cages: where the inventory keeps its secrets, and what is put aside for undo."""
    ended = everything(folder)
    assert "Traceback" not in "".join(one.text for one in ended)
    assert folder.runs(), "\n".join(one.text for one in ended)
    assert {"changed", "failed"} <= {item.status.value for item in folder.fold(folder.runs()[-1]).items.values()}
    cages = (folder.root / "inventories" / "canary" / "secrets", folder.state / "keep")
    texts = {f"output {number}": one.text for number, one in enumerate(ended)} | {
        str(path.relative_to(folder.root)): path.read_bytes().decode("utf-8", "replace")
        for path in folder.root.rglob("*") if path.is_file() and not any(path.is_relative_to(cage) for cage in cages)
    }
    assert {"c.plan", "e.log", "r.html", "r.csv", "r.xml", "r.jsonl", ".switchover/journal.db"} <= texts.keys()
    found = [
        (where, part, text[max(0, text.index(part) - 60):][:160])
        for where, text in texts.items() for secret in SECRETS for part in recognisable(secret) if part in text
    ]
    assert '"gate":"env:CANARY_INPUT"' in texts["c.plan"]
    assert not found, f"{len(found)}: {found[0]}"


def test_the_report_of_a_bug_has_none_either(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw, with a connection's secret in its words."""

    def burst(planner: Planner, work: Sequence[object]) -> None:
        raise RuntimeError(f"token {VARIABLES['CANARY_TOKEN']} met {quote(VARIABLES['CANARY_VARIABLE'])}")

    monkeypatch.setattr(Planner, "plan", burst)
    told = folder.quick("plan", *NAMED).must(70).text
    named = re.search(r"\S*switchover-bug-\w+\.txt", told)
    assert named is not None
    report = Path(named[0])
    written = told + report.read_text(encoding="utf-8")
    report.unlink()
    assert "RuntimeError: token *** met ***" in written
    assert not any(part in written for secret in SECRETS for part in recognisable(secret))
