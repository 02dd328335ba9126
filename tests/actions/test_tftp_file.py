"""``tftp.file`` against the lab's TFTP server, and its cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.tftp.file import FileSeen, TftpFile, TftpFileArgs, mask_lookalikes
from engine.model.args import BadArgument, builder_of
from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.plan import Change
from engine.transports.tftp import TftpPool
from tests.support.sessions import Opened, TestSessions, make_sessions
from tests.support.tftpd import LabTftpd, lab_tftpd

CASES = sorted((Path(__file__).parent / "tftp_file").glob("*.yml"))
ACTION = TftpFile()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabTftpd]:
    with lab_tftpd(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def lab(running: LabTftpd) -> LabTftpd:
    running.misbehave()
    (running.folder / "tftp.jsonl").unlink(missing_ok=True)
    (running.root / "dialplan.xml").unlink(missing_ok=True)
    return running


@pytest.fixture
def pool() -> Iterator[TftpPool]:
    pool = TftpPool()
    yield pool
    pool.close()


def sessions(
    lab: LabTftpd, pool: TftpPool, read_only: bool = False, templates: Path | None = None, **context: object
) -> TestSessions:
    opened = Opened("tftp", lambda read_only, host: pool.session(lab.settings(), read_only, lambda: 10.0))
    return make_sessions(
        {"tftp": opened}, read_only=read_only, secrets=("s3cret-value",), context=context,
        template_folders=[templates] if templates else [],
    )


def args(content: str = "<DIALTEMPLATE/>\n") -> TftpFileArgs:
    return TftpFileArgs(connection="tftp", path="dialplan.xml", content=content)


def change_of(given: TftpFileArgs, at: TestSessions) -> Change:
    change = ACTION.diff(given, ACTION.observe(given, at))
    assert isinstance(change, Change)
    return change


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    """Args and what was seen, against the change that must come of it."""
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    given = TftpFileArgs(connection="tftp", path=case["path"], content=case["after"])
    seen = FileSeen(
        None if case["before"] is None else case["before"].encode(), case["after"].encode(),
        case.get("shown_before", case["before"]), case.get("shown_after", case["after"]),
    )
    change = ACTION.diff(given, seen)
    expected = case["change"]
    if expected is None:
        assert change is None
        return
    assert change is not None
    assert change.summary == expected["summary"]
    assert change.reversible is expected["reversible"]
    assert list(change.notes) == expected["notes"]
    assert (change.texts[0].before, change.texts[0].after) == (seen.shown_before, seen.shown_after)


def test_a_plan_writes_nothing(lab: LabTftpd, pool: TftpPool) -> None:
    """The server saw reads alone, and its sessions would have refused a write."""
    at = sessions(lab, pool, read_only=True)
    change = change_of(args(), at)
    assert change.summary == "write dialplan.xml"
    assert lab.writes() == 0
    with pytest.raises(WriteRefused):
        ACTION.apply(change, args(), at, key="k")
    assert lab.writes() == 0


def test_after_applying_nothing_is_left_to_change(lab: LabTftpd, pool: TftpPool) -> None:
    at = sessions(lab, pool)
    ACTION.apply(change_of(args(), at), args(), at, key="k")
    assert (lab.root / "dialplan.xml").read_bytes() == b"<DIALTEMPLATE/>\n"
    assert ACTION.diff(args(), ACTION.observe(args(), at)) is None
    assert lab.writes() == 1


def test_undo_writes_back_what_the_file_held(lab: LabTftpd, pool: TftpPool) -> None:
    """Byte for byte, text or not."""
    at = sessions(lab, pool)
    (lab.root / "dialplan.xml").write_bytes(b"old\r\n\xff")
    change = change_of(args(), at)
    assert change.reversible
    receipt = ACTION.apply(change, args(), at, key="k")
    ACTION.undo(receipt, args(), at, key="u")
    assert (lab.root / "dialplan.xml").read_bytes() == b"old\r\n\xff"


def test_a_new_file_cannot_be_undone_and_says_so_beforehand(lab: LabTftpd, pool: TftpPool) -> None:
    """TFTP has no delete."""
    at = sessions(lab, pool)
    change = change_of(args(), at)
    assert not change.reversible
    assert change.notes == ("dialplan.xml is new, and TFTP cannot delete it again",)
    receipt = ACTION.apply(change, args(), at, key="k")
    with pytest.raises(Permanent, match="remove it on the server itself"):
        ACTION.undo(receipt, args(), at, key="u")


def test_a_lost_reply_is_resolved_by_reading(lab: LabTftpd, pool: TftpPool) -> None:
    """The write failed as far as we heard, and was done: nothing is written a second time."""
    at = sessions(lab, pool)
    lab.misbehave("lost_ack", count=1)
    with pytest.raises(Temporary):
        ACTION.apply(change_of(args(), at), args(), at, key="k")
    assert ACTION.diff(args(), ACTION.observe(args(), at)) is None
    assert lab.writes() == 1


def test_no_secret_is_shown(lab: LabTftpd, pool: TftpPool) -> None:
    """Neither one that is known nor one that stands on the server under a key called like a secret; a changed one still
    makes another digest."""
    at = sessions(lab, pool)
    (lab.root / "dialplan.xml").write_text("name=x\nadmin_password=theirs-1234\n")
    first = change_of(args("name=x\nadmin_password=s3cret-value\nother: s3cret-value\n"), at)
    second = change_of(args("name=x\nadmin_password=another-value\nother: s3cret-value\n"), at)
    for change in (first, second):
        shown = str(change)
        for secret in ("theirs-1234", "s3cret-value", "another-value"):
            assert secret not in shown
    assert first.digest() != second.digest()


def test_a_template_is_rendered(lab: LabTftpd, pool: TftpPool, tmp_path: Path) -> None:
    (tmp_path / "x.j2").write_text("ext={{ item.extension }}\n")
    at = sessions(lab, pool, templates=tmp_path, item={"extension": "0101"})
    given = TftpFileArgs(connection="tftp", path="dialplan.xml", template="x.j2")
    ACTION.apply(change_of(given, at), given, at, key="k")
    assert (lab.root / "dialplan.xml").read_text() == "ext=0101\n"


@pytest.mark.parametrize("given", [{}, {"content": "a", "template": "b"}])
def test_exactly_one_of_content_and_template_is_wanted(given: dict[str, str]) -> None:
    with pytest.raises(BadArgument, match="one of the two"):
        builder_of(TftpFileArgs)({"connection": "tftp", "path": "x", **given})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("account.1.password = abc def", "account.1.password = ***"),
        ('{"api_key": "abc", "x": 1}', '{"api_key": ***, "x": 1}'),
        ('<reg auth.password="a b c" x="1"/>', '<reg auth.password=*** x="1"/>'),
        ("<User_Password_1_ ua='na'>abc</User_Password_1_>", "<User_Password_1_ ua='na'>***</User_Password_1_>"),
        ("<user_pass idx='1'>abc</user_pass>", "<user_pass idx='1'>***</user_pass>"),
        ("display = compass\nbypass", "display = compass\nbypass"),
    ],
)
def test_values_under_keys_called_like_secrets_are_masked(text: str, shown: str) -> None:
    """In the forms phones' files have."""
    assert mask_lookalikes(text) == shown


def test_masking_a_large_file_is_quick() -> None:
    """No pattern runs away with a long word."""
    text = "a" * 200_000 + "=" + "<" * 50_000
    assert mask_lookalikes(text) == text
