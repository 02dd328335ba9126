"""References to secrets: found where they point, said plainly when not, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.language.inventory_reader import load_inventory
from engine.language.secret_names import is_reference, is_secret_name, masked_line
from engine.language.secret_stores.open_files import ALLOW
from engine.language.secret_stores.stores import STORES
from engine.language.secrets import SecretResolver
from engine.model.diagnostic import InvalidInput
from engine.model.secret import Secret
from engine.model.source import Span

EXAMPLE = Path(__file__).parents[2] / "inventories" / "example-dental"


def why_not(resolver: SecretResolver, reference: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        resolver.resolve(reference)
    (found,) = refused.value.diagnostics
    assert found.summary == "Secret not found" and f"`{reference}`" in found.detail
    return found.detail


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    (tmp_path / "lines.yml").write_text('101: 4711\n"0102": 1e5\n103: plain words\n104: [a]\n105:\n', encoding="utf-8")
    (tmp_path / "lines.csv").write_text("extension,password\n101,pass-101\n0102,pass-102\n", encoding="utf-8")
    return tmp_path


def test_references_lead_to_their_values(base: Path) -> None:
    """Numbers in a table stay as they were written; relative paths start at the inventory's folder."""
    resolver = SecretResolver(base, {"TOKEN": "from-env"}, keyring=lambda service, user: f"{service}+{user}")
    found = {reference: resolver.resolve(reference).reveal() for reference in (
        "env:TOKEN", "file:token", f"file:{base}/token", "file:lines.yml#101", "file:lines.yml#0102", "file:lines.yml#103",
        "file:lines.csv#0102", "keyring:switchover/prod/api",
    )}
    assert list(found.values()) == [
        "from-env", "s3cret", "s3cret", "4711", "1e5", "plain words", "pass-102", "switchover/prod+api",
    ]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:NOPE", "NOPE is not set"), ("env:EMPTY", "EMPTY is empty"), ("file:none", "cannot be read"),
        ("file:empty", "is empty"), ("file:lines.yml#999", "no value for 999"), ("file:lines.yml#104", "no value for 104"),
        ("file:lines.yml#105", "no value for 105"), ("file:none.yml#1", "File not found"), ("file:wide.csv#1", "two columns"),
        ("file:list.yml#1", "mapping of key to secret"), ("keyring:switchover/api", "holds nothing"),
        ("keyring:api", "service and user"), ("env:", "A reference is"), ("chest:x", "A reference is"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_to_do(base: Path, reference: str, words: str) -> None:
    (base / "empty").write_text("\n", encoding="utf-8")
    (base / "wide.csv").write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    (base / "list.yml").write_text("- a\n", encoding="utf-8")
    resolver = SecretResolver(base, {"EMPTY": ""}, keyring=lambda service, user: None)
    assert words in why_not(resolver, reference)


def test_a_broken_table_of_secrets_shows_only_its_place(base: Path) -> None:
    (base / "bad.yml").write_text('101: "hunter2\n', encoding="utf-8")
    detail = why_not(SecretResolver(base, {}), "file:bad.yml#101")
    assert "bad.yml:1" in detail and "hunter2" not in detail


def test_the_place_of_the_reference_is_part_of_the_problem(base: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        SecretResolver(base, {}).resolve("env:NOPE", Span("inventory.yml", 3, 9))
    assert str(refused.value.diagnostics[0].span) == "inventory.yml:3:9"


def test_overrides_win_so_that_a_lab_can_hand_out_its_own(base: Path) -> None:
    resolver = SecretResolver(base, {"TOKEN": "real"}, {"env:TOKEN": "lab"})
    assert resolver.resolve("env:TOKEN").reveal() == "lab"


def test_each_reference_is_looked_up_once(base: Path) -> None:
    asked: list[str] = []
    resolver = SecretResolver(base, {}, keyring=lambda service, user: asked.append(user) or "value")  # type: ignore[func-returns-value]
    assert resolver.resolve("keyring:a/b") is resolver.resolve("keyring:a/b")
    assert asked == ["b"]


def test_a_missing_keyring_package_names_its_extra(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert "switchover[keyring]" in why_not(SecretResolver(base, {}), "keyring:a/b")


def test_settings_hide_secrets_written_out_and_those_in_headers(base: Path) -> None:
    settings = {"url": "https://x", "token": "literal", "headers": {"X-Key": "env:K", "X-Plain": "1"}, "port": 1}
    found = SecretResolver(base, {"K": "v"}).settings(settings)
    assert found == {"url": "https://x", "token": Secret("literal"), "headers": {"X-Key": Secret("v"), "X-Plain": "1"}, "port": 1}
    assert "literal" not in repr(found)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("line_password", True), ("password", True), ("voicemail_pin", True), ("door_secret", True), ("auth_token", True),
        ("api_key", True), ("key_passphrase", True), ("key_file", False), ("pinned", False), ("spinning", False), ("key", False),
    ],
)
def test_secret_fields_are_known_by_name(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  password: hunter2", "  password: ***"),
        ("  password: 'it''s', user: me", "  password: ***, user: me"),
        ('{"api_key": "a, b", x: 1}', '{"api_key": ***, x: 1}'),
        ("  token: env:TOKEN", "  token: env:TOKEN"),
        ("  spin: 3", "  spin: 3"),
    ],
)
def test_a_line_is_shown_without_its_secrets(line: str, shown: str) -> None:
    assert masked_line(line, {}) == shown


def test_references_are_told_from_values() -> None:
    """By the word they begin with: that of every store, and no other."""
    assert all(is_reference(f"{store}:x") for store in STORES)
    assert all(is_reference(form) for store in STORES.values() for form in store.forms)
    assert not any(map(is_reference, ("password", "http://x", "", "environment", "chest:x")))


def test_every_password_of_the_example_customer_is_there() -> None:
    inventory, _ = load_inventory(EXAMPLE)
    resolver = SecretResolver(EXAMPLE, {ALLOW: "allow"})  # a checkout has it open, which is no matter: they are examples
    phones = inventory.collections["phones"].items
    found = {phone.fields["extension"]: resolver.resolve(str(phone.fields["line_password"])).reveal() for phone in phones}
    assert len(found) == 40 and all(value.startswith("example-") for value in found.values())
