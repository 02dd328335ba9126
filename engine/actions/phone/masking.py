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
    family: Family, before: bytes | None, after: bytes | None, redact: Callable[[str], str],
) -> tuple[str | None, str | None]:
    """Both sides fit to be shown, None for a side that does not exist. Values under secret keys become ``***``; where they
    differ, ``*** (old)`` and ``*** (new)``."""
    pattern = _pattern(family)
    old, new = _text(before), _text(after)
    if old is None or new is None:
        changed: frozenset[str] = frozenset()
    else:
        changed = _differing(list(_secrets(pattern, old)), list(_secrets(pattern, new)))
    return (
        None if old is None else redact(pattern.sub(_marker(changed, "old"), old)),
        None if new is None else redact(pattern.sub(_marker(changed, "new"), new)),
    )


@functools.cache
def _pattern(family: Family) -> re.Pattern[str]:
    keys = "|".join(re.escape(key).replace(r"\*", r"\d+") for key in family.secret_keys)
    return re.compile(_FORMS[family.form].replace("{keys}", f"(?:{keys})"))


def _text(data: bytes | None) -> str | None:
    """As text; what is none is said to be none."""
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"({len(data)} bytes that are not text)\n" if "\0" in text else text


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
    if not changed:
        return _masked

    def mask(match: re.Match[str]) -> str:
        mark = f" ({side})" if match["key"].lower() in changed else ""
        return f"{match['head']}{MASK}{mark}{match['tail']}"

    return mask
