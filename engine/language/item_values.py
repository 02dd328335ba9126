"""Single values of items: each check takes text and returns it in the one form it is kept in.

What a spreadsheet has spoilt is refused, never repaired: a lost leading zero or rounded digit is a wrong phone configured.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from engine.language.nearest import did_you_mean

Check = Callable[[str], str]
"""Takes text that is not empty, without blanks around it; returns the form to keep; raises ``BadValueError``."""


class BadValueError(ValueError):
    """A value that cannot be kept. ``summary`` is the same for its kind; the message is a sentence that says what to do."""

    def __init__(self, summary: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.summary = summary
        self.detail = detail
        self.hint = hint


SPREADSHEET_FLOAT = re.compile(r"[-+]?[0-9]+[.,][0-9]*\Z")
SPREADSHEET_EXPONENT = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?[eE][-+]?[0-9]+\Z")
FORMAT_AS_TEXT = "Format the column as text in the spreadsheet, correct the value and export again."

# ---------------------------------------------------------------- MAC addresses

_BARE_MAC = re.compile(r"[0-9a-f]{12}\Z")
_WITH_COLONS = re.compile(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_GROUPED = (
    re.compile(r"[0-9a-f]{1,2}(?:([:.-])[0-9a-f]{1,2})(?:\1[0-9a-f]{1,2}){4}\Z"),  # 00:04:f2:ab:cd:ef, 0-4-f2-1-2-3
    re.compile(r"[0-9a-f]{4}([:.-])[0-9a-f]{4}\1[0-9a-f]{4}\Z"),  # 0004.f2ab.cdef
    re.compile(r"[0-9a-f]{6}[:-][0-9a-f]{6}\Z"),  # 0004f2-abcdef
)
_MAC = "Invalid MAC address"
_ODD = frozenset("13579bdf")
_LOCAL = frozenset("26ae")


def mac_address(text: str) -> str:
    """A 48-bit MAC address in any usual notation as 12 lower-case hex digits."""
    bare = text if _BARE_MAC.match(text) else _bare_mac(text)
    if bare in ("000000000000", "ffffffffffff"):
        raise BadValueError(_MAC, f"{text!r} is a placeholder, not the address of a device. Take it from the phone's label.")
    if bare[1] in _ODD:
        detail = f"{text!r} is a multicast address (its first octet, {bare[:2]}, is odd), which no device has. Check it."
        raise BadValueError(_MAC, detail)
    return bare


def is_locally_administered(mac: str) -> bool:
    """Whether somebody other than the maker gave this address, as virtual machines and phone apps do."""
    return mac[1] in _LOCAL


def _bare_mac(text: str) -> str:
    if _WITH_COLONS.match(text):  # by far the most common
        return text.replace(":", "").lower()
    lower = text.lower()
    if any(form.match(lower) for form in _GROUPED):
        groups = re.split("[:.-]", lower)
        width = 12 // len(groups)
        return "".join(group.rjust(width, "0") for group in groups)
    if _BARE_MAC.match(lower):
        return lower
    raise BadValueError(_MAC, _why_no_mac(text, lower))


def _why_no_mac(text: str, lower: str) -> str:
    digits = re.sub("[:. -]", "", lower)
    if len(digits) == 16 and _HEX.match(digits):
        return f"{text!r} has 64 bits (EUI-64). A phone's MAC address has 48: 12 hex digits. Take it from its label."
    if SPREADSHEET_EXPONENT.match(lower) or SPREADSHEET_FLOAT.match(lower):
        return f"{text!r} was a MAC address before a spreadsheet read it as a number; its digits are lost. {FORMAT_AS_TEXT}"
    if lower.startswith(("sep", "0x")):
        return f"{text!r} starts with {text[: 3 if lower[0] == 's' else 2]!r}, which is not part of the address. Remove it."
    if not _HEX.match(digits):
        return f"{text!r} is no MAC address: 12 hex digits (0-9, a-f), such as 00:04:f2:ab:cd:ef."
    if len(digits) == 11:
        return (
            f"{text!r} has 11 hex digits, a MAC address has 12. A spreadsheet may have dropped a leading zero, "
            "but nothing is guessed: take it from the phone's label."
        )
    if len(digits) == 12:
        return f"{text!r} has 12 hex digits but odd separators. Write 00:04:f2:ab:cd:ef or 0004f2abcdef."
    return f"{text!r} has {len(digits)} hex digits, a MAC address has 12."


# ---------------------------------------------------------------- extensions

_EXTENSION = re.compile(r"[0-9]{2,8}\Z")


def extension(text: str) -> str:
    """An extension: 2 to 8 digits, kept as written."""
    if _EXTENSION.match(text) and text.isascii():
        return text
    if SPREADSHEET_FLOAT.match(text) or SPREADSHEET_EXPONENT.match(text):
        detail = f"{text!r} is an extension that a spreadsheet read as a number; a leading zero would be lost. {FORMAT_AS_TEXT}"
    else:
        detail = f"{text!r} is no extension: 2 to 8 digits, nothing else."
    raise BadValueError("Invalid extension", detail)


# ---------------------------------------------------------------- words and addresses

VENDORS = ("yealink", "poly", "grandstream", "cisco", "snom")
_VENDOR_ALIASES: Mapping[str, str] = {
    "polycom": "poly", "hp poly": "poly", "cisco systems": "cisco", "cisco-linksys": "cisco", "linksys": "cisco",
}
_KNOWN_VENDORS: Mapping[str, str] = {**{name: name for name in VENDORS}, **_VENDOR_ALIASES}


def vendor(text: str) -> str:
    """The maker's name as templates and phone facts spell it."""
    known = _KNOWN_VENDORS.get(text) or _KNOWN_VENDORS.get(text.lower())
    if known is None:
        detail = (
            f"{text!r} is not one of {', '.join(VENDORS)}. Phones of other makers cannot be configured; "
            "put them into a collection of their own."
        )
        raise BadValueError("Unknown vendor", detail, did_you_mean(text, _KNOWN_VENDORS))
    return known


_EMAIL = re.compile(r"[^\s@<>,;\"()]+@[^\s@<>,;\"().]+(?:\.[^\s@<>,;\"().]+)+\Z")


def email(text: str) -> str:
    """One plain e-mail address."""
    if _EMAIL.match(text) is None or ".." in text:
        detail = f"{text!r} is no e-mail address of the form name@example.net."
        if "<" in text or "," in text or ";" in text:
            detail += " Give one address, without a display name."
        raise BadValueError("Invalid e-mail address", detail)
    return text


_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}\Z")


def ip_address(text: str) -> str:
    """An IPv4 or IPv6 address."""
    if _IPV4.match(text):
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadValueError("Invalid IP address", f"{text!r} is no IPv4 or IPv6 address.") from None
