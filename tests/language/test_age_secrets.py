"""Secrets in files encrypted with age, by the real thing in both directions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from engine.language.secrets import SecretResolver
from engine.model.diagnostic import InvalidInput

IDENTITY = pyrage.x25519.Identity.generate()
LINES = 'carrier: KEY-1\n"0101": 4711\nempty:\n'


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder with a token, a table (armored), and the identity as age-keygen writes it."""
    recipients = [IDENTITY.to_public()]
    (tmp_path / "token.age").write_bytes(pyrage.encrypt(b"s3cret\n", recipients))
    (tmp_path / "lines.yml.age").write_bytes(pyrage.encrypt(LINES.encode(), recipients, armored=True))
    (tmp_path / "empty.age").write_bytes(pyrage.encrypt(b"\n", recipients))
    (tmp_path / "latin.age").write_bytes(pyrage.encrypt(b"gr\xfc\xdfe", recipients))
    (tmp_path / "broken.yml.age").write_bytes(pyrage.encrypt(b'a: "hunter2\n', recipients))
    (tmp_path / "other.age").write_bytes(pyrage.encrypt(b"s3cret", [pyrage.x25519.Identity.generate().to_public()]))
    (tmp_path / "plain.age").write_bytes(b"no age file")
    (tmp_path / "key.txt").write_text(f"# created: 2026-11-20\n# public key: {IDENTITY.to_public()}\n{IDENTITY}\n")
    return tmp_path


def resolver(base: Path, **environ: str) -> SecretResolver:
    return SecretResolver(base, {"SWITCHOVER_AGE_IDENTITY": str(base / "key.txt"), **environ})


def why_not(secrets: SecretResolver, reference: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        secrets.resolve(reference)
    detail = refused.value.diagnostics[0].detail
    assert not any(secret in detail for secret in ("s3cret", "hunter2", str(IDENTITY)[:25]))
    return detail


@pytest.mark.parametrize(
    ("reference", "value"),
    [("age:token.age", "s3cret"), ("age:lines.yml.age#carrier", "KEY-1"), ("age:lines.yml.age#0101", "4711")],
)
def test_a_file_is_decrypted_whole_or_for_one_key_of_it(base: Path, reference: str, value: str) -> None:
    """Binary and armored alike; a number in a table stays as it was written."""
    assert resolver(base).resolve(reference).reveal() == value


def test_nothing_decrypted_is_left_on_disk(base: Path) -> None:
    before = sorted(base.rglob("*"))
    resolver(base).resolve("age:lines.yml.age#carrier")
    assert sorted(base.rglob("*")) == before


def test_an_ssh_key_will_do_for_an_identity(base: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    (base / "id").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    (base / "ssh.age").write_bytes(pyrage.encrypt(b"by ssh", [pyrage.ssh.Recipient.from_str(public)]))
    assert resolver(base, SWITCHOVER_AGE_IDENTITY=str(base / "id")).resolve("age:ssh.age").reveal() == "by ssh"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("age:none.age", "cannot be read: No such file"), ("age:plain.age", "Is it an age file"),
        ("age:other.age", "No matching keys"), ("age:empty.age", "is empty once decrypted"), ("age:latin.age", "not UTF-8"),
        ("age:lines.yml.age#nobody", "no value for nobody"), ("age:lines.yml.age#empty", "no value for empty"),
        ("age:token.age#x", "mapping of key to secret"), ("age:broken.yml.age#a", "broken.yml.age:1"),
    ],
)
def test_what_cannot_be_had_is_told_without_the_secret(base: Path, reference: str, words: str) -> None:
    assert words in why_not(resolver(base), reference)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"), (b"# nothing here\n", "has no key in it"), (b"AGE-SECRET-KEY-1JUNK\n", "is not understood"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\njunk\n-----END OPENSSH PRIVATE KEY-----\n", "is not understood"),
    ],
)
def test_an_identity_that_is_none_is_told(base: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (base / "wrong").write_bytes(content)
    told = why_not(resolver(base, SWITCHOVER_AGE_IDENTITY=str(base / "wrong")), "age:token.age")
    assert words in told and "wrong" in told and "JUNK" not in told


@pytest.mark.parametrize("environ", [{}, {"SWITCHOVER_AGE_IDENTITY": ""}])
def test_without_an_identity_the_variable_is_named(base: Path, environ: Mapping[str, str]) -> None:
    assert "SWITCHOVER_AGE_IDENTITY is not set" in why_not(SecretResolver(base, environ), "age:token.age")


def test_a_missing_package_names_its_extra(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    assert "switchover[age]" in why_not(resolver(base), "age:token.age")
