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
    "lines": r"(?mi)^(?P<head>[ \t]*\#?[ \t]*(?P<key>{keys})[ \t]*=[ \t]*)(?P<value>[^\r\n]+?)(?P<tail>[ \t]*\r?)$",
    "elements": r"(?si)(?P<head><(?P<key>{keys})(?:\s[^>]*)?(?<!/)>)(?P<value>(?:<!\[CDATA\[.*?\]\]>|[^<])+)(?P<tail></)",
    # The blank that stands before every attribute is looked for first: that is three times quicker than a word boundary.
    "attributes": r"""(?si)(?P<head>(?<=\s)(?P<key>{keys})\s*=\s*(?P<quote>["']))(?P<value>.+?)(?P<tail>(?P=quote))""",
}
"""How secrets are found in each form. Commented-out lines count: old passwords stand there too."""


def mask_pair(
    family: Family, before: bytes | None, after: bytes, redact: Callable[[str], str],
) -> tuple[str | None, str]:
    """Both sides fit to be shown. Values under secret keys become ``***``; where they differ, ``*** (old)`` and ``*** (new)``."""
    pattern = _pattern(family)
    new = after.decode()
    if before is None:
        return None, redact(pattern.sub(_masked, new))
    old = _text(before)
    if old is None:
        return f"({len(before)} bytes that are not text)\n", redact(pattern.sub(_masked, new))
    changed = _differing(list(_secrets(pattern, old)), list(_secrets(pattern, new)))
    return (
        redact(pattern.sub(_marker(changed, "old"), old)),
        redact(pattern.sub(_marker(changed, "new"), new)),
    )


@functools.cache
def _pattern(family: Family) -> re.Pattern[str]:
    keys = "|".join(re.escape(key).replace(r"\*", r"\d+") for key in family.secret_keys)
    return re.compile(_FORMS[family.form].replace("{keys}", f"(?:{keys})"))


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _secrets(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    for match in pattern.finditer(text):
        yield match["key"].lower(), match["value"]


def _differing(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> frozenset[str]:
    """Keys that both sides have, with different values."""
    before, after = dict(old), dict(new)
    return frozenset(key for key, value in after.items() if before.get(key, value) != value)


def _masked(match: re.Match[str]) -> str:
    return f"{match['head']}{MASK}{match['tail']}"


def _marker(changed: frozenset[str], side: str) -> Callable[[re.Match[str]], str]:
    def mask(match: re.Match[str]) -> str:
        mark = f" ({side})" if match["key"].lower() in changed else ""
        return f"{match['head']}{MASK}{mark}{match['tail']}"

    return mask
