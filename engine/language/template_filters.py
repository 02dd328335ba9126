"""Filters for templates that this trade needs beside Jinja's own: numbers and MAC addresses the way each system spells them,
dates and money the way people do.

Each raises ``ValueError`` with a sentence for what it cannot turn; the operator reads it beside the line of the template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

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


def date(value: object, form: str = "%a %d %b %Y") -> str:
    """A day for people, from ISO 8601: ``2026-11-04T17:00-06:00`` becomes ``Wed 04 Nov 2026``; ``date('%H:%M')`` gives its time.
    A time stays in the zone it was written in."""
    try:
        return datetime.fromisoformat(str(value)).strftime(form)
    except ValueError:
        raise ValueError(f"{value!r} is no date: write 2026-11-04, or 2026-11-04T17:00-06:00") from None


def money(value: object) -> Decimal:
    """An amount to reckon with and to compare, in cents, rounded half up: ``240`` becomes ``240.00``. Never a float."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or abs(found) >= Decimal(10) ** 12:
        raise ValueError(f"{value!r} is no amount of money: write it plainly, such as 1234.50")
    return found.quantize(Decimal("0.01"), ROUND_HALF_UP)


def fields(value: object, *names: str, **renamed: str) -> dict[str, object]:
    """Some fields of a mapping: ``map('fields', 'price', name='family')`` gives each its ``price``, and its ``family`` as
    ``name``."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} has no fields")
    wanted = {**{name: name for name in names}, **renamed}
    lacking = [name for name in wanted.values() if name not in value]
    if lacking:
        raise ValueError(f"there is no {', '.join(map(repr, lacking))} among {', '.join(map(str, value))}")
    return {name: value[source] for name, source in wanted.items()}


def revised(value: object, field: str, values: object, key: str) -> list[dict[str, object]]:
    """Rows with one field replaced where a mapping has a value for the row's key: ``revised('price', prices, 'family')``. A key
    that no row has is an error: what was meant for a row must not be lost."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not isinstance(values, Mapping):
        raise ValueError("it takes a list of rows and a mapping of values, and was given something else")
    strangers = [str(name) for name in values if all(row[key] != name for row in value)]
    if strangers:
        known = ", ".join(str(row[key]) for row in value)
        raise ValueError(f"no row has {', '.join(map(repr, strangers))} as its {key}: {known}")
    return [{**row, field: values.get(row[key], row[field])} for row in value]


FILTERS: Mapping[str, Callable[..., object]] = {
    "digits": digits, "national10": national10, "e164": e164, "mac_lower": mac_lower, "mac_upper": mac_upper,
    "mac_colons": mac_colons, "mac_dashes": mac_dashes, "date": date, "money": money, "fields": fields,
    "revised": revised,
}
"""Name in templates -> filter; each docstring is its documentation."""
