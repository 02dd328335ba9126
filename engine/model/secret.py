"""Values that must never be shown.

A reference (``env:NAME``, ``file:PATH``, ``vault:MOUNT/PATH#FIELD``, ...) may stand in any file; what it points to lives only in
a ``Secret`` and leaves it through ``reveal`` at the moment a transport needs it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4
"""Shorter values are masked by the field they stand in, not by search: replacing every ``12`` would ruin the text."""
_MANY = 4
"""Values past which one pattern is quicker than a search for each form."""


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.~-]")
"""What URL encoding alters."""


class Secret:
    """Holds a value that prints as ``***``, compares by value and never pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised")


class Redactor:
    """Replaces known secret values in text, also base64- and URL-encoded.

    Each item has one of its own for its few secrets, asked once or twice: building a pattern would cost far more than
    searching for each form in turn. A customer's connections together have many forms, and theirs is asked all the time.
    """

    __slots__ = ("_forms", "_pattern", "_values")

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = [value for value in values if len(value) >= _SHORTEST]
        self._forms: list[str] | None = None
        self._pattern: re.Pattern[str] | None = None

    def __call__(self, text: str) -> str:
        if not self._values:
            return text
        if self._forms is None:
            # Longest first: a form may be part of another.
            self._forms = sorted({form for value in self._values for form in _encodings(value)}, key=len, reverse=True)
            if len(self._values) > _MANY:
                self._pattern = re.compile("|".join(map(re.escape, self._forms)))
        if self._pattern is not None:
            return self._pattern.sub(MASK, text)
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _encodings(value: str) -> set[str]:
    raw = value.encode()
    encoded = binascii.b2a_base64(raw, newline=False).decode()
    url_safe = encoded.replace("+", "-").replace("/", "_")
    forms = {value, raw.hex(), encoded, encoded.rstrip("="), url_safe, url_safe.rstrip("=")}
    if _NOT_PLAIN.search(value):
        forms |= {quote(value, safe=""), quote_plus(value)}
    return forms
