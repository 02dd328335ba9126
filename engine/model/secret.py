"""Values that must never be shown.

A reference (``env:NAME``, ``file:PATH``, ``vault:MOUNT/PATH#FIELD``, ...) may stand in any file; what it points to lives only in
a ``Secret`` and leaves it through ``reveal`` at the moment a transport needs it.
"""

from __future__ import annotations

import binascii
import functools
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4
"""Shorter values are masked by the field they stand in, not by search: replacing every ``12`` would ruin the text."""
_LONG_ENOUGH = 6
"""Bytes from which a value is recognised in the middle of base64."""
CUT = "..."
"""Ends a text that was cut short."""
_MANY = 4
"""Values past which one pattern is quicker than a search for each form."""


_FOR_URLS = str.maketrans("+/", "-_")
"""Base64's two alphabets differ in these."""
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
    """Replaces known secret values in text, also encoded in the ways that systems repeat what they were sent.

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
        if self._forms is None and CUT not in text and not any(_may_hold(text, value) for value in self._values):
            return text
        if self._forms is None:
            # Longest first: a form may be part of another.
            self._forms = sorted({form for value in self._values for form in _encodings(value)}, key=len, reverse=True)
            if len(self._values) > _MANY:
                self._pattern = re.compile("|".join(map(re.escape, self._forms)))
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        else:
            for form in self._forms:
                text = text.replace(form, MASK)
        return self._without_stumps(text) if CUT in text else text

    def _without_stumps(self, text: str) -> str:
        """Masks the beginning of a secret that stands where a text was cut short: it was cut before anybody could mask it."""
        before, *after = text.split(CUT)
        parts = [*map(self._without_stump, [before, *after[:-1]]), after[-1]]
        return CUT.join(parts)

    def _without_stump(self, text: str) -> str:
        longest = max((_overlap(text, form) for form in self._forms or ()), default=0)
        return text[: len(text) - longest] + MASK if longest >= _SHORTEST else text


def _overlap(text: str, form: str) -> int:
    """How many characters at the end of a text are the beginning of a form."""
    end = text[-len(form):]
    start = end.find(form[:_SHORTEST])
    while start >= 0:
        if form.startswith(end[start:]):
            return len(end) - start
        start = end.find(form[:_SHORTEST], start + 1)
    return 0


def _may_hold(text: str, value: str) -> bool:
    """Whether a text could hold any of a value's encodings; nearly none does, and to know that takes a fifth of the time.

    In hex and in base64 at any offset, ``n`` bytes are ``4n/3 - 1`` letters or digits in a row at the least.
    """
    return value in text or _NOT_PLAIN.search(value) is not None or _in_a_row(len(value) * 4 // 3 - 1).search(text) is not None


@functools.cache
def _in_a_row(count: int) -> re.Pattern[str]:
    return re.compile(f"[A-Za-z0-9+/_-]{{{count}}}")


def _encodings(value: str) -> set[str]:
    raw = value.encode()
    in_hex = raw.hex()
    forms = {value, in_hex, in_hex.upper(), *_in_base64(raw)}
    if _NOT_PLAIN.search(value):
        forms |= {quote(value, safe=""), quote(value), quote_plus(value), escape(value), escape(value, quote=False)}
        forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return forms


def _in_base64(raw: bytes) -> Iterator[str]:
    """Alone, and as it comes out behind something else, such as the user's name in HTTP's basic credentials."""
    whole = binascii.b2a_base64(raw, newline=False).decode()
    found = [whole, whole.rstrip("=")]
    if len(raw) >= _LONG_ENOUGH:
        for ahead, shared in ((1, 2), (2, 3)):
            shifted = binascii.b2a_base64(bytes(ahead) + raw, newline=False).decode().rstrip("=")
            # The first and last characters hold bits of what stands beside it.
            found.append(shifted[shared : (ahead + len(raw)) * 8 // 6])
        found.append(whole[: len(raw) * 8 // 6])
    yield from found
    yield from (form.translate(_FOR_URLS) for form in found if "+" in form or "/" in form)
