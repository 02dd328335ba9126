"""The lab's phones: they fetch and register by themselves, as their vendors' do, and misbehave when told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.lab.phone_vendors import behaviour_of
from tests.support.phone_lab import PHONES, PhoneLab, phone_lab, seed_of
from tests.support.phone_sessions import ROOT

YEALINK = PHONES[0]
CONFIG = (ROOT / "tests/golden/yealink-T46S.cfg").read_bytes()


def config_of(phone: dict[str, Any]) -> bytes:
    """A Yealink file with this phone's account."""
    text = CONFIG.decode().replace("= 101\n", f"= {phone['extension']}\n").replace("k8#Yw2;pLq", phone["line_password"])
    return text.encode()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[PhoneLab]:
    with phone_lab(tmp_path / "lab", seed_of()) as lab:
        yield lab


def notify(lab: PhoneLab, user: str, event: str = "check-sync;reboot=false") -> int:
    return lab.sessions(YEALINK, left_s=2.0).sip("phones").notify(f"sip:{user}@pbx.example.net", event).status


def put(lab: PhoneLab, phone: dict[str, Any]) -> None:
    (lab.folder / "tftp-root" / f"{phone['mac']}.cfg").write_bytes(config_of(phone))


def said(lab: PhoneLab, what: str, number: int = 1) -> dict[str, Any]:
    def read() -> dict[str, Any] | None:
        found = [entry for entry in lab.log("phones", "other") if entry["what"] == what]
        return found[number - 1] if len(found) >= number else None

    return lab.until(read, what)


def test_a_phone_asks_for_its_files_in_its_vendors_order(lab: PhoneLab) -> None:
    """From an address of its own; a missing file is passed over."""
    put(lab, YEALINK)
    assert notify(lab, "101") == 200
    assert said(lab, "configuration read")["files"] == ["001565a1b2c3.cfg"]
    reads = lab.log("tftp", "read")
    assert [entry["file"] for entry in reads] == ["001565a1b2c3.boot", "y000000000000.boot", "001565a1b2c3.cfg"]
    assert {entry["peer"].partition(":")[0] for entry in reads} == {"127.10.0.1"}


def test_the_mac_reaches_the_phone_too(lab: PhoneLab) -> None:
    """Where an extension is not known, its MAC is."""
    put(lab, YEALINK)
    assert notify(lab, "001565A1B2C3") == 200
    said(lab, "registered")


def test_without_a_file_nothing_is_registered(lab: PhoneLab) -> None:
    """A phone that finds no configuration keeps what it has."""
    assert notify(lab, "101") == 200
    assert said(lab, "configuration read")["usable"] is False
    assert lab.log("platform", "write") == []


def test_an_unchanged_account_is_not_registered_again(lab: PhoneLab) -> None:
    """The second resync fetches and leaves it at that."""
    put(lab, YEALINK)
    notify(lab, "101")
    said(lab, "registered")
    notify(lab, "101")
    said(lab, "configuration read", 2)
    assert len([entry for entry in lab.log("platform", "write") if entry["status"] == 200]) == 1


def test_a_broken_file_is_refused_and_told(lab: PhoneLab) -> None:
    """Half a file is no configuration."""
    (lab.folder / "tftp-root" / "cfg000b82d1d2d3.xml").write_bytes(b"<gs_provision><P271>1</P271>")
    assert notify(lab, "103", "resync") == 200
    assert "ParseError" in said(lab, "configuration refused")["why"]


@pytest.mark.parametrize(
    ("user", "event", "status"),
    [("101", "check-sync", 200), ("101", "resync", 489), ("102", "check-sync;reboot=true", 489), ("103", "resync", 200),
     ("105", "check-sync", 200), ("106", "check-sync", 489), ("999", "check-sync", 404)],
)
def test_each_vendor_hears_its_own_events(lab: PhoneLab, user: str, event: str, status: int) -> None:
    """An event of another vendor is a Bad Event; an extension nobody has is not found."""
    assert notify(lab, user, event) == status


def test_options_is_answered_and_counted_as_a_read(lab: PhoneLab) -> None:
    """Asking whether a phone is there alters nothing."""
    assert lab.sessions(YEALINK).sip("phones").options("sip:101@pbx.example.net").status == 200
    assert [entry["kind"] for entry in lab.log("phones")] == ["read"]


def test_a_slow_phone_fetches_later(lab: PhoneLab) -> None:
    """The answer comes at once, the fetch after the time told."""
    put(lab, YEALINK)
    lab.fail(("phones", "slow", "101 ", 0.5))
    before = time.monotonic()
    assert notify(lab, "101") == 200
    assert lab.log("tftp") == []
    said(lab, "configuration read")
    assert time.monotonic() - before >= 0.5


def test_a_challenged_notify_needs_the_accounts_password(lab: PhoneLab) -> None:
    """As phones with Auth_Resync do: 401 first, then the right digest is obeyed."""
    lab.fail(("phones", "challenge", "101 ", None))
    put(lab, YEALINK)
    settings = {**lab.settings()["phones"], "username": "101", "password": YEALINK["line_password"]}
    session = lab.sip.session(settings, False, lambda: 2.0)
    assert session.notify("sip:101@pbx.example.net", "check-sync").status == 200
    said(lab, "registered")


def test_two_hundred_phones_move_at_once(tmp_path: Path) -> None:
    """One process plays them all: each fetches its file and registers, none is lost."""
    phones = tuple(
        {**YEALINK, "mac": f"001565{index:06x}", "extension": str(1000 + index), "line_password": f"pw-{index:05}"}
        for index in range(200)
    )
    with phone_lab(tmp_path / "lab", seed_of(phones)) as lab:
        lab.settle_s = 30.0
        for phone in phones:
            put(lab, phone)
        for phone in phones:
            assert notify(lab, phone["extension"]) == 200
        said(lab, "registered", 200)
        assert [entry for entry in lab.log("phones", "other") if entry["what"] == "not registered"] == []


def test_a_vendor_the_lab_does_not_have_is_refused() -> None:
    """Better said than played wrongly."""
    with pytest.raises(ValueError, match="no phones of vendor 'avaya'"):
        behaviour_of("avaya", "J179")
