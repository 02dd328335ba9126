"""Systems that are not there, do not let us in, or are not who they were: told in the plan, where they are, with exit 1.

The inventories here name the lab's servers as an operator names real ones: by host, port and credentials of their own.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cli import Ended
from tests.support.project import Folder, Lab, project_at

WRONG = "wrong-pass+word/9"


def free_port(kind: socket.SocketKind) -> int:
    """A port that nobody listens on just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_of(lab: Lab, server: str, name: str) -> int:
    port: int = lab.status()[server]["ports"][name]
    return port


def planned(folder: Folder, step: str, connection: Mapping[str, object], *, code: int = 1) -> Ended:
    """Plans one step over one connection, which has a wrong password in the environment."""
    (folder.root / "inventories" / "one").mkdir()
    (folder.root / "inventories" / "one" / "inventory.yml").write_text(
        f"switchover: 1\ncustomer: one\ntimezone: UTC\nconnections:\n  there: {dict(connection)!r}\n", encoding="utf-8"
    )
    (folder.root / "runbooks" / "one.yml").write_text(
        f"switchover: 1\nname: one\ntitle: One\nphases:\n  - name: one\n    steps:\n      - name: step\n{step}", encoding="utf-8"
    )
    return folder.run("plan", "runbooks/one.yml", "-i", "inventories/one", env={"WRONG": WRONG}).must(code)


FILE = """\
        action: tftp.file
        with: {connection: there, path: a.txt, content: text}
        timeout: 2s
"""
NUMBER = """\
        action: number.forward
        with: {connection: there, number: "+12125550111", to: "+12125550161"}
        timeout: 2s
"""
SHELL = """\
        action: ssh.file
        with: {connection: there, path: /etc/motd, content: text}
        timeout: 5s
"""


@pytest.fixture
def bare(tmp_path: Path) -> Folder:
    return project_at(tmp_path / "project")


def test_a_tftp_server_that_is_not_there(bare: Folder) -> None:
    port = free_port(socket.SOCK_DGRAM)
    told = planned(bare, FILE, {"type": "tftp", "host": "127.0.0.1", "port": port, "timeout_s": 0.3}).out
    assert f"127.0.0.1:{port}" in told


def test_a_host_name_that_leads_nowhere(bare: Folder) -> None:
    told = planned(bare, FILE, {"type": "tftp", "host": "prov.invalid"}).out
    assert "prov.invalid" in told


def test_an_api_that_is_not_there(bare: Folder) -> None:
    port = free_port(socket.SOCK_STREAM)
    told = planned(bare, NUMBER, {"type": "telnyx", "url": f"http://127.0.0.1:{port}", "api_key": "env:WRONG"}).out
    assert f"127.0.0.1:{port}" in told
    assert "could not connect" in told


def test_an_api_key_that_is_not_accepted(bare: Folder, shared_lab: Lab) -> None:
    port = port_of(shared_lab, "carrier", "http")
    ended = planned(bare, NUMBER, {"type": "telnyx", "url": f"http://127.0.0.1:{port}", "api_key": "env:WRONG"})
    assert "401" in ended.out
    assert "api_key" in ended.out
    assert WRONG not in ended.text


def test_a_number_that_is_not_on_the_account(bare: Folder, shared_lab: Lab) -> None:
    port = port_of(shared_lab, "carrier", "http")
    key = f"file:{shared_lab.folder / 'secrets' / 'telnyx_api_key'}"
    step = NUMBER.replace("+12125550111", "+12125550999")
    told = planned(bare, step, {"type": "telnyx", "url": f"http://127.0.0.1:{port}", "api_key": key}).out
    assert "+12125550999" in told


def device(lab: Lab, **changes: object) -> dict[str, object]:
    """The lab's SSH device, logged in to as its owner does."""
    return {
        "type": "ssh", "host": "127.0.0.1", "port": port_of(lab, "ssh", "ssh"), "username": "lab",
        "password": f"file:{lab.folder / 'secrets' / 'ssh_password'}", "known_hosts": str(lab.folder / "known_hosts"), **changes,
    }


def test_a_host_that_answers_as_it_should_is_planned(bare: Folder, shared_lab: Lab) -> None:
    """So that what the tests beside this one see is the trouble and not the form."""
    assert "motd" in planned(bare, SHELL, device(shared_lab), code=0).out


def test_a_password_that_is_not_accepted(bare: Folder, shared_lab: Lab) -> None:
    ended = planned(bare, SHELL, device(shared_lab, password="env:WRONG"))
    assert "lab@127.0.0.1" in ended.out
    assert "password" in ended.out
    assert WRONG not in ended.text


def test_a_host_key_that_nobody_knows(bare: Folder, shared_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("", encoding="utf-8")
    told = planned(bare, SHELL, device(shared_lab, known_hosts=str(tmp_path / "known_hosts"))).out
    assert "SHA256:" in told
    assert (tmp_path / "known_hosts").read_text(encoding="utf-8") == ""


def test_a_host_key_that_changed(bare: Folder, shared_lab: Lab, tmp_path: Path) -> None:
    """Never quietly accepted, whatever the setting."""
    another = "AAAAC3NzaC1lZDI1NTE5AAAAIGw2s1q7h4y7G2c8e0H4m1nqB2xk8Kq1l9y3V5wq0b7Z"
    port = port_of(shared_lab, "ssh", "ssh")
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} ssh-ed25519 {another}\n", encoding="utf-8")
    settings = device(shared_lab, known_hosts=str(tmp_path / "known_hosts"), host_keys="accept-new")
    told = planned(bare, SHELL, settings).out
    assert "SHA256:" in told
    assert "known_hosts" in told


# ---------------------------------------------------------------- a plugin that does what it must not

PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar

from engine.model.args import arg
from engine.model.plan import Change, Effect, Receipt


@dataclass(frozen=True, slots=True)
class Args:
    connection: str = arg("A folder.", connection=("local",))


class Careless:
    """Writes while it should only look."""

    name: ClassVar[str] = "careless.touch"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "Touches a file."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = Args

    def observe(self, args, at):
        at.files(args.connection).write("touched", b"")

    def diff(self, args, seen):
        return Change("touch")

    def apply(self, change, args, at, *, key):
        return Receipt({})
'''


def test_a_plugin_that_writes_while_planning_is_stopped_by_the_engine(bare: Folder, tmp_path: Path) -> None:
    """An installed package, found by its entry point; the session refuses before a byte is written."""
    packages, there = tmp_path / "packages", tmp_path / "there"
    (packages / "careless-1.0.dist-info").mkdir(parents=True)
    there.mkdir()
    (packages / "careless.py").write_text(PLUGIN, encoding="utf-8")
    info = packages / "careless-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[switchover.actions]\ntouch = careless:Careless\n", encoding="utf-8")
    step = "        action: careless.touch\n        with: {connection: there}\n"
    planned(bare, step.replace("careless.touch", "tftp.file"), {"type": "local", "root": str(there)}, code=3)
    (bare.root / "runbooks" / "one.yml").write_text(
        f"switchover: 1\nname: one\ntitle: One\nphases:\n  - name: one\n    steps:\n      - name: step\n{step}", encoding="utf-8"
    )
    path = {"PYTHONPATH": f"{packages}:{Path(__file__).parents[2]}"}
    refused = bare.run("plan", "runbooks/one.yml", "-i", "inventories/one", env=path).must(1)
    assert "was refused" in refused.text
    assert list(there.iterdir()) == []
