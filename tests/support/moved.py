"""A small move whose every kind of change can be looked at from outside: files, forwardings, caller IDs."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from engine.lab.control import lab_status
from tests.support.project import INVENTORY, SCENARIO, Folder, Lab, project_at

MOVED = SCENARIO / "runbooks" / "moved.yml"
MOVE = ("runbooks/moved.yml", "-i", INVENTORY, "--lab")
NUMBERS = tuple(f"1212555011{n}" for n in (1, 2, 3))
USERS = ("501", "502", "503")


def moved_project(root: Path, lab: Lab, runbook: Path = MOVED) -> Folder:
    """A project whose phones' files go into a folder of the lab, which can take them back."""
    folder = project_at(root, runbook, lab=lab)
    there = "{type: tftp, host: prov.example.net, timeout_s: 0.5}"
    folder.edit(f"{INVENTORY}/inventory.yml", there, "{type: local, root: /srv/provisioning}")
    return folder


def files_of(lab: Lab) -> Path:
    """Where the phones' files stand."""
    return lab.folder / "local-root" / "provisioning"


def put(lab: Lab, name: str, text: str) -> None:
    """Somebody else writes a file there."""
    files_of(lab).mkdir(parents=True, exist_ok=True)
    (files_of(lab) / name).write_text(text, encoding="utf-8")


def held(lab: Lab) -> dict[str, object]:
    """What stands in the lab's folder, at its carrier and at its platform, looked at without the product."""
    secrets = lab.secrets()
    carrier = f"Bearer {secrets['telnyx_api_key']}"
    voices = [_ask(lab, "carrier", carrier, f"/v2/phone_numbers/{_id_of(lab, carrier, number)}/voice") for number in NUMBERS]
    users = [_ask(lab, "platform", f"Bearer {secrets['platform_token']}", f"/ns-api/v2/domains/~/users/{u}") for u in USERS]
    return {
        "files": {path.name: path.read_bytes() for path in sorted(files_of(lab).glob("*"))},
        "forwarding": [_effective(voice["data"]["call_forwarding"]) for voice in voices],
        "caller IDs": [user["caller-id-number"] for user in users],
    }


def _effective(forwarding: dict[str, Any]) -> dict[str, Any]:
    # Without a target the type has no effect, and Telnyx's API has no way to clear it.
    return forwarding if forwarding["forwards_to"] else {**forwarding, "forwarding_type": None}


def _id_of(lab: Lab, login: str, number: str) -> str:
    return str(_ask(lab, "carrier", login, f"/v2/phone_numbers?filter[phone_number]={number}")["data"][0]["id"])


def _ask(lab: Lab, server: str, login: str, path: str) -> Any:
    port = next(iter(next(s for s in lab_status(lab.folder).servers if s.name == server).ports.values()))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": login})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
