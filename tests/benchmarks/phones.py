"""The work of the figures about phones: N phones in YAML, one template, and the same of it in each contender's own form.

An item is about 456 bytes of YAML, a rendered file about 3.3 KB in 90 lines. The project overrides the shipped Yealink
template with this one, so that floor, peers and product render the very same text; ``same_files`` is the proof.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

TEMPLATE = Path(__file__).with_name("phone.cfg.j2")
DEFAULTS = {
    "sip_server": "sip.example.net", "sip_outbound_proxy": "edge1.example.net", "ntp_server": "time.example.net",
    "provisioning_url": "tftp://prov.example.net",
}
_KEYS = 6

_RUNBOOK = """\
switchover: 1
name: publish-phones
title: Publish phones
phases:
  - name: phones
    title: Phones
    steps:
      - name: config
        action: phone.config
        for_each: phones
        with: {connection: provisioning, mac: "{{ item.mac }}", vendor: "{{ item.vendor }}", model: "{{ item.model }}"}
"""


def mac_of(number: int) -> str:
    """The MAC of phone ``number``, from 0."""
    return f"805ec0{number:06x}"


def items_yaml(count: int) -> str:
    """``count`` phones as a YAML list."""
    return "".join(_item(number) for number in range(count))


def _item(number: int) -> str:
    extension = 100_000 + number
    keys = "".join(
        f'    - {{type: 16, value: "{extension + key}", label: Key {key}}}\n' for key in range(1, _KEYS + 1)
    )
    return (
        f'- mac: "{mac_of(number)}"\n  vendor: yealink\n  model: T54W\n  extension: "{extension}"\n'
        f"  label: Desk {extension}\n  site: building-{number % 40}\n  ip: 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n"
        f"  line_password: w7Qk-{extension}\n  keys:\n{keys}"
    )


def make_project(folder: Path, count: int, out: Path) -> Path:
    """A project with ``count`` phones whose files go to ``out``; returns it."""
    provisioning = folder / "templates" / "provisioning" / "yealink"
    provisioning.mkdir(parents=True)
    shutil.copy(TEMPLATE, provisioning / "phone.cfg.j2")
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "publish.yml").write_text(_RUNBOOK)
    inventory = folder / "inventories" / "acme"
    inventory.mkdir(parents=True)
    defaults = "".join(f"  {name}: {value}\n" for name, value in DEFAULTS.items())
    (inventory / "inventory.yml").write_text(
        f"switchover: 1\ncustomer: acme\ntitle: Acme\ntimezone: America/New_York\nconnections:\n"
        f"  provisioning: {{type: local, root: {out}}}\ndefaults:\n{defaults}collections:\n  phones: {{file: phones.yml}}\n"
    )
    (inventory / "phones.yml").write_text(items_yaml(count))
    out.mkdir(parents=True, exist_ok=True)
    return folder


def make_ansible(folder: Path, count: int, out: Path, python: Path) -> Path:
    """An inventory with one host per phone, a playbook of one template task, forks 32 and pipelining; returns the folder."""
    folder.mkdir(parents=True)
    shutil.copy(TEMPLATE, folder / "phone.cfg.j2")
    (folder / "ansible.cfg").write_text(
        "[defaults]\nforks = 32\ngathering = explicit\nhost_key_checking = False\ninventory = hosts.yml\n"
        f"retry_files_enabled = False\ninterpreter_python = {python}\n[connection]\npipelining = True\n"
    )
    shared = "".join(f"    {name}: {value}\n" for name, value in DEFAULTS.items())
    (folder / "hosts.yml").write_text(
        f"all:\n  vars:\n    ansible_connection: local\n    out: {out}\n{shared}  hosts:\n{''.join(_ansible_hosts(count))}"
    )
    (folder / "play.yml").write_text(
        '- hosts: all\n  gather_facts: false\n  tasks:\n    - name: config\n      ansible.builtin.template:\n'
        '        src: phone.cfg.j2\n        dest: "{{ out }}/{{ item.mac }}.cfg"\n        lstrip_blocks: true\n'
    )
    out.mkdir(parents=True, exist_ok=True)
    return folder


def _ansible_hosts(count: int) -> Iterator[str]:
    for number in range(count):
        first, *rest = _item(number).splitlines()
        fields = "".join(f"        {line.removeprefix('- ').removeprefix('  ')}\n" for line in (first, *rest))
        yield f"    phone-{mac_of(number)}:\n      item:\n{fields}"


def make_nornir(folder: Path, count: int) -> Path:
    """An inventory for nornir's SimpleInventory; returns the folder."""
    folder.mkdir(parents=True)
    shutil.copy(TEMPLATE, folder / "phone.cfg.j2")
    hosts = []
    for number in range(count):
        fields = "".join(f"      {line[2:]}\n" for line in _item(number).splitlines())
        hosts.append(f"phone-{mac_of(number)}:\n  hostname: 127.0.0.1\n  data:\n    item:\n{fields}")
    (folder / "hosts.yaml").write_text("".join(hosts))
    return folder


def same_files(left: Path, right: Path) -> int:
    """How many files the two folders hold alike, byte for byte. Raises ``RuntimeError`` when they differ in any."""
    names = sorted(path.name for path in left.iterdir() if not path.name.startswith("."))
    others = sorted(path.name for path in right.iterdir() if not path.name.startswith("."))
    if names != others:
        raise RuntimeError(f"{left} has {len(names)} files, {right} {len(others)}; not the same names")
    _, differing, failed = filecmp.cmpfiles(left, right, names, shallow=False)
    if differing or failed:
        raise RuntimeError(f"{(differing + failed)[0]} differs between {left} and {right}")
    return len(names)
