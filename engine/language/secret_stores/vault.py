"""``vault:MOUNT/PATH#FIELD``: a field of a secret in HashiCorp Vault's (or OpenBao's) key-value engine, version 1 or 2.

Where Vault is and who asks is told as its own command line is told: ``VAULT_ADDR``, ``VAULT_TOKEN``, ``VAULT_NAMESPACE``,
``VAULT_CACERT``. Certificates are always verified, so ``VAULT_SKIP_VERIFY`` is not heeded. No redirect is followed, because the
token would go with it.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from engine.language.secret_stores.store import Surroundings

_PATIENCE_S = 15.0


class VaultStore:
    """Asks which mount a path belongs to, as Vault's own command line does, then reads it; each path once."""

    forms: ClassVar[tuple[str, ...]] = ("vault:MOUNT/PATH#FIELD",)

    def __init__(self, around: Surroundings) -> None:
        self._environ = around.environ
        self._client: Any = None
        self._read: dict[str, Mapping[str, object]] = {}

    def look_up(self, rest: str) -> str:
        """The field's value, which must be text or a number."""
        path, _, name = rest.partition("#")
        path = path.strip("/")
        if "/" not in path or not name:
            raise LookupError(
                "A Vault reference names mount, path and field: vault:MOUNT/PATH#FIELD, such as vault:secret/carrier#api_key."
            )
        if path not in self._read:
            self._read[path] = self._secret(path)
        return _field(self._read[path], path, name)

    def _secret(self, path: str) -> Mapping[str, object]:
        if self._client is None:
            self._client = _client(self._environ)
        mount, version = self._mount(path)
        below = path.removeprefix(mount).strip("/")
        inner = f"{mount}/data/{below}" if version == "2" else path
        reply = self._asked(inner, path)
        data = reply.get("data")
        if version == "2" and isinstance(data, Mapping):
            data = data.get("data")
        if not isinstance(data, Mapping):
            raise LookupError(f"Vault's answer about {path} holds no fields. Is {mount} a key-value engine?")
        return data

    def _mount(self, path: str) -> tuple[str, str]:
        """The mount a path belongs to, without slashes at its ends, and the version of its key-value engine."""
        data = self._asked(f"sys/internal/ui/mounts/{path}", path).get("data")
        mount = data.get("path") if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(mount, str):
            raise LookupError(f"Vault at {self._address} does not say which engine {path} belongs to. Is VAULT_ADDR a Vault?")
        if data.get("type") not in ("kv", "generic"):
            raise LookupError(
                f"{mount} is not a key-value engine of Vault but {data.get('type')!r}: only key-value secrets can be referred to."
            )
        options = data.get("options")
        return mount.strip("/"), str(options.get("version") or "1") if isinstance(options, Mapping) else "1"

    @property
    def _address(self) -> str:
        return str(self._client.url)

    def _asked(self, inner: str, path: str) -> Mapping[str, Any]:
        """One answer in Vault's form."""
        hvac, requests = _hvac(), importlib.import_module("requests")
        try:
            reply = self._client.adapter.get(url=f"/v1/{quote(inner)}")
        except hvac.exceptions.VaultError as error:
            raise LookupError(_refusal(error, hvac.exceptions, path, inner, self._address)) from None
        except requests.exceptions.SSLError as error:
            raise LookupError(
                f"The certificate of Vault at {self._address} is not trusted: {_root_of(error)}. VAULT_CACERT names the file of "
                "the authority to trust."
            ) from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise LookupError(f"Vault at {self._address} cannot be reached: {_root_of(error)}. VAULT_ADDR names it.") from None
        if not isinstance(reply, Mapping):
            raise LookupError(_no_answer(reply, self._address))
        return reply


def _client(environ: Mapping[str, str]) -> Any:
    address, token = environ.get("VAULT_ADDR"), environ.get("VAULT_TOKEN")
    missing = [name for name, value in (("VAULT_ADDR", address), ("VAULT_TOKEN", token)) if not value]
    if missing or not address:
        raise LookupError(
            f"{' and '.join(missing)} must be set. After `vault login`: export VAULT_TOKEN=$(vault print token); VAULT_ADDR is "
            "https://HOST:8200."
        )
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LookupError(f"VAULT_ADDR is {address!r}, but it must be an address such as https://vault.example.net:8200.")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise LookupError(f"VAULT_ADDR is {address}: the token would cross the network in the clear. Use https://.")
    # Only what was asked for: hvac would otherwise look at the environment and at ~/.vault-token by itself.
    return _hvac().Client(
        url=address.rstrip("/"), token=token, namespace=environ.get("VAULT_NAMESPACE") or None,
        verify=environ.get("VAULT_CACERT") or True, timeout=_PATIENCE_S, allow_redirects=False,
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(error: Any, kinds: Any, path: str, inner: str, address: str) -> str:
    """What Vault's refusal means, and what to do."""
    said = "; ".join(str(line) for line in error.errors or ()) or (error.text or "").strip()[:200] or "it gave no reason"
    if isinstance(error, kinds.Forbidden):
        return (
            f"Vault at {address} refuses to give {path} ({said}). The token in VAULT_TOKEN is wrong or expired, its policy does "
            f"not let it read {inner}, or there is no such mount: vault token lookup; vault token capabilities {inner}"
        )
    if isinstance(error, kinds.InvalidPath):
        return _not_there(error, path, address)
    if isinstance(error, kinds.VaultDown):
        return (
            f"Vault at {address} is not in service ({said}). When it is sealed, whoever holds its keys must unseal it: "
            "vault status"
        )
    if isinstance(error, kinds.RateLimitExceeded):
        return f"Vault at {address} is asked too often ({said}). Wait a little, then try again."
    return f"Vault at {address} failed to give {path}: {said}."


def _not_there(error: Any, path: str, address: str) -> str:
    metadata = ((error.json or {}).get("data") or {}).get("metadata") or {} if isinstance(error.json, Mapping) else {}
    if metadata.get("destroyed"):
        return f"{path} was destroyed in Vault at {address}. Write it anew: vault kv put {path} FIELD=-"
    if metadata.get("deletion_time"):
        version = metadata.get("version")
        return (
            f"{path} was deleted in Vault at {address} ({metadata['deletion_time']}). Take that back: "
            f"vault kv undelete -versions={version} {path}"
        )
    return f"Vault at {address} has nothing at {path}. Compare with: vault kv list {path.rpartition('/')[0]}"


def _no_answer(reply: Any, address: str) -> str:
    leads_to = reply.headers.get("Location", "")
    if leads_to:
        return (
            f"Vault at {address} points to {leads_to}, which is not followed: the token would go along. Set VAULT_ADDR to the "
            "active node."
        )
    return f"What answers at {address} is not Vault ({reply.status_code}). Check VAULT_ADDR."


def _field(fields: Mapping[str, object], path: str, name: str) -> str:
    if name not in fields:
        known = ", ".join(sorted(map(str, fields))) or "none"
        raise LookupError(f"{path} in Vault has no field {name}. Its fields: {known}.")
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise LookupError(f"The field {name} of {path} in Vault is neither text nor a number.")
    if value == "":
        raise LookupError(f"The field {name} of {path} in Vault is empty.")
    return str(value)


def _root_of(error: BaseException) -> str:
    """The innermost reason, without the wrapping of three libraries."""
    reason = error
    while True:
        inside = (reason.__cause__, getattr(reason, "reason", None), *reason.args[:1])
        inner = next((found for found in inside if isinstance(found, BaseException)), None)
        if inner is None:
            break
        reason = inner
    return getattr(reason, "strerror", None) or str(reason).rpartition(": ")[2] or type(reason).__name__


def _hvac() -> Any:
    try:
        return importlib.import_module("hvac")
    except ImportError:
        raise LookupError("The hvac package is not installed. Install it with: pip install 'switchover[vault]'") from None
