"""Filters for templates that this trade needs beside Jinja's own: numbers and MAC addresses the way each system spells them.

Each raises ``ValueError`` with a sentence for what it cannot turn; the operator reads it beside the line of the template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_SEPARATORS = re.compile(r"[:.\-\s]")
_MAC = re.compile(r"[0-9a-f]{12}\Z")


def digits(value: object) -> str:
    """Digits only: ``+1 (608) 555-0100`` becomes ``16085550100``."""
    return "".join(char for char in str(value) if char in "0123456789")


def national10(value: object) -> str:
    """The ten digits of a North American number: ``+16085550100`` becomes ``6085550100``."""
    found = digits(value)
    if len(found) == 11 and found.startswith("1"):
        found = found[1:]
    if len(found) != 10 or (str(value).startswith("+") and not str(value).startswith("+1")):
        raise ValueError(f"{value!r} is no North American number of ten digits")
    return found


def e164(value: object) -> str:
    """``+`` and digits; ten digits are taken as North American: ``608-555-0100`` becomes ``+16085550100``."""
    found = digits(value)
    if not str(value).strip().startswith("+") and len(found) == 10:
        found = "1" + found
    elif not str(value).strip().startswith("+") and not (len(found) == 11 and found.startswith("1")):
        raise ValueError(f"{value!r} has no country code: write it with + in front")
    if not 8 <= len(found) <= 15:
        raise ValueError(f"{value!r} has {len(found)} digits; a number in E.164 has 8 to 15")
    return "+" + found


def mac_lower(value: object) -> str:
    """Twelve small hex digits: ``00:15:65:AA:BB:CC`` becomes ``001565aabbcc``. File names of Yealink, Poly, Grandstream."""
    found = _SEPARATORS.sub("", str(value)).lower()
    if not _MAC.match(found):
        raise ValueError(f"{value!r} is no MAC address of 12 hex digits")
    return found


def mac_upper(value: object) -> str:
    """Twelve capital hex digits: ``001565AABBCC``. File names of Snom, ``SEP`` names of Cisco."""
    return mac_lower(value).upper()


def mac_colons(value: object) -> str:
    """Pairs with colons, small: ``00:15:65:aa:bb:cc``."""
    return ":".join(_pairs(mac_lower(value)))


def mac_dashes(value: object) -> str:
    """Pairs with dashes, small: ``00-15-65-aa-bb-cc``."""
    return "-".join(_pairs(mac_lower(value)))


def _pairs(bare: str) -> list[str]:
    return [bare[index : index + 2] for index in range(0, 12, 2)]


FILTERS: Mapping[str, Callable[[object], str]] = {
    "digits": digits, "national10": national10, "e164": e164, "mac_lower": mac_lower, "mac_upper": mac_upper,
    "mac_colons": mac_colons, "mac_dashes": mac_dashes,
}
"""Name in templates -> filter; each docstring is its documentation."""
