"""What a secret reference points to.

A reference stands in the inventory (``env:NAME``, ``file:PATH#KEY``, ``vault:MOUNT/PATH#FIELD``, ...); its value is looked up
when a session opens or a phone's file is rendered, and from then on exists only as a ``Secret``. The stores themselves are in
``secret_stores``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from engine.language.secret_names import is_reference, is_secret_name
from engine.language.secret_stores.store import KeyringLookup, Store, Surroundings
from engine.language.secret_stores.stores import STORES, forms
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.secret import Secret
from engine.model.source import Span


class SecretResolver:
    """Looks references up, each once. May be asked by several threads.

    ``base``: the inventory's folder, which relative paths start from. ``environ``: the process environment. ``overrides``:
    reference -> value to use instead, for a lab that hands out its own credentials. ``keyring``: how to ask the keyring;
    by default the ``keyring`` package, imported when first needed.
    """

    def __init__(
        self,
        base: Path,
        environ: Mapping[str, str],
        overrides: Mapping[str, str] | None = None,
        keyring: KeyringLookup | None = None,
    ) -> None:
        self._around = Surroundings(base, environ, keyring)
        self._known = {reference: Secret(value) for reference, value in (overrides or {}).items()}
        self._stores: dict[str, Store] = {}
        self._asking = threading.Lock()

    def resolve(self, reference: str, span: Span | None = None) -> Secret:
        """The secret a reference points to. Raises ``InvalidInput`` that says what is missing and how to supply it.

        ``span``: where the reference stands, for the error.
        """
        known = self._known.get(reference)
        if known is not None:
            return known
        with self._asking:  # so that a store reads each of its files, or asks its server, once
            known = self._known.get(reference)
            if known is None:
                known = self._known[reference] = Secret(self._look_up(reference, span))
            return known

    def secret(self, value: str, span: Span | None = None) -> Secret:
        """A value of a secret field: what it refers to, or the value itself where it was written out."""
        return self.resolve(value, span) if is_reference(value) else Secret(value)

    def settings(self, settings: Mapping[str, object]) -> dict[str, object]:
        """A connection's settings for its transport: secret ones as ``Secret``, also those inside ``headers``."""
        found = dict(settings)
        for name, value in settings.items():
            if isinstance(value, str) and is_secret_name(name):
                found[name] = self.secret(value)
            elif name == "headers" and isinstance(value, Mapping):
                found[name] = {key: self.resolve(v) if isinstance(v, str) and is_reference(v) else v for key, v in value.items()}
        return found

    def _look_up(self, reference: str, span: Span | None) -> str:
        kind, _, rest = reference.partition(":")
        if kind not in STORES or not rest:
            raise _missing(reference, f"A reference is {forms()}.", span)
        store = self._stores.get(kind)
        if store is None:
            store = self._stores[kind] = STORES[kind](self._around)
        try:
            return store.look_up(rest)
        except LookupError as error:
            raise _missing(reference, str(error.args[0]), span) from None


def _missing(reference: str, detail: str, span: Span | None) -> InvalidInput:
    return InvalidInput([Diagnostic("Secret not found", f"`{reference}` cannot be resolved. {detail}", span)])
