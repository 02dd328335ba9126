"""Every store there is, by the word that its references begin with."""

from __future__ import annotations

from collections.abc import Mapping

from engine.language.secret_stores.age import AgeStore
from engine.language.secret_stores.ask import AskStore
from engine.language.secret_stores.env import EnvStore
from engine.language.secret_stores.file import FileStore
from engine.language.secret_stores.keyring import KeyringStore
from engine.language.secret_stores.sops import SopsStore
from engine.language.secret_stores.store import Store
from engine.language.secret_stores.vault import VaultStore

STORES: Mapping[str, type[Store]] = {
    "env": EnvStore, "file": FileStore, "keyring": KeyringStore, "vault": VaultStore, "age": AgeStore,
    "sops": SopsStore, "ask": AskStore,
}


def forms() -> str:
    """How references are written, in words."""
    found = [form for store in STORES.values() for form in store.forms]
    return f"{', '.join(found[:-1])} or {found[-1]}"
