"""The whole lane of a phone over real sockets: file by TFTP, NOTIFY, fetch, REGISTER, proof; and what stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.actions.phone.config import PhoneConfig, PhoneConfigArgs
from engine.actions.phone.registered import PhoneRegistered, PhoneRegisteredArgs
from engine.actions.phone.resync import PhoneResync, PhoneResyncArgs
from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.plan import Change, Unpredictable
from tests.support.phone_lab import PHONES, PhoneLab, phone_lab, seed_of

CONFIG, RESYNC, REGISTERED = PhoneConfig(), PhoneResync(), PhoneRegistered()
YEALINK = PHONES[0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[PhoneLab]:
    with phone_lab(tmp_path / "lab", seed_of()) as lab:
        yield lab


def config_args(phone: dict[str, Any]) -> PhoneConfigArgs:
    return PhoneConfigArgs("prov", phone["mac"], phone["vendor"], phone["model"])


def resync_args(phone: dict[str, Any], **more: Any) -> PhoneResyncArgs:
    values = {"proof": "platform", **more}
    return PhoneResyncArgs("phones", phone["vendor"], phone["model"], phone["mac"], phone["extension"], **values)


def registered_args(phone: dict[str, Any], **more: Any) -> PhoneRegisteredArgs:
    return PhoneRegisteredArgs("platform", phone["extension"], vendor=phone["vendor"], model=phone["model"], **more)


def config_change(lab: PhoneLab, phone: dict[str, Any]) -> Change | None:
    at = lab.sessions(phone, read_only=True)
    return CONFIG.diff(config_args(phone), CONFIG.observe(config_args(phone), at))


def resync_change(lab: PhoneLab, phone: dict[str, Any], **more: Any) -> Change | Unpredictable | None:
    args = resync_args(phone, **more)
    return RESYNC.diff(args, RESYNC.observe(args, lab.sessions(phone, read_only=True)))


def registered_change(lab: PhoneLab, phone: dict[str, Any], **more: Any) -> Change | None:
    args = registered_args(phone, **more)
    return REGISTERED.diff(args, REGISTERED.observe(args, lab.sessions(phone, read_only=True)))


def is_none(read: Callable[..., object], *args: Any, **more: Any) -> bool | None:
    """True when there is nothing left to change; None to be asked again."""
    return True if read(*args, **more) is None else None


def publish(lab: PhoneLab, phone: dict[str, Any]) -> str:
    change = config_change(lab, phone)
    assert change is not None
    CONFIG.apply(change, config_args(phone), lab.sessions(phone), key="k")
    assert config_change(lab, phone) is None
    return datetime.now(UTC).isoformat()


def notify(lab: PhoneLab, phone: dict[str, Any], **more: Any) -> None:
    args = resync_args(phone, **more)
    change = resync_change(lab, phone, **more)
    assert change is not None
    RESYNC.apply(change, args, lab.sessions(phone, left_s=2.0), key="k")


def test_every_vendor_goes_from_file_to_registration(lab: PhoneLab) -> None:
    """Six families: written, told by their own event, fetched under their own names, registered with their own account."""
    for phone in PHONES:
        since = publish(lab, phone)
        assert resync_change(lab, phone, since=since) is not None
        assert registered_change(lab, phone) is not None
        notify(lab, phone, since=since)
    for phone in PHONES:
        lab.until(partial(is_none, resync_change, lab, phone), f"the fetch of {phone['extension']}")
        lab.until(partial(is_none, registered_change, lab, phone), f"the registration of {phone['extension']}")


def test_planning_a_lane_writes_nothing_anywhere(lab: PhoneLab) -> None:
    """After observing and diffing all three steps no server has seen a write."""
    for phone in PHONES:
        assert config_change(lab, phone) is not None
        assert resync_change(lab, phone) is not None
        assert registered_change(lab, phone) is not None
    assert [entry for server in ("tftp", "platform", "phones") for entry in lab.log(server, "write")] == []


def test_a_second_run_changes_nothing(lab: PhoneLab) -> None:
    """With the same time of change all three steps find their work done."""
    since = publish(lab, YEALINK)
    notify(lab, YEALINK, since=since)
    lab.until(partial(is_none, registered_change, lab, YEALINK), "the registration")
    writes = len(lab.log("phones", "write"))
    assert config_change(lab, YEALINK) is None
    assert resync_change(lab, YEALINK, since=since) is None
    assert registered_change(lab, YEALINK, since=since) is None
    assert len(lab.log("phones", "write")) == writes


def test_reading_the_file_back_is_not_taken_for_the_phones_fetch(lab: PhoneLab) -> None:
    """The engine reads by TFTP too; neither the platform nor a log read with ignore_from counts that."""
    publish(lab, YEALINK)
    assert resync_change(lab, YEALINK) is not None
    args = {"proof": "logs", "fetch_log": "tftpd.log", "ignore_from": ("127.0.0.1",)}
    assert resync_change(lab, YEALINK, **args) is not None
    notify(lab, YEALINK, **args)
    lab.until(partial(is_none, resync_change, lab, YEALINK, **args), "the fetch in the log")


def test_registration_can_be_replaced_by_the_fetch_as_proof(lab: PhoneLab) -> None:
    """Where no platform can be asked, the fetch in the server's log proves the phone."""
    since = publish(lab, YEALINK)
    args = PhoneRegisteredArgs(
        "logs", "101", vendor="yealink", model="T46S", mac=YEALINK["mac"], fetch_log="tftp.jsonl", ignore_from=("127.0.0.1",),
        since=since,
    )
    at = lab.sessions(YEALINK, read_only=True)
    change = REGISTERED.diff(args, REGISTERED.observe(args, at))
    assert change is not None
    assert change.fields[0].before == "never"
    notify(lab, YEALINK, since=since)
    lab.until(lambda: REGISTERED.diff(args, REGISTERED.observe(args, at)) is None or None, "the fetch")


def test_without_proof_nobody_knows(lab: PhoneLab) -> None:
    """A NOTIFY whose effect cannot be read is shown as unpredictable, and still sent."""
    publish(lab, YEALINK)
    change = resync_change(lab, YEALINK, proof=None)
    assert isinstance(change, Unpredictable)
    notify(lab, YEALINK, proof=None)
    assert lab.log("phones", "write")[-1]["status"] == 200


def test_a_fetch_before_the_change_does_not_count(lab: PhoneLab) -> None:
    """What was fetched yesterday is yesterday's file: the plan shows both times."""
    since = publish(lab, YEALINK)
    notify(lab, YEALINK, since=since)
    lab.until(partial(is_none, resync_change, lab, YEALINK, since=since), "the fetch")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    change = resync_change(lab, YEALINK, since=tomorrow)
    assert isinstance(change, Change)
    assert change.summary == "resync 101 (check-sync;reboot=false)"
    assert str(change.fields[0].after).startswith("after ")
    assert str(change.fields[0].before).startswith(str(datetime.now(UTC).year))


def test_a_planning_session_cannot_notify(lab: PhoneLab) -> None:
    """Read-only sessions refuse before a datagram leaves."""
    change = resync_change(lab, YEALINK)
    assert change is not None
    with pytest.raises(WriteRefused):
        RESYNC.apply(change, resync_args(YEALINK), lab.sessions(YEALINK, read_only=True), key="k")
    assert lab.log("phones") == []


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("deaf", Temporary, "no answer from 127.0.0.1"),
        ("busy", Temporary, "the phone is in a call"),
        ("unknown", Permanent, "obeys the proxy it is registered to"),
        ("challenge", Permanent, "set 'username' and 'password'"),
    ],
)
def test_a_phone_that_does_not_obey_is_a_clear_failure(
    lab: PhoneLab, fault: str, error: type[Exception], message: str
) -> None:
    """Each refusal says what it means and what to look at."""
    lab.fail(("phones", fault, "101 ", None))
    with pytest.raises(error, match=message):
        notify(lab, YEALINK)


def test_the_wrong_vendor_in_the_inventory_is_told_as_such(lab: PhoneLab) -> None:
    """A phone that does not know the event answers 489, and the operator is sent to the inventory."""
    wrong = {**YEALINK, "vendor": "grandstream", "model": "GXP2170"}
    with pytest.raises(Permanent, match="does not know this Event; check vendor and model"):
        notify(lab, wrong)


def test_a_phone_that_hears_but_does_not_fetch_is_never_reported_done(lab: PhoneLab) -> None:
    """A 200 proves nothing: without the fetch the step stays open."""
    lab.fail(("phones", "stale", "101 ", None))
    since = publish(lab, YEALINK)
    notify(lab, YEALINK, since=since)
    assert lab.log("phones", "write")[-1]["status"] == 200
    change = resync_change(lab, YEALINK, since=since)
    assert isinstance(change, Change)
    assert change.fields[0].before == "never"


def test_a_wrong_password_shows_as_not_registered(lab: PhoneLab) -> None:
    """The registrar refuses; what the check lacks is the registration itself."""
    lab.fail(("phones", "wrong_password", "101 ", None))
    notify(lab, YEALINK, since=publish(lab, YEALINK))
    lab.until(lambda: next((e for e in lab.log("platform") if e.get("status") == 403), None), "the refusal")
    change = registered_change(lab, YEALINK)
    assert change is not None
    assert [(f.name, f.before, f.after) for f in change.fields] == [("registration", "unregistered", "registered")]


def test_registration_shows_late_and_is_waited_for(lab: PhoneLab) -> None:
    """The platform shows a registration a while after it happened."""
    lab.fail(("platform", "late", "REGISTER 101", 0.6))
    notify(lab, YEALINK, since=publish(lab, YEALINK))
    lab.until(lambda: next((e for e in lab.log("platform") if e.get("status") == 200 and e["what"] == "REGISTER"), None), "it")
    assert registered_change(lab, YEALINK) is not None
    lab.until(partial(is_none, registered_change, lab, YEALINK), "the registration")


def test_another_vendors_phone_on_the_extension_is_found_out(lab: PhoneLab) -> None:
    """Registered is not enough when the User-Agent is not the inventory's phone."""
    notify(lab, YEALINK, since=publish(lab, YEALINK))
    lab.until(partial(is_none, registered_change, lab, YEALINK), "the registration")
    change = registered_change(lab, {**YEALINK, "vendor": "snom", "model": "D785"})
    assert change is not None
    assert [(f.name, f.before, f.after) for f in change.fields] == [
        ("user agent", "Yealink SIP-T46S 66.86.0.15", "contains snom")
    ]


def test_an_unknown_extension_is_not_an_error_but_not_true(lab: PhoneLab) -> None:
    """At plan time a user may not exist yet: the check says so and is read again later."""
    change = registered_change(lab, {**YEALINK, "extension": "999"})
    assert change is not None
    assert change.fields[0].before == "no such user or device at the platform"


def test_undo_over_tftp_restores_what_was_there_and_says_what_it_cannot(lab: PhoneLab) -> None:
    """TFTP cannot delete: the plan tells beforehand, an existing file comes back, a new one is named."""
    new = config_change(lab, YEALINK)
    assert new is not None
    assert not new.reversible
    args, at = config_args(YEALINK), lab.sessions(YEALINK)
    receipt = CONFIG.apply(new, args, at, key="k")
    with pytest.raises(Permanent, match="remove it on the server"):
        CONFIG.undo(receipt, args, at, key="k")
    changed = {**YEALINK, "label": "Moved"}
    again = config_change(lab, changed)
    assert again is not None
    assert again.reversible
    at = lab.sessions(changed)
    CONFIG.undo(CONFIG.apply(again, args, at, key="k"), args, at, key="k")
    assert config_change(lab, YEALINK) is None
