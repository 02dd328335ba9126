"""Figures about SSH: a 4 KB file put on 200 hosts if it differs, and a command where it did.

The hosts are addresses of the loopback network, all served by sshd from Debian with one configuration and one host key. An
sshd listens on 16 addresses at most, so thirteen of them stand side by side; what costs is what each forks for a connection.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import (
    PEER_BIN,
    PYTHON,
    SWITCHOVER,
    Command,
    Figure,
    Run,
    Sample,
    at_most,
    faster_than,
    in_turn,
    ratios,
    run,
    slower_than,
    spell,
    told,
)
from tests.benchmarks.publish import FULL, Bench, has_peers
from tests.support.far_proxy import FarProxy
from tests.support.sshd import SSHD, free_port, generate_key

HOSTS = [f"127.0.0.{number}" for number in range(1, 201)]
SIZE = 4096
_ADDRESSES_EACH = 16
_ANSIBLE_HOSTS = (20, 40)
_RTT_S = 0.1
_READY_S = 10.0

_RUNBOOK = """\
switchover: 1
name: push-files
title: Push files
phases:
  - name: hosts
    title: Hosts
    steps:
      - name: push
        for_each: hosts
        parallel: 32
        steps:
          - name: file
            action: ssh.file
            with:
              {{connection: fleet, host: "{{{{ item.ip }}}}", path: "{folder}/{{{{ item.ip }}}}.cfg", template: device.cfg.j2}}
          - name: reload
            action: ssh.command
            when: steps.file.changed
            with: {{connection: fleet, host: "{{{{ item.ip }}}}", command: "true"}}
"""

_PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: file
      ansible.builtin.copy: {{src: {content}, dest: "{folder}/{{{{ inventory_hostname }}}}.cfg"}}
      register: file
    - name: reload
      ansible.builtin.command: "true"
      when: file.changed
"""


@dataclass(slots=True)
class Fleet:
    """sshd on every address in ``HOSTS``."""

    folder: Path
    port: int
    key: Path
    host_key: str
    """As known_hosts has it."""
    known_hosts: Path
    content: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def accepted(self) -> int:
        """How many connections were logged in so far."""
        return sum(log.read_text(errors="replace").count("Accepted publickey") for log in self.folder.glob("sshd-*.log"))

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(_READY_S)


@contextlib.contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """Started and stopped."""
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    host_key, user_key = generate_key(folder / "host_key"), generate_key(folder / "user_key")
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    kind, blob = Path(f"{host_key}.pub").read_text().split()[:2]
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("".join(f"[{host}]:{port} {kind} {blob}\n" for host in HOSTS))
    content = folder / "device.cfg"
    content.write_text("".join(f"setting.{number:03d} = {'value' * 8}\n" for number in range(200))[:SIZE - 1] + "\n")
    found = Fleet(folder, port, user_key, f"{kind} {blob}", known_hosts, content)
    try:
        for number, start in enumerate(range(0, len(HOSTS), _ADDRESSES_EACH)):
            found.processes.append(_listen(found, number, HOSTS[start : start + _ADDRESSES_EACH]))
        yield found
    finally:
        found.stop()


def _listen(found: Fleet, number: int, addresses: Sequence[str]) -> subprocess.Popen[bytes]:
    folder = found.folder
    config = folder / f"sshd_config-{number}"
    config.write_text("\n".join((
        f"Port {found.port}", *(f"ListenAddress {address}" for address in addresses), f"HostKey {folder}/host_key",
        f"PidFile {folder}/sshd-{number}.pid", f"AuthorizedKeysFile {folder}/authorized_keys", "StrictModes no", "UsePAM no",
        "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "Subsystem sftp internal-sftp",
        "LogLevel VERBOSE", "MaxStartups 300:30:400", f"SetEnv HOME={folder}", "",
    )))
    log = folder / f"sshd-{number}.log"
    process = subprocess.Popen([SSHD, "-D", "-f", str(config), "-E", str(log)], stdin=subprocess.DEVNULL)
    until = time.monotonic() + _READY_S
    while not log.exists() or log.read_text().count("Server listening") < len(addresses):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"sshd did not come up: {log.read_text() if log.exists() else ''}")
        time.sleep(0.01)
    return process


class Pushes:
    """The contenders over one fleet. ``target``: where the files are; a fresh folder is a run in which all of them change."""

    def __init__(self, bench: Bench, there: Fleet) -> None:
        self._bench, self._there = bench, there

    @property
    def port(self) -> int:
        return self._there.port

    def target(self) -> Path:
        folder = self._bench.fresh("pushed")
        folder.mkdir()
        return folder

    def own(self, target: Path, hosts: Sequence[str] = HOSTS, port: int | None = None) -> Run:
        """Plans and applies in one go."""
        project = self._project(target, hosts, port)
        return run(Command([SWITCHOVER, "apply", "runbooks/push.yml", "-i", "inventories/acme", "--yes"], project))

    def own_from_plan(self, target: Path) -> Run:
        """Applies what was planned before: each host is connected to once, as the bare push does."""
        project = self._project(target, HOSTS, None)
        run(Command([SWITCHOVER, "plan", "runbooks/push.yml", "-i", "inventories/acme", "--out", "push.plan"], project))
        return run(Command([SWITCHOVER, "apply", "push.plan"], project))

    def _project(self, target: Path, hosts: Sequence[str], port: int | None) -> Path:
        project, there = self._bench.fresh("ssh-project"), self._there
        (project / "runbooks").mkdir(parents=True)
        (project / "runbooks" / "push.yml").write_text(_RUNBOOK.format(folder=target))
        (project / "templates").mkdir()
        shutil.copy(there.content, project / "templates" / "device.cfg.j2")
        inventory = project / "inventories" / "acme"
        inventory.mkdir(parents=True)
        known_hosts = there.known_hosts
        if port is not None:
            known_hosts = project / "known_hosts"
            known_hosts.write_text(f"[{hosts[0]}]:{port} {there.host_key}\n")
        items = "".join(f"    - {{id: host-{number}, ip: {host}}}\n" for number, host in enumerate(hosts))
        (inventory / "inventory.yml").write_text(
            "switchover: 1\ncustomer: acme\ntitle: Acme\ntimezone: America/New_York\nconnections:\n"
            f"  fleet: {{type: ssh, host: {hosts[0]}, port: {port or there.port}, username: {getpass.getuser()}, "
            f"key_file: {there.key}, known_hosts: {known_hosts}}}\n"
            f"collections:\n  hosts:\n    key: id\n    items:\n{items}"
        )
        return project

    def bare(self, target: Path) -> Run:
        there = self._there
        script = str(Path(__file__).with_name("bare_paramiko.py"))
        given = (there.port, getpass.getuser(), there.key, there.known_hosts, there.content, target, *HOSTS)
        return run(Command([PYTHON, script, *map(str, given)], there.folder))

    def ansible(self, hosts: Sequence[str]) -> Run:
        folder, there = self._bench.fresh("ssh-ansible"), self._there
        folder.mkdir()
        (folder / "ansible.cfg").write_text(
            f"[defaults]\nforks = 32\ngathering = explicit\ninventory = hosts.ini\ninterpreter_python = {PEER_BIN / 'python'}\n"
            f"remote_user = {getpass.getuser()}\nprivate_key_file = {there.key}\nremote_port = {there.port}\n"
            f"local_tmp = {folder}/local\nremote_tmp = {folder}/remote\n"
            f"[ssh_connection]\npipelining = True\ncontrol_path_dir = {folder}/cp\n"
            f"ssh_args = -F none -o ControlMaster=auto -o ControlPersist=5s -o UserKnownHostsFile={there.known_hosts}\n"
        )
        (folder / "hosts.ini").write_text("\n".join(hosts) + "\n")
        (folder / "play.yml").write_text(_PLAY.format(content=there.content, folder=self.target()))
        environment = {"PATH": f"{PEER_BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
        return run(Command([str(PEER_BIN / "ansible-playbook"), "play.yml"], folder, environment))

    def ansible_for_all(self) -> tuple[Sample, str]:
        """All hosts when ``BENCH_FULL``, else carried on from two smaller runs."""
        if FULL:
            return Sample((self.ansible(HOSTS),)), "measured in full"
        small, large = (self.ansible(HOSTS[:count]) for count in _ANSIBLE_HOSTS)
        steps = (len(HOSTS) - _ANSIBLE_HOSTS[0]) / (_ANSIBLE_HOSTS[1] - _ANSIBLE_HOSTS[0])
        wall_s, cpu_s = (a + steps * (b - a) for a, b in ((small.wall_s, large.wall_s), (small.cpu_s, large.cpu_s)))
        how = f"ansible carried on in a straight line from {_ANSIBLE_HOSTS[0]} and {_ANSIBLE_HOSTS[1]} hosts"
        return Sample((Run(wall_s, cpu_s, large.rss_mib),)), how


def ssh_figures(bench: Bench) -> Iterator[Figure]:
    """Push and command; the same with nothing to change; round trips; connections."""
    if not Path(SSHD).exists():
        yield told("SSH", "not measured", "sshd is missing: install Debian's openssh-server")
        return
    with fleet(bench.fresh("fleet")) as there:
        pushes = Pushes(bench, there)
        before, target = there.accepted(), pushes.target()
        pushes.own(target)
        connections = there.accepted() - before
        own, bare = in_turn(5, lambda _: pushes.own(pushes.target()), lambda _: pushes.bare(pushes.target()))
        yield slower_than("SSH push to 200 hosts / bare paramiko", own, "paramiko", bare, 1.15)
        yield _times_of_cpu(own, bare)
        yield at_most("SSH client cpu a host", own.cpu_s * 1000 / len(HOSTS), "ms", 9)
        yield at_most("SSH connections a host and run", connections / len(HOSTS), "", 1)
        (planned,) = in_turn(2, lambda _: pushes.own_from_plan(pushes.target()))
        ratio = planned.wall_s / bare.wall_s
        yield told("SSH push to 200 hosts, a saved plan applied", f"{spell(planned)}, {ratio:.2f} x paramiko")
        same, bare_same = in_turn(2, lambda _: pushes.own(target), lambda _: pushes.bare(target))
        ratio = same.wall_s / bare_same.wall_s
        yield told("SSH, nothing to change, 200 hosts", f"{same.wall_s:.2f} s, paramiko {bare_same.wall_s:.2f} s, {ratio:.2f} x")
        if has_peers():
            ansible, how = pushes.ansible_for_all()
            yield faster_than("SSH push to 200 hosts / ansible", own, "ansible", ansible, 15, how)
        yield _round_trips(pushes, "changes", 13, changes=True)
        yield _round_trips(pushes, "nothing changes", 9, changes=False)


def _times_of_cpu(own: Sample, bare: Sample) -> Figure:
    _, ratio = ratios(own, bare)
    spelled = f"{own.cpu_s:.2f} s", f"paramiko {bare.cpu_s:.2f} s", f"{ratio:.2f}"
    return Figure("SSH client cpu / bare paramiko", *spelled, "<= 1.5 x", ratio <= 1.5)


def _round_trips(pushes: Pushes, what: str, limit: float, *, changes: bool) -> Figure:
    """A host 100 ms away and the same one near: what the distance adds, in round trips."""
    host = HOSTS[:1]
    far: list[Run] = []
    near: list[Run] = []
    for _ in range(3):
        target = pushes.target()
        if not changes:
            pushes.own(target, host)
        near.append(pushes.own(target, host))
        with FarProxy(pushes.port, _RTT_S) as proxy:
            far.append(pushes.own(pushes.target() if changes else target, host, proxy.port))
    trips = (min(run.wall_s for run in far) - min(run.wall_s for run in near)) / _RTT_S
    return at_most(f"SSH round trips a host, {what}", round(trips, 1), "", limit)
