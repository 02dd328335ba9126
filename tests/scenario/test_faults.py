"""What an evening brings: a deaf phone, a busy carrier, a lost answer. Nothing else is harmed, and ``retry`` mends it."""

from __future__ import annotations

from engine.model import event as ev
from engine.model.run import RunStatus
from tests.support.project import NAMED, RUNBOOK, Folder, Lab, statuses

SNOM = "000413cc2805"


def no_change_left(folder: Folder) -> None:
    folder.quick("plan", *NAMED, "--lab", "--detailed-exitcode").must(0)


def reopened(folder: Folder) -> set[str]:
    return {event.address for event in folder.events() if isinstance(event, ev.ItemReopened)}


def test_one_deaf_phone_fails_alone_and_retry_does_only_that_phone(folder: Folder, lab: Lab) -> None:
    folder.plan()
    lab.fault("phones", "deaf", match="505")
    failed = folder.run("apply", "c.plan").must(5)
    assert f"phones/resync[{SNOM}]" in failed.out
    assert "switchover retry" in failed.out
    bad = {address: status for address, status in statuses(folder.fold()).items() if status in ("failed", "blocked")}
    assert bad == {f"phones/resync[{SNOM}]": "failed", f"phones/registered[{SNOM}]": "blocked"}

    lab.heal()
    before = lab.files_written(), lab.patches(), len(lab.mails()), len(lab.requests("phones"))
    folder.run("retry").must(0)
    assert (lab.files_written(), lab.patches(), len(lab.mails())) == before[:3]
    assert len(lab.requests("phones")) == before[3] + 1
    assert reopened(folder) == {f"phones/resync[{SNOM}]", f"phones/registered[{SNOM}]"}
    assert folder.fold().status is RunStatus.SUCCEEDED
    assert "Nothing failed" in folder.run("retry").must(1).err
    no_change_left(folder)


def test_too_many_deaf_phones_trip_the_guard_before_the_rest_is_touched(folder: Folder, lab: Lab) -> None:
    """The first phone is the canary; numbers are not brought over to phones that are not there."""
    folder.edit(RUNBOOK, "max_failures: 50%", "max_failures: 0")
    folder.plan()
    lab.fault("phones", "deaf")
    tripped = folder.run("apply", "c.plan").must(7)
    assert "phones/move" in tripped.out
    assert len(lab.files_written()) == 1
    assert not lab.patches()
    assert len(lab.mails()) == 1

    lab.heal()
    folder.run("retry").must(0)
    assert set(lab.files_written().values()) == {1}
    assert len(lab.mails()) == 2
    no_change_left(folder)


def test_a_busy_carrier_is_waited_for_as_long_as_it_asks(folder: Folder, lab: Lab) -> None:
    """429 for every number at first: no change is lost, none is made twice."""
    folder.plan("--limit", "numbers/forward")
    lab.fault("carrier", "status", match="PATCH", count=4, value=429)
    folder.run("apply", "c.plan").must(0)
    waits = [event.wait_s for event in folder.events() if isinstance(event, ev.ItemRetried)]
    assert len(waits) == 4
    assert all(wait >= 1 for wait in waits)
    assert sorted(lab.patches().values()) == [1, 1, 1]


def test_a_carrier_that_stays_busy_fails_its_numbers_and_retry_brings_them_over(folder: Folder, lab: Lab) -> None:
    folder.edit(RUNBOOK, "attempts: 4", "attempts: 2")
    folder.plan("--limit", "numbers/forward")
    lab.fault("carrier", "status", match="PATCH", value=503)
    folder.run("apply", "c.plan").must(5)
    assert set(statuses(folder.fold()).values()) == {"failed"}
    lab.heal()
    folder.run("retry").must(0)
    assert sorted(lab.patches().values()) == [1, 1, 1]


def test_a_change_whose_answer_was_lost_is_found_by_reading_and_not_made_again(folder: Folder, lab: Lab) -> None:
    folder.plan("--limit", "numbers/forward")
    lab.fault("carrier", "lost_reply", match="PATCH", count=2)
    folder.run("apply", "c.plan").must(0)
    assert len(lab.requests("carrier")) == 3
    adopted = [event.adopted for event in folder.events() if isinstance(event, ev.ItemChanged)]
    assert sorted(adopted) == [False, True, True]


def test_a_lost_answer_and_a_change_that_shows_late_are_still_one_change(folder: Folder, lab: Lab) -> None:
    """The carrier accepts, hangs up, and shows the change only after the next attempt has looked."""
    folder.plan("--limit", "numbers/forward")
    lab.fault("carrier", "lost_reply", match="PATCH", count=3)
    lab.fault("carrier", "late", match="PATCH", value=1.5)
    folder.run("apply", "c.plan").must(0)
    assert len(lab.requests("carrier")) == 3


def test_a_server_that_refuses_writes_is_named_with_the_file(folder: Folder, lab: Lab) -> None:
    folder.plan("--limit", "phones")
    lab.fault("tftp", "refuse_write", match="505.cfg")
    lab.fault("tftp", "refuse_write", match=".htm")
    failed = folder.run("apply", "c.plan").must(5)
    assert f"phones/config[{SNOM}]" in failed.out
    assert "snomD785-000413CC2805.htm" in failed.out
    lab.heal()
    folder.run("retry").must(0)
    assert set(lab.files_written().values()) == {1}


def test_a_server_that_dies_in_the_middle_of_a_file_gets_it_again(folder: Folder, lab: Lab) -> None:
    """What had arrived is not taken for the file."""
    folder.plan("--limit", "phones/config")
    lab.fault("tftp", "die_midway", match="WRQ", count=1, value=1)
    folder.run("apply", "c.plan").must(0)
    assert set(lab.files_written().values()) == {1}
    folder.quick("plan", *NAMED, "--lab", "--limit", "phones/config", "--detailed-exitcode").must(0)


def test_a_refused_mail_login_stops_the_run_before_the_phones(folder: Folder, lab: Lab) -> None:
    """Nobody's phone moves while the partner has not been told."""
    folder.plan()
    lab.fault("mail", "reject_auth")
    failed = folder.run("apply", "c.plan")
    assert failed.must(5, 7).code
    assert "535" in failed.out
    assert not lab.files_written()
    assert not lab.patches()
    lab.heal()
    folder.run("retry").must(0)
    assert len(lab.mails()) == 2
    no_change_left(folder)


def test_a_mail_nobody_answered_for_waits_for_a_person(folder: Folder, lab: Lab) -> None:
    folder.plan()
    lab.fault("mail", "lost_reply", count=1)
    asked = folder.run("apply", "c.plan").must(6)
    assert "announce/notify-partner" in asked.out
    assert not lab.files_written()
    again = folder.run("resume").must(6)
    assert "announce/notify-partner" in again.out
    folder.run("resume", "--done", "announce/notify-partner").must(0)
    assert len(lab.mails()) == 2
    no_change_left(folder)


def test_what_cannot_be_read_is_an_error_in_the_plan_and_is_not_written_blindly(folder: Folder, lab: Lab) -> None:
    """Exit 1, the rest is planned; when it can be read again, a change found only then was shown to nobody."""
    lab.fault("carrier", "status", match="GET", value=500)
    planned = folder.quick("plan", *NAMED, "--lab", "--out", "c.plan").must(1)
    assert "500" in planned.out
    lab.heal()
    failed = folder.run("apply", "c.plan").must(7)
    assert "could not be read" in failed.out
    assert not lab.requests("carrier")
