"""Puts the lab in the place of a customer's systems: every connection is replaced by its twin on loopback.

What a twin keeps of the real connection is listed per type, so that a host, a login or a jump host of the real system
cannot slip through. A type without a twin is refused: a rehearsal must never touch a real system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from engine.lab.control import lab_status
from engine.lab.rest_login import twin_settings
from engine.lab.seed import read_seed
from engine.model.errors import SwitchoverError
from engine.model.inventory import Connection
from engine.model.values import dataclass

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Lab:
    """Where the lab listens and how to log in. Secrets are given as ``file:`` references, as an inventory gives them."""

    folder: Path
    ports: Mapping[str, Mapping[str, int]]
    secrets: Mapping[str, str]
    apis: frozenset[str]
    """Connections of type ``http`` that it came up with."""

    def secret(self, name: str) -> str:
        return f"file:{self.folder / 'secrets' / name}"

    def port(self, server: str, name: str) -> int:
        return self.ports[server][name]

    def url(self, server: str, path: str = "") -> str:
        return f"http://{_LOOPBACK}:{self.port(server, 'http')}{path}"


Settings = Mapping[str, object]
_Twin = Callable[[Connection, _Lab], Settings]


def lab_connections(connections: Mapping[str, Connection], folder: Path) -> Mapping[str, Connection]:
    """The same names and types, leading into the lab in ``folder``. Raises ``SwitchoverError`` when the lab is not up, or
    when a type has no twin in it."""
    refused = [c for c in connections.values() if c.type not in TWINS]
    if refused:
        names = ", ".join(f"{c.name} (type {c.type})" for c in refused)
        raise SwitchoverError(
            "The lab has no twin for a connection",
            f"{names} would reach a real system during a rehearsal. The lab plays {', '.join(sorted(TWINS))}; "
            "rehearse with an inventory whose connections are of these types.",
        )
    lab = _opened(folder)
    return {name: Connection(name, c.type, dict(TWINS[c.type](c, lab))) for name, c in connections.items()}


def _opened(folder: Path) -> _Lab:
    status = lab_status(folder)
    started = [server for server in status.servers if server.pid is not None] or status.servers
    if not all(server.alive for server in started):
        dead = ", ".join(server.name for server in started if not server.alive)
        raise SwitchoverError("The lab is not up", f"Not running in {status.folder}: {dead}. Start it with: switchover lab up")
    seed = read_seed(status.folder / "seed.json")
    return _Lab(status.folder, {server.name: server.ports for server in status.servers}, seed["secrets"], frozenset(seed["rest"]))


def _kept(connection: Connection, *names: str) -> dict[str, object]:
    return {name: connection.settings[name] for name in names if name in connection.settings}


def local_root(lab: Path, connection: str) -> Path:
    """The folder that a connection of type ``local`` leads into, in a lab."""
    return lab / "local-root" / connection


def _local(connection: Connection, lab: _Lab) -> Settings:
    root = local_root(lab.folder, connection.name)
    root.mkdir(parents=True, exist_ok=True)
    return {"root": str(root)}


def _tftp(connection: Connection, lab: _Lab) -> Settings:
    kept = _kept(connection, "blksize", "timeout_s", "retries", "root")
    return {**kept, "host": _LOOPBACK, "port": lab.port("tftp", "tftp")}


def _ssh(connection: Connection, lab: _Lab) -> Settings:
    return {
        **_kept(connection, "root", "keepalive_s"),
        "host": _LOOPBACK, "port": lab.port("ssh", "ssh"), "host_keys": "strict",
        "known_hosts": str(lab.folder / "known_hosts"),
        "username": lab.secrets["ssh_username"], "password": lab.secret("ssh_password"),
        # One login for many phones names each by its real address: here every one of them is this listener.
        "fixed_host": True,
    }


def _smtp(connection: Connection, lab: _Lab) -> Settings:
    tls = connection.settings.get("security") == "tls"
    return {
        **_kept(connection, "from", "redirect_all", "allow"),
        "host": _LOOPBACK, "port": lab.port("mail", "smtps" if tls else "smtp"), "security": "tls" if tls else "starttls",
        "ca_file": str(lab.folder / "ca.pem"),
        "username": lab.secrets["smtp_username"], "password": lab.secret("smtp_password"),
    }


def _telnyx(connection: Connection, lab: _Lab) -> Settings:
    return {"url": lab.url("carrier"), "api_key": lab.secret("telnyx_api_key")}


def _twilio(connection: Connection, lab: _Lab) -> Settings:
    return {
        **_kept(connection, "forward_url"),
        "url": lab.url("carrier"), "account_sid": lab.secrets["twilio_account_sid"],
        "auth_token": lab.secret("twilio_auth_token"),
    }


def _netsapiens(connection: Connection, lab: _Lab) -> Settings:
    return {**_kept(connection, "domain"), "url": lab.url("platform", "/ns-api/v2"), "token": lab.secret("platform_token")}


def _http(connection: Connection, lab: _Lab) -> Settings:
    if connection.name not in lab.apis:
        raise SwitchoverError(
            "The lab does not know a connection",
            f"{connection.name} (type http) was not in the inventory the lab came up with, so nothing plays it. "
            "Bring the lab up anew: switchover lab down, then switchover lab up.",
        )
    login = twin_settings(connection.settings, lab.secrets["rest_username"], lab.secret("rest_password"), lab.secret("rest_key"))
    return {"url": lab.url("rest", f"/{quote(connection.name, safe='')}"), **login}


def _rt(connection: Connection, lab: _Lab) -> Settings:
    return {**_kept(connection, "priorities", "withdraw_as"), "url": lab.url("desk"), "token": lab.secret("rt_token")}


def _servicenow(connection: Connection, lab: _Lab) -> Settings:
    kept = _kept(connection, "close_code", "withdraw_as")
    return {**kept, "url": lab.url("desk"), "token": lab.secret("servicenow_token")}


def _jira(connection: Connection, lab: _Lab) -> Settings:
    # The lab's workflow and priorities are its own: what the real site calls them would not be found there.
    withdraw = {"withdraw_as": "Won't Do"} if "withdraw_as" in connection.settings else {}
    return {**withdraw, "url": lab.url("desk"), "username": lab.secrets["jira_username"], "token": lab.secret("jira_token")}


def _sip(connection: Connection, lab: _Lab) -> Settings:
    return {**_kept(connection, "domain", "transport"), "host": _LOOPBACK, "port": lab.port("phones", "sip")}


TWINS: Mapping[str, _Twin] = {
    "local": _local, "tftp": _tftp, "ssh": _ssh, "sftp": _ssh, "smtp": _smtp, "telnyx": _telnyx, "twilio": _twilio,
    "netsapiens": _netsapiens, "http": _http, "rt": _rt, "servicenow": _servicenow, "jira": _jira, "sip": _sip,
}
"""Connection type -> its twin's settings."""

SERVERS_OF: Mapping[str, tuple[str, ...]] = {
    "local": (), "tftp": ("tftp", "platform", "phones"), "ssh": ("ssh",), "sftp": ("ssh",), "smtp": ("mail",),
    "telnyx": ("carrier",), "twilio": ("carrier",), "netsapiens": ("platform", "phones"), "http": ("rest",), "rt": ("desk",),
    "servicenow": ("desk",), "jira": ("desk",), "sip": ("phones",),
}
"""Connection type -> the servers that its twin leads to, or that act by what it is told."""
