"""What an unquoted word in a YAML file means.

The YAML 1.2 core schema, narrowed to what cannot be misread in this trade: only the one canonical spelling of a number is a
number. So ``21:00``, the MAC ``10:20:30:40:50:11``, the extension ``0101``, ``+16085550100``, ``no``, ``12e5`` and ``0x1f`` all
stay the text that was written. Where text is needed but a number was read (``1.10``), the reader still knows the written form.
"""

from __future__ import annotations

import re

# More digits than fit a signed 64-bit integer safely are text: a SIM card's ICCID has 19 or 20.
_INTEGER = re.compile(r"(?:-?[1-9][0-9]{0,17}|0)\Z")
# Every finite double has an exponent of at most three digits. Without a point or a sign before it there is none: ``12e5`` is
# the end of a MAC address or a door's id.
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,40}(?:[eE][-+]?[0-9]{1,3})?|[eE][-+][0-9]{1,3})\Z")
_CONSTANTS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}
_NUMBER_STARTS = frozenset("-0123456789")

CORE = "tag:yaml.org,2002:"

Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar without a tag."""
    if text[:1] in _NUMBER_STARTS:
        return _number(text)
    if len(text) < 6 and text in _CONSTANTS:
        return _CONSTANTS[text]
    return text


def _number(text: str) -> Scalar:
    if _INTEGER.match(text):
        return int(text)
    if text != "-0" and _FLOAT.match(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag such as ``!!str``. Raises ``ValueError`` with a sentence."""
    if tag in ("!", CORE + "str"):
        return text
    kind = _TAGGED.get(tag)
    if kind is None:
        raise ValueError(f"The tag {shown_tag(tag)} is not known here: only !!str, !!int, !!float, !!bool and !!null are.")
    value = resolve(text)
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        raise ValueError(f"{text!r} cannot be read as {shown_tag(tag)}. Write the plain form, such as 12, 1.5, true or null.")
    return float(value) if kind == int | float and value is not None else value


_TAGGED: dict[str, type | type[int | float]] = {
    CORE + "int": int, CORE + "float": int | float, CORE + "bool": bool, CORE + "null": type(None),  # type: ignore[dict-item]
}


def shown_tag(tag: str) -> str:
    """A tag as people write it: ``!!str``."""
    return "!!" + tag[len(CORE):] if tag.startswith(CORE) else tag
