"""``ssh.file``: its decisions as data, and against the lab's device and a real sshd."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.ssh.file import FileSeen, Held, SshFile, SshFileArgs, shown
from engine.lab.board import Fault
from engine.model.args import BadArgument, builder_of, schema_of
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change
from engine.transports.ssh import SshPool
from tests.support.phone_sessions import PhoneSessions
from tests.support.ssh_device import SshDevice, ssh_device
from tests.support.ssh_sessions import SshBench, ssh_bench
from tests.support.sshd import Sshd, require_sshd, sshd

CASES = yaml.safe_load((Path(__file__).parent / "ssh_file" / "cases.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    with ssh_device(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[SshPool]:
    opened = SshPool(lambda name: {})
    yield opened
    opened.close()


def _args(**given: object) -> SshFileArgs:
    return builder_of(SshFileArgs)({"connection": "pbx", **given})


def _bench(settings: Mapping[str, object], pool: SshPool, *secrets: str, **given: object) -> SshBench:
    return ssh_bench(pool, settings, SshFile(), _args(**given), secrets)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_plans(case: dict[str, Any]) -> None:
    """Content, mode, owner and group; what was not asked for is left alone."""
    args = _args(path="/etc/pbx.conf", **case["args"])
    at, held, wanted = PhoneSessions(secrets=("sesame-new",)), None, (args.content or "").encode()
    if case["held"] is not None:
        held = Held(case["held"]["content"].encode(), int(case["held"]["mode"], 8), "0", "33", "root", "www-data")

    planned = SshFile().diff(args, FileSeen(held, wanted, partial(shown, at=at), case.get("has_folder", True)))

    if "nothing" in case:
        assert planned is None
        return
    assert isinstance(planned, Change)
    found: dict[str, Any] = {"summary": planned.summary, "fields": [[f.name, f.before, f.after] for f in planned.fields]}
    for text in planned.texts:
        found |= {"before": text.before, "after": text.after}
    if planned.notes:
        found["notes"] = list(planned.notes)
    assert found == case["change"]


def test_a_plan_writes_nothing_and_a_second_apply_has_nothing_to_do(device: SshDevice, pool: SshPool) -> None:
    """One write between them."""
    bench = _bench(device.settings(), pool, path="/etc/asterisk/a.conf", content="[general]\n", mode="0640")
    before = len(device.requests("write"))

    assert isinstance(bench.plan(), Change)
    assert len(device.requests("write")) == before
    bench.apply()

    assert bench.plan() is None
    assert len(device.requests("write")) == before + 1
    assert (device.root / "etc/asterisk/a.conf").read_bytes() == b"[general]\n"
    assert (device.root / "etc/asterisk/a.conf").stat().st_mode & 0o777 == 0o640


def test_undo_removes_what_was_new_and_puts_back_what_was_there(device: SshDevice, pool: SshPool) -> None:
    """With its mode; called again after a lost reply it does no harm."""
    target = device.root / "etc/undone.conf"
    new = _bench(device.settings(), pool, path="/etc/undone.conf", content="new\n")
    receipt = new.apply()
    new.undo(receipt)
    new.undo(receipt)
    assert not target.exists()

    target.write_bytes(b"old\xff\0")
    target.chmod(0o600)
    replaced = _bench(device.settings(), pool, path="/etc/undone.conf", content="new\n", mode="0644")
    receipt = replaced.apply()
    assert target.read_bytes() == b"new\n"
    replaced.undo(receipt)
    replaced.undo(receipt)
    assert target.read_bytes() == b"old\xff\0"
    assert target.stat().st_mode & 0o777 == 0o600


def test_undo_leaves_alone_what_somebody_changed_since(device: SshDevice, pool: SshPool) -> None:
    """Their work would be lost."""
    bench = _bench(device.settings(), pool, path="/etc/theirs.conf", content="ours\n")
    receipt = bench.apply()
    (device.root / "etc/theirs.conf").write_text("theirs\n")

    with pytest.raises(Permanent, match="was changed by somebody else since"):
        bench.undo(receipt)
    assert (device.root / "etc/theirs.conf").read_text() == "theirs\n"


def test_a_lost_reply_is_resolved_by_reading(device: SshDevice, pool: SshPool) -> None:
    """The file is in place: nothing is left to do."""
    bench = _bench(device.settings(), pool, path="/etc/lost.conf", content="x\n")
    device.have(Fault("lost", "ssh", "die", match="mv -f", count=1))

    with pytest.raises(Temporary):
        bench.apply()
    assert bench.plan() is None


def test_binary_content_is_shown_by_size_and_digest() -> None:
    """Not as a page of question marks."""
    assert shown(b"\xff\xfe\0", PhoneSessions()).startswith("(binary, 3 bytes, sha256 ")
    assert shown(b"a\0b", PhoneSessions()).startswith("(binary, 3 bytes, sha256 ")


def test_a_template_renders_with_the_items_context(device: SshDevice, pool: SshPool) -> None:
    """Relative to templates/, like everywhere."""
    bench = _bench(device.settings(), pool, path="/etc/t.conf", template="t.j2")
    for at in (bench.reading, bench.writing):
        at.render = lambda template, extra=None: f"from {template}\n"  # type: ignore[method-assign]

    bench.apply()

    assert (device.root / "etc/t.conf").read_text() == "from t.j2\n"


# ---------------------------------------------------------------- a real sshd


@pytest.mark.real
def test_mode_owner_and_content_on_a_real_sshd(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """By numbers, so that it works for whoever runs this; one connection in all."""
    bench = _bench(
        server.settings(root=str(tmp_path)), pool, path="/it's $HOME.conf", content="x\n", mode="4750",
        owner=str(os.getuid()), group=str(os.getgid()),
    )

    bench.apply()

    assert bench.plan() is None
    status = (tmp_path / "it's $HOME.conf").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o4750, os.getuid(), os.getgid())
    assert [entry.name for entry in tmp_path.iterdir()] == ["it's $HOME.conf"]


@pytest.mark.real
def test_a_missing_folder_is_noted_in_the_plan_and_permanent_when_applied(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """A step before may create it; nothing creates it behind the operator's back."""
    bench = _bench(server.settings(), pool, path=f"{tmp_path}/no/file", content="x")

    planned = bench.plan()
    assert isinstance(planned, Change)
    assert "does not exist yet" in planned.notes[0]
    with pytest.raises(Permanent, match=f"the folder {tmp_path}/no does not exist; create it first"):
        bench.apply()


@pytest.mark.real
def test_an_owner_that_is_none_is_permanent_and_leaves_the_file(server: Sshd, pool: SshPool, tmp_path: Path) -> None:
    """The old content stays, and no leftovers beside it."""
    (tmp_path / "file").write_text("old")
    bench = _bench(server.settings(), pool, path=f"{tmp_path}/file", content="new", owner="nobody-of-this-name")

    with pytest.raises(Permanent, match="its owner cannot be set"):
        bench.apply()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.real
def test_a_login_without_a_shell_is_told(pool: SshPool, tmp_path: Path) -> None:
    """ssh.file needs a POSIX shell; a file server's SFTP is for phone.config."""
    require_sshd()
    with sshd(tmp_path / "sshd", "ForceCommand echo This account is not available.; exit 1") as closed:
        bench = _bench(closed.settings(), pool, path="/etc/x", content="x")

        with pytest.raises(Permanent, match=r"no POSIX shell\. It said: This account is not available"):
            bench.plan()
        pool.close()


@pytest.mark.parametrize(("given", "name"), [
    ({}, "content"), ({"content": "x", "template": "y"}, "content"), ({"content": "x", "mode": "rw"}, "mode"),
    ({"content": "x", "mode": "0888"}, "mode"), ({"content": "x", "mode": "77777"}, "mode"),
    ({"content": "x", "owner": "a b"}, "owner"), ({"content": "x", "group": "-x"}, "group"),
    ({"content": "x", "owner": "root:root"}, "owner"),
])
def test_arguments_that_cannot_work_are_refused(given: dict[str, object], name: str) -> None:
    """Before anything is read."""
    with pytest.raises(BadArgument, match=f"^{name}: "):
        _args(path="/etc/x", **given)


def test_arguments_are_described() -> None:
    """Every one has its sentence."""
    schema = schema_of("ssh.file", SshFile.doc, SshFileArgs)
    assert all(entry["description"] for entry in schema["properties"].values())  # type: ignore[attr-defined]
