"""How the lab's phones behave, by vendor: what they ask for, what they hear, how they read their files.

Told here a second time on purpose: if phones took their file names from the product's own table, a wrong name there would
be found by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.etree import ElementTree

from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """What a phone takes out of its files for its first line."""

    server: str
    port: int
    user: str
    auth_user: str
    password: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One make of phone. ``boot``: files asked for in order; a missing one is passed over."""

    boot: tuple[str, ...]
    hears: frozenset[str]
    read: Callable[[Mapping[str, bytes]], Account | None]
    user_agent: str

    def file_names(self, mac: str, model: str) -> tuple[str, ...]:
        """``mac`` is lower case and bare."""
        return tuple(name.format(mac=mac, MAC=mac.upper(), model=model) for name in self.boot)


def behaviour_of(vendor: str, model: str) -> tuple[Behaviour, str]:
    """A phone's behaviour, and its model as it spells it itself. Raises ``ValueError`` for one the lab does not have."""
    bare = re.sub(r"[\s_-]", "", model)
    if vendor == "cisco":
        number = re.search(r"\d{4}", bare)
        return (_MPP, number[0]) if number and not bare.upper().startswith("SPA") else (_SPA, bare.upper())
    if vendor == "snom":
        return _SNOM, bare.upper().removeprefix("SNOM")
    if vendor == "yealink":
        return _YEALINK, bare.upper().removeprefix("SIP")
    if vendor == "poly":
        return _POLY, bare
    if vendor == "grandstream":
        return _GRANDSTREAM, bare.upper()
    raise ValueError(f"the lab has no phones of vendor {vendor!r}")


def _yealink(files: Mapping[str, bytes]) -> Account | None:
    settings: dict[str, str] = {}
    for data in files.values():
        lines = data.decode().splitlines()
        if not lines or lines[0] != "#!version:1.0.0.1":
            continue  # a Yealink drops such a file
        pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
        settings.update((key.strip(), value.strip()) for key, _, value in pairs)
    if settings.get("account.1.enable") != "1":
        return None
    server = settings["account.1.sip_server.1.address"]
    return Account(
        server, int(settings.get("account.1.sip_server.1.port", "5060")), settings["account.1.user_name"],
        settings["account.1.auth_name"], settings["account.1.password"],
    )


def _poly(files: Mapping[str, bytes]) -> Account | None:
    master = next((data for name, data in files.items() if re.fullmatch(r"[0-9a-f]{12}\.cfg", name)), None)
    if master is None:
        return None
    settings: dict[str, str] = {}
    for name in ElementTree.fromstring(master).attrib["CONFIG_FILES"].replace(",", " ").split():  # noqa: S314  # our own lab
        for element in ElementTree.fromstring(files[name]).iter() if name in files else ():  # noqa: S314
            settings.update(element.attrib)
    if "reg.1.address" not in settings:
        return None
    return Account(
        settings["reg.1.server.1.address"], int(settings.get("reg.1.server.1.port", "5060")), settings["reg.1.address"],
        settings["reg.1.auth.userId"], settings["reg.1.auth.password"],
    )


def _grandstream(files: Mapping[str, bytes]) -> Account | None:
    values = _elements(files)
    if values.get("P271") != "1":
        return None
    host, _, port = values["P47"].partition(":")
    return Account(host, int(port or 5060), values["P35"], values["P36"], values["P34"])


def _cisco(files: Mapping[str, bytes]) -> Account | None:
    values = _elements(files)
    if "Proxy_1_" not in values:
        return None
    host, _, port = values["Proxy_1_"].partition(":")
    return Account(host, int(port or 5060), values["User_ID_1_"], values["Auth_ID_1_"], values["Password_1_"])


def _snom(files: Mapping[str, bytes]) -> Account | None:
    values = _elements(files)
    if values.get("user_active") != "on":
        return None
    proxy = values["user_outbound"].partition(";")[0]
    host, _, port = proxy.partition(":")
    return Account(host, int(port or 5060), values["user_name"], values["user_pname"], values["user_pass"])


def _elements(files: Mapping[str, bytes]) -> dict[str, str]:
    """Elements of all files, the later file winning."""
    return {
        element.tag: (element.text or "").strip()
        for data in files.values()
        for element in ElementTree.fromstring(data).iter()  # noqa: S314  # our own lab
        if element.get("idx", "1") == "1"
    }


_YEALINK = Behaviour(
    ("{mac}.boot", "y000000000000.boot", "{mac}.cfg"),
    frozenset({"check-sync", "check-sync;reboot=false", "check-sync;reboot=true"}), _yealink, "Yealink SIP-{model} 66.86.0.15",
)
_POLY = Behaviour(
    ("{mac}.cfg", "{mac}-settings.cfg", "{mac}-web.cfg"), frozenset({"check-sync"}), _poly, "PolycomVVX-{model}-UA/5.9.7.3480",
)
_GRANDSTREAM = Behaviour(
    ("cfg{mac}", "cfg{mac}.xml"), frozenset({"resync", "check-sync", "check-sync;reboot=true"}), _grandstream,
    "Grandstream {model} 1.0.11.79",
)
_SPA = Behaviour(
    ("spa{mac}.cfg",), frozenset({"resync", "check-sync", "reboot_now", "restart_now"}), _cisco, "Cisco/{model}-7.6.2c",
)
_MPP = Behaviour(
    ("Cisco/CP-{model}-3PCC/{mac}.cfg",), frozenset({"check-sync", "resync", "reboot_now"}), _cisco,
    "Cisco-CP-{model}-3PCC/12.0.1",
)
_SNOM = Behaviour(
    ("snom{model}.htm", "snom{model}-{MAC}.htm"), frozenset({"check-sync;reboot=false", "check-sync;reboot=true"}), _snom,
    "snom{model}/10.1.198.19",
)
