"""Secrets in phone configurations, masked by the key they stand under.

What stands on the server may hold a password nobody told us, so searching for known values is not enough: each vendor's
keys say where secrets are. A masked value that changes is marked, or the operator would see a diff without a difference.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

from engine.actions.phone.vendors import Family
from engine.model.secret import MASK

_FORMS = {
    "lines": re.compile(r"(?m)^(?P<head>[ \t]*\#?[ \t]*(?P<key>[\w.]+)[ \t]*=[ \t]*)(?P<value>[^\r\n]+?)(?P<tail>[ \t]*\r?)$"),
    "elements": re.compile(
        r"(?s)(?P<head><(?P<key>[\w.-]+)(?:\s[^>]*)?(?<!/)>)(?P<value>(?:[^<]|<!\[CDATA\[.*?\]\]>)+)(?P<tail></)"
    ),
    "attributes": re.compile(r"""(?s)(?P<head>(?P<key>[\w.]+)\s*=\s*(?P<quote>["']))(?P<value>.+?)(?P<tail>(?P=quote))"""),
}
"""How settings are written. Commented-out lines count: old passwords stand there too."""

Mask = Callable[[re.Match[str]], str]


def mask_pair(
    family: Family, before: bytes | None, after: bytes, redact: Callable[[str], str],
) -> tuple[str | None, str]:
    """Both sides fit to be shown. Values under secret keys become ``***``; where they differ, ``*** (old)`` and ``*** (new)``."""
    pattern, is_secret = _FORMS[family.form], _secrecy_of(family)
    new = after.decode()
    old = None if before is None else _text(before)
    if before is None or old is None:
        shown = None if before is None else f"({len(before)} bytes that are not text)\n"
        return shown, redact(pattern.sub(_marker(is_secret, frozenset(), ""), new))
    changed = _differing(list(_secrets(pattern, is_secret, old)), list(_secrets(pattern, is_secret, new)))
    return (
        redact(pattern.sub(_marker(is_secret, changed, " (old)"), old)),
        redact(pattern.sub(_marker(is_secret, changed, " (new)"), new)),
    )


@functools.cache
def _secrecy_of(family: Family) -> Callable[[str], bool]:
    """Tells secret keys of a family, in any case: a phone may be picky, a mask had better not be."""
    keys = "|".join(re.escape(key).replace(r"\*", r"\d+") for key in family.secret_keys)
    pattern = re.compile(keys, re.IGNORECASE)

    @functools.lru_cache(maxsize=4096)
    def is_secret(key: str) -> bool:
        return pattern.fullmatch(key) is not None

    return is_secret


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _secrets(pattern: re.Pattern[str], is_secret: Callable[[str], bool], text: str) -> Iterator[tuple[str, str]]:
    for match in pattern.finditer(text):
        if is_secret(match["key"]):
            yield match["key"].lower(), match["value"]


def _differing(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> frozenset[str]:
    """Keys that both sides have, with different values."""
    before, after = dict(old), dict(new)
    return frozenset(key for key, value in after.items() if before.get(key, value) != value)


def _marker(is_secret: Callable[[str], bool], changed: frozenset[str], mark: str) -> Mask:
    def mask(match: re.Match[str]) -> str:
        key = match["key"]
        if not is_secret(key):
            return match[0]
        return f"{match['head']}{MASK}{mark if key.lower() in changed else ''}{match['tail']}"

    return mask
