"""Which fields and settings are secret, and how a line that holds one may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.model.secret import MASK

_KINDS = ("env:", "file:", "keyring:", "vault:", "age:", "sops:", "ask:")
"""Of the stores in ``secret_stores``, which this module cannot import: their readers mask lines by it."""
_SECRET_NAME = re.compile(r"(?:\A|_)(?:password|passphrase|secret|pin|token)\Z|\Aapi_key\Z")
_SECRET_SETTING = re.compile(
    r"""(?P<name>["']?\b(?:\w*_)?(?:password|passphrase|secret|pin|token|api_key)["']?\s*:\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#,}\]][^,}\]]*)""",
    re.IGNORECASE,
)


def is_reference(text: str) -> bool:
    """Whether a value says where a secret is rather than being it."""
    return text.startswith(_KINDS)


def is_secret_name(name: str) -> bool:
    """Whether a field or setting of this name is secret: ``password``, ``line_password``, ``voicemail_pin``, ``api_key``."""
    return _SECRET_NAME.search(name) is not None


def masked_line(line: str, fields: Mapping[object, object]) -> str:
    """A line of a file with its literal secrets masked; references stay, as they are no secret.

    ``fields``: the row or mapping the line belongs to.
    """
    literals = {str(value).strip() for name, value in fields.items() if is_secret_name(str(name)) and value is not None}
    for literal in sorted(literals, key=len, reverse=True):
        if literal and not is_reference(literal):
            line = line.replace(literal, MASK)
    return _SECRET_SETTING.sub(_mask_setting, line)


def _mask_setting(match: re.Match[str]) -> str:
    value = match["value"]
    return match.group() if is_reference(value.strip("\"' ")) else match["name"] + MASK
