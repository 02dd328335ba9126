"""The secret store of one run: resolves references and knows what to mask."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from engine.language.secret_names import is_reference
from engine.language.secrets import SecretResolver
from engine.model.secret import Redactor, Secret


class KnownSecrets:
    """Masks what connections revealed. Items' own secrets are masked item by item: with ten thousand phones nobody could
    search every text for every password."""

    def __init__(self, resolver: SecretResolver) -> None:
        self._resolver = resolver
        self._values: set[str] = set()
        self._redactor = Redactor()
        self._lock = threading.Lock()

    def resolve(self, written: str) -> Secret:
        """What a secret field refers to, or the value itself where it was written out."""
        return self._resolver.secret(written)

    def settings(self, settings: Mapping[str, object]) -> dict[str, object]:
        """A connection's settings with its secrets resolved, and from now on masked everywhere."""
        resolved = self._resolver.settings(settings)
        self._remember(_secrets_in(resolved))
        return resolved

    def variables(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Variables for templates: a reference becomes its ``Secret``, which is masked everywhere from now on."""
        resolved = {
            name: self._resolver.resolve(value) if isinstance(value, str) and is_reference(value) else value
            for name, value in values.items()
        }
        self._remember(_secrets_in(resolved))
        return resolved

    def redact(self, text: str) -> str:
        """Masks the secrets of every connection opened so far."""
        return self._redactor(text)

    def _remember(self, values: Iterable[str]) -> None:
        with self._lock:
            before = len(self._values)
            self._values.update(values)
            if len(self._values) != before:
                self._redactor = Redactor(self._values)


def _secrets_in(settings: Mapping[str, object]) -> Iterable[str]:
    for value in settings.values():
        if isinstance(value, Secret):
            yield value.reveal()
        elif isinstance(value, Mapping):
            yield from _secrets_in(value)
