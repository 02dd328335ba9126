"""What one simulated REST API holds: JSON objects by path, within bounds, with writes that may show late.

It knows paths and values, and neither HTTP nor who may ask. A path is the tuple of its decoded segments; what is below a path
without being one segment deeper is not in its list. Used under its caller's lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from engine.model.values import dataclass

MOST_BYTES = 32 * 1024 * 1024
"""What one API keeps, writes that do not show yet included. More is a loop in a runbook, not a rehearsal."""
_OVERHEAD = 200
"""Bytes that an object costs beside its JSON."""

Key = tuple[str, ...]
Object = dict[str, object]


class StoreError(Exception):
    """A write cannot be; its text says why."""


class IsFullError(StoreError):
    """There is no room for another write."""


class IdTakenError(StoreError):
    """A new object asks for a name that another one has."""


class BadIdError(StoreError):
    """A new object names itself by something that cannot stand in a path."""


@dataclass(frozen=True, slots=True)
class _Late:
    """A write that shows at ``moment``."""

    moment: float
    key: Key
    size: int
    work: Callable[[], None]


def key_of(path: str) -> Key:
    """The key of a path as sent, percent-encoded; a slash at the end makes no difference."""
    return tuple(unquote(segment) for segment in path.strip("/").split("/")) if path.strip("/") else ()


def merged(target: object, changes: object) -> object:
    """A value with changes merged into it as RFC 7396 has it: objects by name at any depth, null removes, all else replaces."""
    if not isinstance(changes, Mapping):
        return changes
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class RestStore:
    """The objects of one API.

    ``objects``: what is there at first, path -> an object, or a list of them for a collection that stays when it is empty.
    ``id_field``: the field that names an object in its collection. ``now``: seconds of a monotonic clock. Raises
    ``StoreError`` for objects that cannot all be.
    """

    def __init__(self, objects: Mapping[str, object], id_field: str, now: Callable[[], float]) -> None:
        self._id_field, self._now = id_field, now
        self._objects: dict[Key, Object] = {}
        self._sizes: dict[Key, int] = {}
        self._collections: set[Key] = set()
        self._pending: list[_Late] = []
        self._used = 0
        self._last_id = 0
        for path, value in objects.items():
            if isinstance(value, list):
                self._collections.add(key_of(path))
                for entry in value:
                    self.create(key_of(path), entry, 0.0)
            elif isinstance(value, dict):
                self.put(key_of(path), value, 0.0)

    # ------------------------------------------------------------ reading

    def read(self, key: Key) -> Object | None:
        """The object at a path; None where there is none, or none yet."""
        self._settle()
        return self._objects.get(key)

    def children(self, key: Key) -> list[Object] | None:
        """The objects one segment below, oldest first; None when the path is no collection."""
        self._settle()
        found = [value for other, value in self._objects.items() if other[:-1] == key and other]
        is_collection = found or key in self._collections or any(other[:len(key)] == key for other in self._objects)
        return found if is_collection else None

    # ------------------------------------------------------------ writing

    def put(self, key: Key, value: Object, delay_s: float) -> None:
        """Replaces or makes the object. Raises ``IsFullError``, as all writes do."""
        self._write(key, _size(key, value), delay_s, lambda: self._set(key, value))

    def merge(self, key: Key, changes: Object, delay_s: float) -> Object:
        """Merges changes into the object that is there; returns what it will be if nothing comes between."""
        self._write(key, _size(key, changes), delay_s, lambda: self._set(key, self._merged(key, changes)))
        return self._merged(key, changes)

    def create(self, collection: Key, value: Object, delay_s: float) -> tuple[Key, Object]:
        """Makes an object in a collection, named by its id field or by a number of ours. Raises ``IdTakenError``,
        ``BadIdError``."""
        self._settle()
        name = value.get(self._id_field)
        if name is None:
            name = self._next_id(collection)
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            raise BadIdError(f"{self._id_field} has to be text or a whole number")
        key = (*collection, str(name))
        if self._is_taken(key):
            raise IdTakenError(f"There is an object with {self._id_field} {name!r} already")
        value = {**value, self._id_field: name}
        self.put(key, value, delay_s)
        return key, value

    def remove(self, key: Key, delay_s: float) -> None:
        """Removes the object and all that is below it."""
        self._write(key, 0, delay_s, lambda: self._drop(key))

    # ------------------------------------------------------------ inside

    def _write(self, key: Key, size: int, delay_s: float, work: Callable[[], None]) -> None:
        self._settle()
        if size and self._used + size > MOST_BYTES:
            raise IsFullError("The lab keeps no more objects of this connection")
        # Never before an earlier write to the same object, or to one above or below it, that does not show yet.
        latest = max((late.moment for late in self._pending if _are_related(late.key, key)), default=0.0)
        self._pending.append(_Late(max(self._now() + delay_s, latest), key, size, work))
        self._used += size
        self._settle()

    def _settle(self) -> None:
        now = self._now()
        due = [late for late in self._pending if late.moment <= now]
        if due:
            self._pending = [late for late in self._pending if late.moment > now]
        for late in due:
            self._used -= late.size
            late.work()

    def _set(self, key: Key, value: Object) -> None:
        size = _size(key, value)
        self._used += size - self._sizes.get(key, 0)
        self._objects[key], self._sizes[key] = value, size

    def _drop(self, key: Key) -> None:
        for other in [other for other in self._objects if other[:len(key)] == key]:
            del self._objects[other]
            self._used -= self._sizes.pop(other)

    def _merged(self, key: Key, changes: Object) -> Object:
        result = merged(self._objects.get(key, {}), changes)
        return result if isinstance(result, dict) else {}

    def _next_id(self, collection: Key) -> str:
        self._last_id += 1
        while self._is_taken((*collection, str(self._last_id))):
            self._last_id += 1
        return str(self._last_id)

    def _is_taken(self, key: Key) -> bool:
        return key in self._objects or any(late.key == key for late in self._pending)


def _are_related(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _size(key: Key, value: Object) -> int:
    return _OVERHEAD + sum(map(len, key)) + len(json.dumps(value))
