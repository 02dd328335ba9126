"""A file with a secret in it that every user of the machine may read is refused, with the command that closes it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine.language.secrets import SecretResolver
from engine.model.diagnostic import InvalidInput


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that lets everybody pass, which pytest's own do not."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        folder.chmod(0o755)
        (folder / "token").write_text("s3cret\n")
        (folder / "lines.yml").write_text("a: s3cret\n")
        (folder / "key.txt").write_text("AGE-SECRET-KEY-1\n")
        yield folder


def resolved(base: Path, reference: str, environ: Mapping[str, str] | None = None) -> str:
    """The value, or why there is none."""
    try:
        return SecretResolver(base, environ or {}).resolve(reference).reveal()
    except InvalidInput as invalid:
        return invalid.diagnostics[0].detail


@pytest.mark.parametrize(("reference", "name"), [("file:token", "token"), ("file:lines.yml#a", "lines.yml")])
@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (0o600, "s3cret"), (0o400, "s3cret"), (0o640, "s3cret"), (0o660, "s3cret"), (0o644, "may read"), (0o604, "may read"),
        (0o602, "may write"), (0o666, "may write"),
    ],
)
def test_only_the_owner_and_a_group_may_have_it(base: Path, reference: str, name: str, mode: int, outcome: str) -> None:
    (base / name).chmod(mode)
    told = resolved(base, reference)
    assert outcome in told
    assert told == "s3cret" or f"chmod 600 {base}/{name}" in told


def test_a_folder_that_lets_nobody_pass_closes_what_is_in_it(base: Path) -> None:
    (base / "token").chmod(0o644)
    base.chmod(0o750)
    assert resolved(base, "file:token") == "s3cret"


def test_a_link_is_judged_by_what_it_leads_to(base: Path) -> None:
    (base / "link").symlink_to(base / "token")
    (base / "token").chmod(0o600)
    assert resolved(base, "file:link") == "s3cret"
    (base / "token").chmod(0o644)
    assert "may read" in resolved(base, "file:link")


def test_one_may_say_that_open_files_are_meant(base: Path) -> None:
    """But not that others choose the secret."""
    environ = {"SWITCHOVER_OPEN_SECRETS": "allow"}
    (base / "token").chmod(0o644)
    assert "SWITCHOVER_OPEN_SECRETS=allow" in resolved(base, "file:token")
    assert resolved(base, "file:token", environ) == "s3cret"
    (base / "token").chmod(0o646)
    assert "may write" in resolved(base, "file:token", environ)


def test_what_root_laid_open_is_root_s_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root could not close it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in resolved(Path("/"), "file:/etc/passwd")


def test_an_age_identity_is_held_to_the_same(base: Path) -> None:
    """It opens every file that was encrypted to it."""
    (base / "key.txt").chmod(0o644)
    told = resolved(base, "age:token", {"SWITCHOVER_AGE_IDENTITY": str(base / "key.txt")})
    assert f"chmod 600 {base}/key.txt" in told


def test_an_age_identity_that_sops_goes_by_is_held_to_the_same(base: Path) -> None:
    """Before the program is started."""
    (base / "sops").write_text("#!/bin/sh\nexit 1\n")
    (base / "sops").chmod(0o755)
    (base / "key.txt").chmod(0o644)
    told = resolved(base, "sops:token#a", {"PATH": str(base), "SOPS_AGE_KEY_FILE": str(base / "key.txt")})
    assert f"chmod 600 {base}/key.txt" in told
