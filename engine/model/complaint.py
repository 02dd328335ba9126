"""What a REST API says is wrong, in one line for an operator, whatever shape its errors have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_LONGEST = 300


def complaint_of(data: object) -> str:
    """The error text in a parsed reply; empty when it has none in a known form.

    Knows JSON:API and Telnyx (``errors: [{code, title, detail, source.pointer}]``), Twilio (``code, message, more_info``),
    RFC 9457 (``title, detail``), NetSapiens (``code, message``), ServiceNow (``error: {message, detail}``), Jira
    (``errorMessages: [...], errors: {field: why}``) and the plain ``error`` or ``message``.
    """
    text = " ".join(_complaint(data).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _complaint(data: object) -> str:
    if isinstance(data, str):
        return data
    if not isinstance(data, Mapping):
        return ""
    errors = data.get("errors")
    if isinstance(errors, Sequence) and not isinstance(errors, str):
        return "; ".join(filter(None, map(_one, errors)))
    if "errorMessages" in data:
        return "; ".join([*_texts(data["errorMessages"]), *_fields(errors)])
    nested = data.get("error")
    return _one(data) or _complaint(nested)


def _texts(found: object) -> list[str]:
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _fields(found: object) -> list[str]:
    return [f"{name}: {why}" for name, why in found.items() if isinstance(why, str)] if isinstance(found, Mapping) else []


def _one(error: object) -> str:
    if not isinstance(error, Mapping):
        return error if isinstance(error, str) else ""
    words = [str(error[name]) for name in ("title", "message", "detail") if error.get(name)]
    text = ": ".join(dict.fromkeys(words))
    source = error.get("source")
    pointer = source.get("pointer") if isinstance(source, Mapping) else None
    parts = [
        f"{error['code']} " if text and error.get("code") else "",
        text,
        f" (at {pointer})" if pointer else "",
        f" (see {error['more_info']})" if error.get("more_info") else "",
    ]
    return "".join(parts)
