"""``phone.config`` against a real folder: what the plan shows, what is written, what is taken back, what is never shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.actions.phone.config import PhoneConfig, PhoneConfigArgs
from engine.actions.phone.masking import mask_pair
from engine.actions.phone.vendors import model_of
from engine.model.errors import Permanent, WriteRefused
from engine.model.plan import Change
from engine.transports.local import LocalSession
from tests.support.phone_sessions import PhoneSessions

ITEM = {"mac": "001565a1b2c3", "vendor": "yealink", "model": "T46S", "extension": "101", "label": "Front desk",
        "line_password": "n3w-Passw0rd"}
ARGS = PhoneConfigArgs("prov", "001565a1b2c3", "yealink", "T46S")
POLY_ARGS = PhoneConfigArgs("prov", "64167f0a0b0c", "poly", "VVX411", folder="/poly/")
ACTION = PhoneConfig()

Opened = Callable[..., PhoneSessions]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Sessions on one folder; read-only ones for planning."""

    def sessions(read_only: bool = False, **item: Any) -> PhoneSessions:
        return PhoneSessions(
            context={"item": {**ITEM, **item}, "sip_server": "sip.example.net", "customer": {"timezone": "America/New_York"}},
            open_files=lambda name: LocalSession({"root": str(tmp_path)}, read_only, lambda: 10.0),
            secrets=(ITEM["line_password"],),
        )

    return sessions


def planned(args: PhoneConfigArgs, at: PhoneSessions) -> Change | None:
    return ACTION.diff(args, ACTION.observe(args, at))


def applied(args: PhoneConfigArgs, at: PhoneSessions) -> dict[str, Any]:
    change = planned(args, at)
    assert change is not None
    return dict(ACTION.apply(change, args, at, key="k").data)


def test_plan_writes_nothing_and_shows_the_new_file_masked(opened: Opened, tmp_path: Path) -> None:
    """Planning leaves the folder empty; the password is nowhere in what is shown."""
    change = planned(ARGS, opened(read_only=True))
    assert change is not None
    assert list(tmp_path.iterdir()) == []
    assert (change.summary, change.reversible) == ("write 001565a1b2c3.cfg", True)
    (text,) = change.texts
    assert text.before is None
    assert text.after is not None
    assert "account.1.password = ***\n" in text.after
    assert "n3w-Passw0rd" not in repr(change)


def test_apply_makes_it_so_and_a_second_plan_finds_nothing(opened: Opened, tmp_path: Path) -> None:
    """After apply the file carries the password, and observe plus diff say that nothing is left."""
    applied(ARGS, opened())
    assert b"account.1.password = n3w-Passw0rd\n" in (tmp_path / "001565a1b2c3.cfg").read_bytes()
    assert planned(ARGS, opened(read_only=True)) is None


def test_read_only_sessions_refuse_the_write(opened: Opened, tmp_path: Path) -> None:
    """An apply that is handed a planning session cannot write."""
    at = opened(read_only=True)
    change = planned(ARGS, at)
    assert change is not None
    with pytest.raises(WriteRefused):
        ACTION.apply(change, ARGS, at, key="k")
    assert list(tmp_path.iterdir()) == []


def test_undo_restores_what_stood_there(opened: Opened, tmp_path: Path) -> None:
    """A file that was there comes back byte for byte, whatever it held."""
    file = tmp_path / "001565a1b2c3.cfg"
    file.write_bytes(b"\xff\x00old binary")
    at = opened()
    change = planned(ARGS, at)
    assert change is not None
    assert change.texts[0].before == "(12 bytes that are not text)\n"
    receipt = ACTION.apply(change, ARGS, at, key="k")
    ACTION.undo(receipt, ARGS, at, key="k")
    assert file.read_bytes() == b"\xff\x00old binary"


def test_undo_removes_what_was_new(opened: Opened, tmp_path: Path) -> None:
    """Both files of a Poly phone go away again."""
    at = opened()
    change = planned(POLY_ARGS, at)
    assert change is not None
    receipt = ACTION.apply(change, POLY_ARGS, at, key="k")
    assert sorted(p.name for p in (tmp_path / "poly").iterdir()) == ["64167f0a0b0c-settings.cfg", "64167f0a0b0c.cfg"]
    ACTION.undo(receipt, POLY_ARGS, at, key="k")
    assert list((tmp_path / "poly").iterdir()) == []


def test_settings_are_written_before_the_master_that_names_them(opened: Opened) -> None:
    """A phone that fetches in between never finds a master without its settings."""
    receipt = applied(POLY_ARGS, opened())
    assert [file["path"] for file in receipt["files"]] == ["poly/64167f0a0b0c-settings.cfg", "poly/64167f0a0b0c.cfg"]


def test_a_changed_password_shows_as_changed_but_never_itself(opened: Opened, tmp_path: Path) -> None:
    """An old password nobody told us is masked by its key; the two masks differ, or the diff would be empty."""
    applied(ARGS, opened(line_password="0ld-secret-x"))
    change = planned(ARGS, opened())
    assert change is not None
    (text,) = change.texts
    assert text.before is not None
    assert text.after is not None
    assert "account.1.password = *** (old)\n" in text.before
    assert "account.1.password = *** (new)\n" in text.after
    assert "0ld-secret-x" not in repr(change)


def test_two_changes_that_look_alike_have_different_tokens(opened: Opened) -> None:
    """Masking must not make an approval of one password change good for another."""
    applied(ARGS, opened(line_password="0ld-secret-x"))
    one = planned(ARGS, opened(line_password="first-new-pw"))
    two = planned(ARGS, opened(line_password="other-new-pw"))
    assert one is not None
    assert two is not None
    assert one.texts == two.texts
    assert one.digest() != two.digest()


def test_only_the_file_that_differs_is_written(opened: Opened) -> None:
    """A label is in the settings; the master stays untouched."""
    applied(POLY_ARGS, opened())
    receipt = applied(POLY_ARGS, opened(label="Back office"))
    assert [file["path"] for file in receipt["files"]] == ["poly/64167f0a0b0c-settings.cfg"]


def test_what_cannot_be_removed_cannot_be_undone(opened: Opened, tmp_path: Path) -> None:
    """Over TFTP a new file stays: the plan says so, and undo tells what to do."""
    at = opened()
    seen = ACTION.observe(ARGS, at)
    seen.can_remove = False
    change = ACTION.diff(ARGS, seen)
    assert change is not None
    assert not change.reversible
    receipt = ACTION.apply(change, ARGS, at, key="k")

    class Undeletable(LocalSession):
        __slots__ = ()

        def __init__(self, settings: dict[str, object]) -> None:
            super().__init__(settings, False, lambda: 10.0)
            self.can_remove = False

    at.open_files = lambda name: Undeletable({"root": str(tmp_path)})
    with pytest.raises(Permanent, match=r"001565a1b2c3\.cfg was new, .* remove it on the server"):
        ACTION.undo(receipt, ARGS, at, key="k")


@pytest.mark.parametrize(
    ("vendor", "model", "text", "shown"),
    [
        ("yealink", "T46S", "#account.2.password =  s3cr;et#x \r\nkey = v\n", "#account.2.password =  *** \r\nkey = v\n"),
        ("yealink", "T46S", "static.security.user_password = admin:x\n", "static.security.user_password = ***\n"),
        ("yealink", "T46S", "account.1.password =\naccount.1.label = x\n", "account.1.password =\naccount.1.label = x\n"),
        ("grandstream", "GXP2170", "<P34></P34><P35>7</P35><P34>a&lt;b</P34>", "<P34></P34><P35>7</P35><P34>***</P34>"),
        ("grandstream", "GXP2170", "<P34/><P3>x</P3><P2><![CDATA[a<b]]></P2>", "<P34/><P3>x</P3><P2>***</P2>"),
        ("cisco", "SPA504G", '<Password_2_ ua="na">pw</Password_2_>', '<Password_2_ ua="na">***</Password_2_>'),
        ("cisco", "8841", "<Admin_Password>\n x </Admin_Password>", "<Admin_Password>***</Admin_Password>"),
        ("poly", "VVX411", """<a reg.2.auth.password="a'b" reg.2.x="y"/>""", '<a reg.2.auth.password="***" reg.2.x="y"/>'),
        ("poly", "VVX411", """<a reg.1.auth.password='a"b'/>""", "<a reg.1.auth.password='***'/>"),
        ("snom", "D785", '<user_pass idx="1" perm="R">pw</user_pass>', '<user_pass idx="1" perm="R">***</user_pass>'),
    ],
)
def test_secrets_are_masked_by_key_in_every_form(vendor: str, model: str, text: str, shown: str) -> None:
    """Comments, empty values, attributes, CDATA and both kinds of quotes included; nothing else is touched."""
    family = model_of(vendor, model).family
    assert mask_pair(family, text.encode(), text.encode(), str) == (shown, shown)
