"""A server that answers as HashiCorp Vault does: key-value engines of both versions, policies, namespaces, the seal.

Shapes and statuses follow Vault's HTTP API: ``/sys/internal/ui/mounts/:path``, ``/:mount/data/:path`` (KV version 2),
``/:mount/:path`` (version 1), errors as ``{"errors": [...]}``, a deleted version as 404 that has its metadata in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from engine.lab.web_server import WebApp, WebReply, WebRequest

TOKEN = "hvs.CAESIJk3n0tARealToken"


@dataclass
class VaultServer:
    """``app`` is what to serve. Change its fields to change how it stands."""

    sealed: bool = False
    namespace: str = ""
    redirect: str = ""
    forbidden: frozenset[str] = frozenset()
    """Paths the token's policy does not cover."""
    deleted: frozenset[str] = frozenset()
    destroyed: frozenset[str] = frozenset()
    status: int = 0
    """Answered to everything, when not 0."""
    mounts: Mapping[str, tuple[str, str | None]] = field(default_factory=lambda: {
        "secret/": ("kv", "2"), "team/phones/": ("kv", "2"), "old/": ("kv", None), "pki/": ("pki", None),
    })
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {
        "secret/carrier": {"api_key": "KEY-v2", "pin": 4711, "empty": "", "nested": {"a": 1}},
        "secret/a b/ü": {"x": "odd path"},
        "team/phones/lines": {"101": "pass-101"},
        "old/carrier": {"api_key": "KEY-v1"},
    })
    asked: list[str] = field(default_factory=list)

    @property
    def app(self) -> WebApp:
        """Answers everything by itself."""
        return WebApp((), guard=self.answer)

    def answer(self, request: WebRequest) -> WebReply:
        """One request."""
        path = unquote(request.path).removeprefix("/v1/")
        self.asked.append(path)
        if self.redirect:
            return WebReply(307, headers={"Location": self.redirect + request.path})
        if self.status:
            return _errors(self.status, "internal error")
        if self.sealed:
            return _errors(503, "Vault is sealed")
        if request.headers.get("x-vault-token") != TOKEN or request.headers.get("x-vault-namespace", "") != self.namespace:
            return _errors(403, "permission denied")
        if path.startswith("sys/internal/ui/mounts/"):
            return self._mount(path.removeprefix("sys/internal/ui/mounts/"))
        return self._secret(path)

    def _mount(self, path: str) -> WebReply:
        mount = next((mount for mount in self.mounts if f"{path}/".startswith(mount)), None)
        if mount is None:
            refused = f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}/"'
            return _errors(403, refused)
        kind, version = self.mounts[mount]
        options = None if version is None else {"version": version}
        return _data({"path": mount, "type": kind, "options": options, "accessor": f"{kind}_0badc0de", "local": False})

    def _secret(self, path: str) -> WebReply:
        mount = next(mount for mount in self.mounts if path.startswith(mount))
        inner, second = path.removeprefix(mount), self.mounts[mount][1] == "2"
        if second and not inner.startswith("data/"):
            return WebReply(404, {"errors": [], "warnings": ["Invalid path for a versioned K/V secrets engine."]})
        whole = mount + inner.removeprefix("data/") if second else path
        if whole in self.forbidden:
            return _errors(403, "1 error occurred:\n\t* permission denied\n\n")
        found = self.secrets.get(whole)
        if found is None:
            return _errors(404)
        if not second:
            return _data(found)
        metadata = {
            "created_time": "2026-11-20T08:00:00.000000000Z", "custom_metadata": None, "deletion_time": "", "destroyed": False,
            "version": 3,
        }
        if whole in self.destroyed:
            return _data({"data": None, "metadata": {**metadata, "destroyed": True}}, 404)
        if whole in self.deleted:
            return _data({"data": None, "metadata": {**metadata, "deletion_time": "2026-11-21T08:00:00Z"}}, 404)
        return _data({"data": found, "metadata": metadata})


def _errors(status: int, *said: str) -> WebReply:
    return WebReply(status, {"errors": list(said)})


def _data(data: Mapping[str, Any], status: int = 200) -> WebReply:
    return WebReply(status, {
        "request_id": "5b0f2d8e-0001", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data,
        "wrap_info": None, "warnings": None, "auth": None,
    })
