"""The engine's log for ``--log FILE``: JSON lines through structlog. The only home of structlog, imported when it is asked for.

It is for a log collector, not for the operator: event names as journalled, the run bound once, no diffs and no receipts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from engine.model.errors import SwitchoverError
from engine.model.event import Record, encode

_LEVELS = {
    "item_failed": "error", "guard_tripped": "error", "item_retried": "warning", "item_in_doubt": "warning",
    "item_blocked": "warning", "run_interrupted": "warning", "window_overridden": "warning",
}
_LEFT_OUT = ("diff", "receipt", "header")


class LogObserver:
    """Appends every event to ``path``, made 0600. ``redact`` masks secrets in every text. Raises ``SwitchoverError``."""

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        try:
            self._stream = os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")
        except OSError as error:
            why = f"{path}: {error.strerror}. Name another file with --log"
            raise SwitchoverError("The log cannot be written", why) from error
        self._redact = redact
        self._log: Any = structlog.wrap_logger(
            structlog.BytesLogger(self._stream),
            processors=[structlog.processors.add_log_level, self._masked, structlog.processors.JSONRenderer(orjson.dumps)],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
        )
        self._run = ""

    def on_records(self, records: Sequence[Record]) -> None:
        """Logs durable events."""
        for record in records:
            if record.run != self._run:
                self._run, self._log = record.run, self._log.bind(run=record.run)
            event = record.event
            values = {name: value for name, value in encode(event).items() if name not in _LEFT_OUT}
            write = getattr(self._log, _LEVELS.get(event.kind, "info"))
            write(event.kind, timestamp=record.at.isoformat(), seq=record.seq, **values)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def _masked(self, logger: object, method: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._mask(value) for name, value in values.items()}

    def _mask(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, Mapping):
            return {str(key): self._mask(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self._mask(entry) for entry in value]
        return value
