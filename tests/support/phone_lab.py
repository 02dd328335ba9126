"""The lab's TFTP server, platform and phones as processes of their own, and sessions into them by the real transports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine.lab.board import Fault, write_faults
from engine.lab.control import SERVERS, lab_down, lab_up
from engine.model.secret import Secret
from engine.ports import HttpReply
from engine.transports.http import HttpPool
from engine.transports.local import LocalSession
from engine.transports.sip import SipPool
from engine.transports.tftp import TftpPool
from tests.support.phone_sessions import PhoneSessions

TOKEN = "nsd_lab-platform-token"
DOMAIN = "example.12345.service"
T = TypeVar("T")

PHONES: tuple[dict[str, Any], ...] = tuple(
    {"mac": mac, "vendor": vendor, "model": model, "extension": extension, "label": f"Phone {extension}",
     "line_password": f"pw-{extension}-<&>x"}
    for mac, vendor, model, extension in (
        ("001565a1b2c3", "yealink", "T46S", "101"),
        ("64167f0a0b0c", "poly", "VVX411", "102"),
        ("000b82d1d2d3", "grandstream", "GXP2170", "103"),
        ("0002fdff2103", "cisco", "SPA504G", "104"),
        ("00562b040506", "cisco", "CP-8841-3PCC", "105"),
        ("0004139a9b9c", "snom", "D785", "106"),
    )
)


def seed_of(phones: tuple[dict[str, Any], ...] = PHONES) -> dict[str, Any]:
    """What the lab's servers are started with."""
    return {
        "customer": "example-dental", "domain": DOMAIN, "connections": {}, "ports": {}, "phones": list(phones),
        "users": [{"extension": "101", "name": "Ada Lovelace", "email": "ada@example.com"}],
        "numbers": [{"number": "+12025550101", "temporary_did": "+12025550151", "routes_to": "101", "label": "Main"}],
        "secrets": {"platform_token": TOKEN},
    }


@dataclass
class PhoneLab:
    """A lab that is up."""

    folder: Path
    ports: Mapping[str, Mapping[str, int]]
    tftp: TftpPool = field(default_factory=TftpPool)
    http: HttpPool = field(default_factory=HttpPool)
    sip: SipPool = field(default_factory=SipPool)
    settle_s: float = 10.0

    def sessions(self, phone: Mapping[str, Any], read_only: bool = False, left_s: float = 5.0) -> PhoneSessions:
        """Sessions for one phone: ``prov`` (tftp), ``phones`` (sip), ``platform`` (netsapiens), ``logs`` (local)."""
        settings = self.settings()

        def deadline() -> float:
            return left_s

        return PhoneSessions(
            context={"item": phone, "sip_server": "sip.example.net", "customer": {"timezone": "America/New_York"}},
            secrets=(str(phone["line_password"]), TOKEN),
            types={"prov": "tftp", "phones": "sip", "platform": "netsapiens", "logs": "local"},
            settings=settings,
            open_files=lambda name: (
                self.tftp.session(settings[name], read_only, deadline) if name == "prov"
                else LocalSession(settings[name], read_only, deadline)
            ),
            open_http=lambda name: self.http.session(name, "netsapiens", settings[name], read_only, deadline),
            open_sip=lambda name: self.sip.session(settings[name], read_only, deadline),
        )

    def settings(self) -> dict[str, dict[str, object]]:
        """The connections into the lab."""
        return {
            "prov": {"host": "127.0.0.1", "port": self.ports["tftp"]["tftp"]},
            "phones": {"host": "127.0.0.1", "port": self.ports["phones"]["sip"]},
            "platform": {
                "url": f"http://127.0.0.1:{self.ports['platform']['http']}/ns-api/v2", "token": Secret(TOKEN), "domain": DOMAIN,
            },
            "logs": {"root": str(self.folder)},
        }

    def ask(self, method: str, path: str, **more: Any) -> HttpReply:
        """One exchange with the platform."""
        return self.http.session("platform", "netsapiens", self.settings()["platform"], False, lambda: 5.0).request(
            method, path, **more
        )

    def log(self, server: str, kind: str | None = None) -> list[dict[str, Any]]:
        """What a server recorded."""
        path = self.folder / f"{server}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if kind is None or entry["kind"] == kind]

    def fail(self, *faults: tuple[str, str, str, float | None]) -> None:
        """Sets faults: server, name, match, value. Replaces those set before."""
        write_faults(self.folder, [
            Fault(f"{time.monotonic_ns()}-{index}", server, name, match, None, value)
            for index, (server, name, match, value) in enumerate(faults)
        ])

    def until(self, read: Callable[[], T | None], why: str) -> T:
        """Reads again until there is something; fails after ``settle_s``."""
        ends = time.monotonic() + self.settle_s
        while time.monotonic() < ends:
            found = read()
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{why} did not happen within {self.settle_s:g} s")

    def close(self) -> None:
        self.tftp.close()
        self.http.close()
        self.sip.close()


@contextmanager
def phone_lab(folder: Path, seed: Mapping[str, Any]) -> Iterator[PhoneLab]:
    """Starts the three servers and takes them down again."""
    servers = [kind for kind in SERVERS if kind.name in {"tftp", "platform", "phones"}]
    status = lab_up(folder, seed, servers)
    lab = PhoneLab(status.folder, {server.name: server.ports for server in status.servers})
    try:
        yield lab
    finally:
        lab.close()
        lab_down(folder, servers)
