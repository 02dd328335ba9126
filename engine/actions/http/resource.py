"""``http.resource``: any object of a REST API brought to the wanted state.

For systems that have no action of their own. Only the named fields are compared and changed; what else the object holds is
none of the runbook's business. Fields that an API takes but never shows again, such as a password, cannot converge and are
better set by an action made for them.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from engine.model.args import arg
from engine.model.complaint import complaint_of
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable, digest
from engine.model.secret import MASK, Secret
from engine.model.values import dataclass
from engine.ports import HttpReply, HttpSession, Sessions

_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api[-_]?key|auth[-_]?key|private[-_]?key|credential|(^|[-_.])pin($|[-_.])", re.IGNORECASE,
)
_ABSENT = object()
"""Stands for a field the object does not have; null is a value."""


@dataclass(frozen=True, slots=True)
class ResourceArgs:
    """Arguments of ``http.resource``."""

    connection: str = arg("The API.", connection=("http", "telnyx", "twilio", "netsapiens"))
    path: str = arg("Where the object is read.", examples=("/domains/{domain}/users/101", "/v2/phone_numbers/129338/voice"))
    fields: Mapping[str, object] | None = arg(
        "The values it must have; dots lead into nested objects. Fields not named here are left alone.",
        default=None, examples=({"call_forwarding.forwards_to": "+12025550190"},),
    )
    method: str = arg("How it is changed.", default="PATCH", choices=("PATCH", "PUT", "POST"))
    write_path: str = arg("Where it is changed, when that is not where it is read.", default="")
    write_names: Mapping[str, str] | None = arg(
        "Fields that are written under another name than they are read.", default=None, examples=({"voice_url": "VoiceUrl"},),
    )
    also: Mapping[str, object] | None = arg(
        "Sent with each change but not compared, such as a flag.", default=None, examples=({"synchronous": "yes"},),
    )
    body_style: str = arg("How the body is sent.", default="json", choices=("json", "form"))
    merge: bool = arg(
        "Send the whole object as it was read, with the fields changed: for APIs where a PUT drops what is left out.",
        default=False,
    )
    select: str = arg(
        "Where the object stands inside the answer; dots lead inwards, numbers count from 0.",
        default="", examples=("data", "items.0"),
    )
    create: Mapping[str, object] | None = arg(
        "How to make it when it is not there: method (POST), path (write_path), body (the fields).",
        default=None, examples=({"path": "/domains/{domain}/users", "body": {"user": "101"}},),
    )
    absent: bool = arg("It must not exist: delete it.", default=False)
    secret_fields: tuple[str, ...] = arg("Fields never to be shown, beside those whose name says so.", default=())


@dataclass(frozen=True, slots=True)
class Seen:
    """The object as read. ``found``: the selected part; None when there is no such object."""

    found: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Write:
    """What apply has to do, and what was there before."""

    kind: Literal["change", "create", "delete"]
    before: Mapping[str, Any]
    """The fields that differ as they were, by dotted name; those the object did not have are not in it."""
    after: Mapping[str, Any]
    """The same fields as wanted."""
    found: Mapping[str, Any] | None
    """The whole object as read."""


class HttpResource:
    """One object of a REST API, with the named fields as wanted."""

    name: ClassVar[str] = "http.resource"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "An object of a REST API has the named values; it is read, compared, written and read back."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = ResourceArgs

    def observe(self, args: ResourceArgs, at: Sessions) -> Seen:
        """Reads the object, and takes the part that `select` names."""
        _check(args)
        found = _read(at.http(args.connection), args)
        if found is None and not args.absent and args.create is None:
            raise Permanent(f"{args.path} does not exist, and there is no 'create' that says how to make it")
        return Seen(found)

    def diff(self, args: ResourceArgs, seen: Seen) -> Change | None:
        """The fields that differ, or that it has to be made or deleted."""
        if args.absent:
            return None if seen.found is None else _deletion(args, seen.found)
        wanted = _wanted(args)
        if seen.found is None:
            return _change(args, "create", {}, wanted, None)
        current = {name: _at(seen.found, name) for name in wanted}
        differing = {name: value for name, value in wanted.items() if not _same(current[name], value, args)}
        return _change(args, "change", current, differing, seen.found) if differing else None

    def apply(self, change: Change | Unpredictable, args: ResourceArgs, at: Sessions, *, key: str) -> Receipt:
        """Changes the fields that differ, makes the object, or deletes it."""
        receipt = self.prepare(change, args, at)
        _carry_out(at.http(args.connection), args, cast(_Write, change.payload))
        return receipt

    def prepare(self, change: Change | Unpredictable, args: ResourceArgs, at: Sessions) -> Receipt:
        """Keeps the fields as they are."""
        write = cast(_Write, change.payload)
        stored = {"kind": write.kind, "before": write.before, "after": write.after}
        return Receipt({"kept": at.keep.put(json.dumps(stored, sort_keys=True).encode())}, change.summary)

    def destroys(self, given: Mapping[str, object]) -> bool:
        """Where it is told to delete."""
        return given.get("absent", False) is not False

    def undo(self, receipt: Receipt, args: ResourceArgs, at: Sessions, *, key: str) -> None:
        """Writes the former values back, or deletes what was made. What was deleted cannot be made again."""
        change = self.undoing(receipt, args, at)
        if change is None:
            return
        http, back = at.http(args.connection), cast(_WayBack, change.payload)
        if back.former is None:
            _delete(http, args.path)
        else:
            _send(http, args, args.method, args.write_path or args.path, _body(args, back.former, back.now))

    def undoing(self, receipt: Receipt, args: ResourceArgs, at: Sessions) -> Change | None:
        """The fields that are not as they were before. Raises ``ChangedSince`` when somebody changed one since."""
        stored = json.loads(at.keep.get(str(receipt.data["kept"])))
        if stored["kind"] == "delete":
            raise Permanent(f"{args.path} was deleted; this action cannot make it again as it was")
        now = _read(at.http(args.connection), args)
        if stored["kind"] == "create":
            return None if now is None else _removal(args, now, stored["after"])
        return _restoration(args, now, stored["before"], stored["after"])


@dataclass(frozen=True, slots=True)
class _WayBack:
    """What undo has to do: put ``former`` back into the object as it is ``now``, or delete it."""

    now: Mapping[str, Any]
    former: Mapping[str, Any] | None


# ---------------------------------------------------------------- what would change


def _wanted(args: ResourceArgs) -> dict[str, Any]:
    """The wanted values by dotted name; nested mappings are spelt out."""
    return dict(_flat(_revealed(args.fields or {})))


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _change(
    args: ResourceArgs, kind: Literal["change", "create"], current: Mapping[str, Any], wanted: Mapping[str, Any],
    found: Mapping[str, Any] | None,
) -> Change:
    before = {name: current[name] for name in wanted if current.get(name, _ABSENT) is not _ABSENT}
    fields = tuple(
        FieldChange(name, _shown(args, name, before.get(name)), _shown(args, name, value)) for name, value in wanted.items()
    )
    is_own_path = not args.select and "?" not in args.path
    return Change(
        f"{kind} {args.path}", fields, reversible=kind == "change" or is_own_path,
        token=digest([args.path, kind, before, wanted]), payload=_Write(kind, before, wanted, found),
    )


def _deletion(args: ResourceArgs, found: Mapping[str, Any]) -> Change:
    fields = tuple(FieldChange(name, _shown(args, name, value), None) for name, value in _flat(found))
    return Change(
        f"delete {args.path}", fields, reversible=False, token=digest([args.path, "delete", found]),
        payload=_Write("delete", {}, {}, found),
    )


def _same(current: object, wanted: object, args: ResourceArgs) -> bool:
    if current is _ABSENT:
        return False
    if args.body_style == "form":  # a form has only text, and what is empty there is often null when read
        return _as_text(current) == _as_text(wanted)
    # JSON tells 1 from true; Python does not.
    return current == wanted and isinstance(current, bool) == isinstance(wanted, bool)


def _shown(args: ResourceArgs, name: str, value: object) -> object:
    if value is None or not (name in args.secret_fields or _SECRET_NAME.search(name) or _holds_secret(_asked_for(args, name))):
        return value
    return MASK


def _asked_for(args: ResourceArgs, name: str) -> object:
    fields = args.fields or {}
    return fields.get(name, fields.get(name.partition(".")[0]))


# ---------------------------------------------------------------- reading and writing


def _read(http: HttpSession, args: ResourceArgs) -> Mapping[str, Any] | None:
    reply = http.request("GET", args.path)
    if reply.status in (404, 410):
        return None
    _demand_success(reply, f"GET {args.path}")
    if reply.data is None:
        raise Permanent(f"GET {args.path}: the answer ({reply.status}) is not JSON; does the path lead to the API?")
    found = _at(reply.data, args.select) if args.select else reply.data
    if found is _ABSENT or found is None:
        return None
    if not isinstance(found, Mapping):
        raise Permanent(f"GET {args.path}: there is no object at {args.select or 'the top'} but {_kind(found)}; correct 'select'")
    return found


def _carry_out(http: HttpSession, args: ResourceArgs, write: _Write) -> None:
    if write.kind == "delete":
        _delete(http, args.write_path or args.path)
    elif write.kind == "create":
        _create(http, args)
    else:
        # All named fields, not only those that differ: an API may want them together.
        _send(http, args, args.method, args.write_path or args.path, _body(args, _wanted(args), write.found))


def _create(http: HttpSession, args: ResourceArgs) -> None:
    create = args.create or {}
    given = create.get("body")
    body = _revealed(given) if isinstance(given, Mapping) else _body(args, _wanted(args), None)
    path = str(create.get("path") or args.write_path or args.path)
    _send(http, args, str(create.get("method") or "POST"), path, {**body, **_revealed(args.also or {})})


def _removal(args: ResourceArgs, now: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """Deleting what was created. Raises ``ChangedSince`` when it is no longer as it was created."""
    _refuse_moved(args, now, {name: (value,) for name, value in after.items()})
    fields = tuple(FieldChange(name, _shown(args, name, value), None) for name, value in after.items())
    return Change(f"delete {args.path}", fields, token=digest([args.path, "delete", after]), payload=_WayBack(now, None))


def _restoration(
    args: ResourceArgs, now: Mapping[str, Any] | None, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Change | None:
    if now is None:
        raise ChangedSince(f"{args.path} is no longer there, so its former values cannot be put back")
    # A field that was not there before is put back as null: an API has no way to say "remove".
    target = {name: before.get(name) for name in after}
    _refuse_moved(args, now, {name: (target[name], after[name]) for name in after})
    current = {name: _at(now, name) for name in target}
    differing = {name: value for name, value in current.items() if not _is_one_of(value, (target[name],), args)}
    if not differing:
        return None
    is_now = {name: None if value is _ABSENT else value for name, value in differing.items()}
    fields = tuple(FieldChange(n, _shown(args, n, value), _shown(args, n, target[n])) for n, value in is_now.items())
    return Change(f"restore {args.path}", fields, token=digest([args.path, is_now, target]), payload=_WayBack(now, target))


def _refuse_moved(args: ResourceArgs, now: Mapping[str, Any], may_be: Mapping[str, Sequence[object]]) -> None:
    moved = [name for name, values in may_be.items() if not _is_one_of(_at(now, name), values, args)]
    if moved:
        raise ChangedSince(
            f"{', '.join(moved)} of {args.path} changed since by somebody else, so it is left alone. Decide which value is right"
        )


def _is_one_of(current: object, values: Sequence[object], args: ResourceArgs) -> bool:
    return any(_same(current, value, args) or (value is None and current is _ABSENT) for value in values)


def _body(args: ResourceArgs, fields: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    names = args.write_names or {}
    renamed = {names.get(name, name): value for name, value in fields.items()}
    body: dict[str, Any] = copy.deepcopy(dict(found)) if args.merge and found is not None else {}
    for name, value in renamed.items():
        _put(body, name, value)
    return {**body, **_revealed(args.also or {})}


def _send(http: HttpSession, args: ResourceArgs, method: str, path: str, body: Mapping[str, Any]) -> HttpReply:
    if args.body_style == "form":
        reply = http.request(method, path, form={name: _as_text(value) for name, value in body.items()})
    else:
        reply = http.request(method, path, json=body)
    _demand_success(reply, f"{method} {path}")
    return reply


def _delete(http: HttpSession, path: str) -> None:
    reply = http.request("DELETE", path)
    if reply.status not in (404, 410):  # gone is what was wanted
        _demand_success(reply, f"DELETE {path}")


def _demand_success(reply: HttpReply, what: str) -> None:
    if 200 <= reply.status < 300:
        return
    moved = reply.headers.get("location", "")
    told = complaint_of(reply.data) or (f"it points to {moved}" if moved else "it gave no reason")
    raise Permanent(f"{what} was refused with {reply.status}: {told}")


# ---------------------------------------------------------------- values


def _at(data: object, path: str) -> Any:
    """The value at a dotted path; a whole name that has dots of its own wins."""
    if isinstance(data, Mapping) and path in data:
        return data[path]
    for name in path.split("."):
        if isinstance(data, Mapping) and name in data:
            data = data[name]
        elif isinstance(data, Sequence) and not isinstance(data, str) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return _ABSENT
    return data


def _put(body: dict[str, Any], path: str, value: object) -> None:
    *parents, last = [path] if path in body else path.split(".")
    for name in parents:
        inner = body.get(name)
        body[name] = inner = inner if isinstance(inner, dict) else {}
        body = inner
    body[last] = value


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _revealed(value: Any) -> Any:
    """A copy with every secret in the clear, for the body of a request."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {str(name): _revealed(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(entry) for entry in value]
    return value


def _holds_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(entry) for entry in value.values())
    return isinstance(value, Secret) or (isinstance(value, list | tuple) and any(map(_holds_secret, value)))


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"the value {value!r}" if isinstance(value, int | float) else "text"


def _check(args: ResourceArgs) -> None:
    if args.absent and args.fields:
        raise Permanent("'absent' and 'fields' contradict each other: either it is deleted or it has values")
    if not args.absent and not args.fields:
        raise Permanent("'fields' is empty, so there is nothing to compare; name the values it must have, or say 'absent: true'")
    if args.body_style == "form" and any(isinstance(value, Mapping | list | tuple) for value in (args.fields or {}).values()):
        raise Permanent("a form has no nested values; use 'body_style: json', or name each field")
    unknown = sorted(set(args.create or {}) - {"method", "path", "body"})
    if unknown:
        raise Permanent(f"'create' takes method, path and body, not {', '.join(unknown)}")
