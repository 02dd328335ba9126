"""known_hosts as sshd(8) describes it, line by line, without a server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paramiko import PKey

from engine.model.errors import Permanent
from engine.transports.ssh_host_keys import HostKeys
from engine.transports.ssh_settings import SshSettings


def _key() -> PKey:
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return PKey.from_type_string("ssh-ed25519", base64.b64decode(public.split()[1]))


KEY, OTHER = _key(), _key()
HOST_KEYS: tuple[Literal["strict", "accept-new"], ...] = ("strict", "accept-new")


def _line(names: str, key: PKey = KEY, marker: str = "") -> str:
    return f"{marker}{names} {key.get_name()} {key.get_base64()} a comment\n"


def _hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _settings(file: Path, host: str = "pbx.example.net", port: int = 22,
              host_keys: Literal["strict", "accept-new"] = "strict") -> SshSettings:
    return SshSettings(host, "admin", port, known_hosts=str(file), host_keys=host_keys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


@pytest.mark.parametrize(("names", "host", "port"), [
    ("pbx.example.net", "pbx.example.net", 22),
    ("PBX.example.net", "pbx.Example.NET", 22),
    ("other,pbx.example.net,192.0.2.1", "192.0.2.1", 22),
    ("[pbx.example.net]:2222", "pbx.example.net", 2222),
    ("pbx.example.net", "pbx.example.net", 2222),
    ("*.example.net", "pbx.example.net", 22),
    ("pbx?.example.net", "pbx7.example.net", 22),
    ("[*.example.net]:2222", "pbx.example.net", 2222),
    # The salt is random: an id of their own keeps the tests' names the same in every process.
    pytest.param(_hashed("pbx.example.net"), "pbx.example.net", 22, id="hashed"),
    pytest.param(_hashed("[pbx.example.net]:2222"), "pbx.example.net", 2222, id="hashed with port"),
    ("2001:db8::1", "2001:db8::1", 22),
])
def test_a_line_that_names_the_host_lets_its_key_in(file: Path, names: str, host: str, port: int) -> None:
    """Plain, one of several, with a port, patterns and hashes; a key known without a port counts on every port, as in OpenSSH."""
    file.write_text("# mine\n\n" + _line("elsewhere", OTHER) + _line(names))

    HostKeys().verify(_settings(file, host, port), KEY)


@pytest.mark.parametrize("names", [
    "example.net", "xpbx.example.net", "*.example.net,!pbx.example.net", "[pbx.example.net]:2222", "|1|broken", "|1|a|b", "!*",
])
def test_a_line_that_does_not_name_the_host_does_not_count(file: Path, names: str) -> None:
    """Neither as known nor as changed."""
    file.write_text(_line(names))

    with pytest.raises(Permanent, match="the host key is not known"):
        HostKeys().verify(_settings(file), KEY)


def test_another_key_under_the_name_is_a_changed_key(file: Path) -> None:
    """Both fingerprints and the place of the old one are told."""
    file.write_text("# first\n" + _line("pbx.example.net", OTHER))

    with pytest.raises(Permanent) as caught:
        HostKeys().verify(_settings(file), KEY)
    assert "THE HOST KEY OF pbx.example.net HAS CHANGED" in caught.value.why
    assert f"ssh-ed25519 {OTHER.fingerprint} at {file}:2" in caught.value.why
    assert f"Shown now: ssh-ed25519 {KEY.fingerprint}" in caught.value.why


def test_a_changed_key_is_not_let_in_by_accept_new(file: Path) -> None:
    """That setting trusts what is new, not what is different."""
    file.write_text(_line("pbx.example.net", OTHER))

    with pytest.raises(Permanent, match="HAS CHANGED"):
        HostKeys().verify(_settings(file, host_keys="accept-new"), KEY)
    assert file.read_text() == _line("pbx.example.net", OTHER)


def test_a_revoked_key_is_refused_though_it_is_known(file: Path) -> None:
    """And by accept-new as well."""
    file.write_text(_line("pbx.example.net") + _line("*", marker="@revoked "))

    for host_keys in HOST_KEYS:
        with pytest.raises(Permanent, match=f"@revoked at {file}:2"):
            HostKeys().verify(_settings(file, host_keys=host_keys), KEY)


def test_a_certificate_authority_does_not_vouch_for_a_plain_key(file: Path) -> None:
    """Certificates are not checked, so its line says nothing about a key."""
    file.write_text(_line("*.example.net", marker="@cert-authority "))

    with pytest.raises(Permanent, match="not known"):
        HostKeys().verify(_settings(file), KEY)


def test_the_known_kind_of_key_is_asked_for_first(file: Path) -> None:
    """An RSA line asks for RSA's signatures of today, never SHA-1."""
    file.write_text("pbx.example.net ssh-rsa AAAAB3NzaC1yc2E=\n")

    assert HostKeys().preferred_types(_settings(file))[:3] == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
    assert HostKeys().preferred_types(_settings(file, "new.example.net"))[0] == "ssh-ed25519"


def test_accept_new_appends_after_a_last_line_without_its_end(file: Path) -> None:
    """What stands there stays as it is."""
    file.write_text("# kept")
    keys = HostKeys()

    keys.verify(_settings(file, port=2222, host_keys="accept-new"), KEY)

    assert file.read_text() == f"# kept\n[pbx.example.net]:2222 ssh-ed25519 {KEY.get_base64()}\n"
    keys.verify(_settings(file, port=2222), KEY)


def test_many_new_hosts_at_once_are_all_written_down(file: Path) -> None:
    """By threads of this run and by other processes: each line whole."""
    pools = [HostKeys() for _ in range(4)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(
            lambda n: pools[n % 4].verify(_settings(file, f"host{n}.example.net", host_keys="accept-new"), KEY), range(80)
        ))

    assert sorted(line.split()[0] for line in file.read_text().splitlines()) == sorted(f"host{n}.example.net" for n in range(80))


def test_a_key_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    """A key nobody kept cannot be checked next time."""
    (tmp_path / "blocked").write_text("")

    with pytest.raises(Permanent, match=r"cannot be (written|read)"):
        HostKeys().verify(_settings(tmp_path / "blocked" / "known_hosts", host_keys="accept-new"), KEY)


def test_a_line_added_during_the_run_is_seen(file: Path) -> None:
    """The operator adds the key while the run waits, and resumes."""
    keys = HostKeys()
    with pytest.raises(Permanent):
        keys.verify(_settings(file), KEY)
    file.write_text(_line("pbx.example.net"))

    keys.verify(_settings(file), KEY)
