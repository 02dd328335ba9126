"""How a twin of an ``http`` connection logs in: the connection's own scheme, the lab's own credentials.

The real values never reach the lab. A header of the connection may be a key under any name, so all are replaced but those
that only say which form an answer should have.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from engine.language.secret_names import is_reference

_FORM = frozenset({"accept", "accept-language", "content-type", "user-agent"})


def login_of(settings: Mapping[str, object]) -> dict[str, Any]:
    """Scheme (``bearer``, ``basic`` or empty) and the names of headers that hold a credential; no value of either."""
    scheme = "bearer" if "token" in settings else "basic" if "username" in settings else ""
    keys = [name for name, value in _headers(settings).items() if not _says_form(name, value)]
    return {"scheme": scheme, "headers": keys}


def twin_settings(settings: Mapping[str, object], username: str, password: str, key: str) -> dict[str, object]:
    """The settings by which a twin logs in. ``password`` and ``key`` are references."""
    found: dict[str, object] = {}
    if "token" in settings:
        found["token"] = key
    if "username" in settings:
        found |= {"username": username, "password": password}
    headers = {name: value if _says_form(name, value) else key for name, value in _headers(settings).items()}
    return {**found, "headers": headers} if headers else found


def expected_headers(login: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers, names in small letters, that a request of such a twin carries."""
    found: dict[str, str] = {}
    if login["scheme"] == "bearer":
        found["authorization"] = f"Bearer {secrets['rest_key']}"
    elif login["scheme"] == "basic":
        pair = f"{secrets['rest_username']}:{secrets['rest_password']}".encode()
        found["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return {**found, **{name.lower(): secrets["rest_key"] for name in login["headers"]}}


def _says_form(name: str, value: str) -> bool:
    return name.lower() in _FORM and not is_reference(value)


def _headers(settings: Mapping[str, object]) -> dict[str, str]:
    headers = settings.get("headers")
    return {str(name): str(value) for name, value in headers.items()} if isinstance(headers, Mapping) else {}
