"""Secrets in HashiCorp Vault, asked of a server on loopback that answers as Vault does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from engine.lab.board import Board
from engine.lab.certificates import server_context
from engine.lab.web_server import LabServer
from engine.language.secrets import SecretResolver
from engine.model.diagnostic import InvalidInput
from tests.support.sshd import free_port
from tests.support.vault import TOKEN, VaultServer

Setting = Callable[[VaultServer], object]


@pytest.fixture
def vault() -> VaultServer:
    return VaultServer()


@pytest.fixture
def environ(tmp_path: Path, vault: VaultServer) -> Iterator[dict[str, str]]:
    """What ``vault login`` leaves in a shell."""
    with LabServer(Board(tmp_path, "vault"), vault.app) as server:
        yield {"VAULT_ADDR": server.url, "VAULT_TOKEN": TOKEN}


def found(environ: Mapping[str, str], reference: str) -> str:
    return SecretResolver(Path(), environ).resolve(reference).reveal()


def why_not(environ: Mapping[str, str], reference: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        found(environ, reference)
    (problem,) = refused.value.diagnostics
    assert problem.summary == "Secret not found" and f"`{reference}`" in problem.detail
    assert TOKEN not in problem.detail and "KEY-" not in problem.detail
    return problem.detail


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("vault:secret/carrier#api_key", "KEY-v2"), ("vault:/secret/carrier/#api_key", "KEY-v2"),
        ("vault:secret/carrier#pin", "4711"), ("vault:team/phones/lines#101", "pass-101"),
        ("vault:secret/a b/ü#x", "odd path"), ("vault:old/carrier#api_key", "KEY-v1"),
    ],
)
def test_a_field_is_read_from_either_version_of_the_engine(environ: Mapping[str, str], reference: str, value: str) -> None:
    """Which version a mount has, and how far it reaches into the path, is Vault's to say."""
    assert found(environ, reference) == value


def test_a_path_is_read_once_for_all_its_fields(environ: Mapping[str, str], vault: VaultServer) -> None:
    resolver = SecretResolver(Path(), environ)
    for name in ("api_key", "pin"):
        resolver.resolve(f"vault:secret/carrier#{name}")
    assert vault.asked == ["sys/internal/ui/mounts/secret/carrier", "secret/data/carrier"]


def test_the_namespace_goes_along(environ: Mapping[str, str], vault: VaultServer) -> None:
    vault.namespace = "telephony/prod"
    assert "refuses" in why_not(environ, "vault:secret/carrier#api_key")
    assert found({**environ, "VAULT_NAMESPACE": "telephony/prod"}, "vault:secret/carrier#api_key") == "KEY-v2"


def test_certificates_are_verified(tmp_path: Path, vault: VaultServer) -> None:
    """VAULT_CACERT says whom to trust; VAULT_SKIP_VERIFY is not heeded."""
    with LabServer(Board(tmp_path, "vault"), vault.app, tls=server_context(tmp_path, "vault")) as server:
        environ = {"VAULT_ADDR": server.url, "VAULT_TOKEN": TOKEN}
        assert found({**environ, "VAULT_CACERT": str(tmp_path / "ca.pem")}, "vault:secret/carrier#api_key") == "KEY-v2"
        told = why_not({**environ, "VAULT_SKIP_VERIFY": "1"}, "vault:secret/carrier#api_key")
        assert "is not trusted" in told and "VAULT_CACERT" in told
    assert len(vault.asked) == 2


@pytest.mark.parametrize(
    ("state", "reference", "words"),
    [
        ({}, "vault:secret/nobody#x", ["has nothing at secret/nobody", "vault kv list secret"]),
        ({}, "vault:old/nobody#x", ["has nothing at old/nobody"]),
        ({}, "vault:secret/carrier#apikey", ["no field apikey", "api_key, empty, nested, pin"]),
        ({}, "vault:secret/carrier#nested", ["neither text nor a number"]),
        ({}, "vault:secret/carrier#empty", ["is empty"]),
        ({}, "vault:nowhere/carrier#x", ["refuses", "no such mount"]),
        ({}, "vault:pki/cert/ca#x", ["not a key-value engine", "'pki'"]),
        ({}, "vault:secret/carrier", ["MOUNT/PATH#FIELD"]),
        ({}, "vault:carrier#api_key", ["MOUNT/PATH#FIELD"]),
        ({"forbidden": frozenset({"secret/carrier"})}, "vault:secret/carrier#api_key",
         ["permission denied", "vault token capabilities secret/data/carrier"]),
        ({"sealed": True}, "vault:secret/carrier#api_key", ["Vault is sealed", "unseal"]),
        ({"deleted": frozenset({"secret/carrier"})}, "vault:secret/carrier#api_key",
         ["was deleted", "vault kv undelete -versions=3 secret/carrier"]),
        ({"destroyed": frozenset({"secret/carrier"})}, "vault:secret/carrier#api_key", ["was destroyed"]),
        ({"status": 429}, "vault:secret/carrier#api_key", ["too often"]),
        ({"status": 500}, "vault:secret/carrier#api_key", ["failed to give secret/carrier", "internal error"]),
        ({"status": 418}, "vault:secret/carrier#api_key", ["failed to give"]),
        ({"redirect": "https://10.0.0.2:8200"}, "vault:secret/carrier#api_key",
         ["points to https://10.0.0.2:8200", "not followed"]),
        ({"status": 204}, "vault:secret/carrier#api_key", ["is not Vault"]),
    ],
)
def test_what_vault_does_not_give_is_told_with_what_to_do(
    environ: Mapping[str, str], vault: VaultServer, state: Mapping[str, object], reference: str, words: list[str]
) -> None:
    for name, value in state.items():
        setattr(vault, name, value)
    told = why_not(environ, reference)
    assert all(word in told for word in words), told


def test_a_wrong_token_is_refused(environ: Mapping[str, str]) -> None:
    assert "VAULT_TOKEN is wrong or expired" in why_not({**environ, "VAULT_TOKEN": "hvs.other"}, "vault:secret/carrier#api_key")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "VAULT_ADDR and VAULT_TOKEN must be set"),
        ({"VAULT_ADDR": "https://vault.example.net"}, "VAULT_TOKEN must be set"),
        ({"VAULT_ADDR": "vault.example.net:8200", "VAULT_TOKEN": TOKEN}, "must be an address such as"),
        ({"VAULT_ADDR": "http://vault.example.net:8200", "VAULT_TOKEN": TOKEN}, "in the clear"),
    ],
)
def test_what_the_shell_lacks_is_told_before_anything_is_asked(environ: Mapping[str, str], words: str) -> None:
    assert words in why_not(environ, "vault:secret/carrier#api_key")


def test_nobody_at_the_address_is_told_plainly() -> None:
    told = why_not({"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": TOKEN}, "vault:secret/carrier#api_key")
    assert "cannot be reached: Connection refused" in told and "VAULT_ADDR" in told


def test_a_missing_authority_file_is_named(environ: Mapping[str, str], tmp_path: Path) -> None:
    told = why_not(
        {"VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN": TOKEN, "VAULT_CACERT": str(tmp_path / "none.pem")},
        "vault:secret/carrier#api_key",
    )
    assert "none.pem" in told


def test_a_missing_client_names_its_extra(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    assert "switchover[vault]" in why_not(environ, "vault:secret/carrier#api_key")
