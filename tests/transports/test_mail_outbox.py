"""The outbox on disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.model.errors import Permanent, WriteRefused
from engine.transports.outbox import FileOutbox

NOON = datetime(2026, 3, 2, 17, 3, tzinfo=UTC)
ID = "<0123@example.net>"


@pytest.fixture
def outbox(tmp_path: Path) -> FileOutbox:
    return FileOutbox(tmp_path / "outbox", lambda: NOON)


def put(outbox: FileOutbox, identifier: str = ID, *, address: str = "notify/partner", key: str = "key") -> None:
    outbox.put(identifier, b"Subject: x\r\n\r\n", scope="example", address=address, key=key)


def test_an_unknown_message_has_no_status(outbox: FileOutbox) -> None:
    """Looking makes no folder."""
    assert outbox.status(ID) is None
    assert outbox.of_attempt("key") is None


def test_a_message_goes_from_unsent_to_sending_to_sent(outbox: FileOutbox, tmp_path: Path) -> None:
    """Each mark is there for whoever opens the folder next, with its time and what was said."""
    put(outbox)
    for status, detail in (("unsent", ""), ("sending", ""), ("sent", "250 OK")):
        if status == "sending":
            outbox.mark(ID, "sending")
        elif status == "sent":
            outbox.mark(ID, "sent", detail)
        found = FileOutbox(tmp_path / "outbox").status(ID)
        assert found is not None
        assert (found.status, found.detail, found.at, found.scope, found.address) == (
            status, detail, NOON, "example", "notify/partner",
        )
    assert outbox.message(ID) == b"Subject: x\r\n\r\n"


def test_an_unsent_message_may_be_put_down_anew_and_others_may_not(outbox: FileOutbox) -> None:
    """What may have left is never replaced."""
    put(outbox)
    put(outbox)
    outbox.mark(ID, "sending")
    with pytest.raises(Permanent, match="as sending since"):
        put(outbox)


def test_an_attempt_finds_what_it_put_down_last(outbox: FileOutbox) -> None:
    """By its key, also when the wording changed."""
    put(outbox, "<1@example.net>")
    put(outbox, "<2@example.net>")
    put(outbox, "<3@example.net>", key="other")
    found = outbox.of_attempt("key")
    assert found is not None
    assert found.message_id == "<2@example.net>"


@pytest.mark.parametrize(("done", "status"), [(True, "sent"), (False, "unsent")])
def test_a_persons_answer_settles_what_is_in_doubt_at_one_address(outbox: FileOutbox, done: bool, status: str) -> None:
    """Messages elsewhere, and those that are not in doubt, stay as they are."""
    for identifier, address in ((ID, "notify/partner"), ("<1@x>", "notify/other"), ("<2@x>", "notify/partner")):
        put(outbox, identifier, address=address)
    outbox.mark(ID, "sending")
    outbox.mark("<1@x>", "sending")
    settled = outbox.settle("example", "notify/partner", done=done)
    assert [(entry.message_id, entry.status) for entry in settled] == [(ID, status)]
    assert [e.status for i in (ID, "<1@x>", "<2@x>") if (e := outbox.status(i))] == [status, "sending", "unsent"]


def test_files_are_private_and_nothing_is_left_over(outbox: FileOutbox, tmp_path: Path) -> None:
    """Mails hold names and numbers."""
    put(outbox)
    outbox.mark(ID, "sending")
    folder = tmp_path / "outbox"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_outbox_for_reading_refuses_to_write(outbox: FileOutbox) -> None:
    """While planning nothing is put down, marked or settled."""
    put(outbox)
    reading = outbox.reading()
    found = reading.status(ID)
    assert found is not None
    with pytest.raises(WriteRefused):
        put(reading)
    with pytest.raises(WriteRefused):
        reading.mark(ID, "sent")
    with pytest.raises(WriteRefused):
        reading.settle("example", "notify/partner", done=True)


def test_marking_what_is_not_there_is_refused(outbox: FileOutbox) -> None:
    """Somebody removed files under a running engine."""
    with pytest.raises(Permanent, match="does not hold"):
        outbox.mark(ID, "sent")


def test_a_damaged_entry_stops_the_mail_instead_of_sending_it_again(outbox: FileOutbox, tmp_path: Path) -> None:
    """Half a file says nothing about whether the mail left."""
    put(outbox)
    (path,) = (tmp_path / "outbox").glob("*.json")
    path.write_text('{"message_id": "<01', encoding="utf-8")
    with pytest.raises(Permanent, match="is no entry of an outbox"):
        outbox.status(ID)


def test_an_outbox_that_cannot_be_used_is_said_and_is_no_bug(tmp_path: Path) -> None:
    """A full disk or a file in its place: no mail leaves that nobody could keep track of."""
    (tmp_path / "file").write_text("")
    outbox = FileOutbox(tmp_path / "file" / "outbox", lambda: NOON)
    uses: tuple[Callable[[], object], ...] = (
        lambda: outbox.status(ID), lambda: outbox.of_attempt("key"), lambda: outbox.message(ID), lambda: put(outbox),
    )
    for use in uses:
        with pytest.raises(Permanent, match=r"the outbox cannot be .*file/outbox.*: Not a directory"):
            use()


def test_many_threads_keep_many_messages_apart(outbox: FileOutbox) -> None:
    """Lanes send side by side."""

    def send(number: int) -> None:
        identifier = f"<{number}@example.net>"
        put(outbox, identifier, address=f"notify/user[{number}]", key=f"key {number}")
        outbox.mark(identifier, "sending")
        outbox.mark(identifier, "sent", f"250 {number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(40)))

    found = [outbox.of_attempt(f"key {number}") for number in range(40)]
    assert [entry and (entry.status, entry.detail) for entry in found] == [("sent", f"250 {number}") for number in range(40)]


@pytest.mark.parametrize("identifier", ["<../../../etc/passwd@x>", "<a/b@x>", "<\u00fc@x>", "<" + "x" * 900 + "@x>", ""])
def test_no_message_id_leads_out_of_the_folder(outbox: FileOutbox, tmp_path: Path, identifier: str) -> None:
    """It comes from the sender's domain, which an inventory holds."""
    put(outbox, identifier, key=identifier)
    found = outbox.of_attempt(identifier)
    assert found is not None
    assert found.message_id == identifier
    assert [entry.name for entry in tmp_path.iterdir()] == ["outbox"]
