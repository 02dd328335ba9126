"""The lab's ``asterisk`` command: as much of ``asterisk -rx`` as makes a phone fetch its configuration.

Copied into the lab's ``bin`` folder and carried out there as a program of its own, so it knows nothing but the standard library
and the folder it stands in. What it sends are real SIP NOTIFY requests to the lab's phones.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

EVENTS = {
    "aastra-check-cfg": "check-sync",
    "cisco-check-cfg": "check-sync",
    "digium-check-cfg": "check-sync",
    "grandstream-check-cfg": "sys-control",
    "linksys-cold-restart": "reboot_now",
    "linksys-warm-restart": "restart_now",
    "polycom-check-cfg": "check-sync",
    "sipura-check-cfg": "resync",
    "snom-check-cfg": "check-sync;reboot=false",
    "snom-reboot": "reboot",
}
"""Section of ``pjsip_notify.conf`` as Asterisk ships it -> the Event it sends."""

_NOTIFY = re.compile(r"pjsip send notify (\S+) endpoint (\S+)")
_ANSWER_S = 0.5
"""A lab phone answers in milliseconds, and the command waits only to note the answer."""


def main(arguments: list[str]) -> int:
    """Carries out one CLI command. Like Asterisk it ends with status 0 also for what it does not know."""
    folder = Path(__file__).resolve().parent.parent
    if len(arguments) != 2 or arguments[0] != "-rx":
        print("Usage: asterisk -rx <command>", file=sys.stderr)
        return 1
    command = " ".join(arguments[1].split())
    if command == "core show version":
        print("Asterisk 20.9.0 (lab)")
        return 0
    found = _NOTIFY.fullmatch(command)
    if found is None:
        first = command.split(" ", maxsplit=1)[0]
        print(f"No such command '{command}' (type 'core show help {first}' for other possible commands)")
        return 0
    return _notify(folder, *found.groups())


def _notify(folder: Path, section: str, endpoint: str) -> int:
    seed = json.loads((folder / "seed.json").read_text(encoding="utf-8"))
    if endpoint not in {str(phone.get("extension", "")) for phone in seed.get("phones", [])}:
        print(f"Unable to retrieve endpoint {endpoint}")
        return 0
    port = _sip_port(folder, seed)
    if port is None:
        print(f"Unable to send NOTIFY of type '{section}' to '{endpoint}': no phones are connected")
        return 0
    print(f"Sending NOTIFY of type '{section}' to '{endpoint}'")
    status = send_notify(port, endpoint, EVENTS.get(section, section))
    log = folder / "ssh-root" / "var" / "log" / "asterisk" / "notify"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as lines:
        lines.write(f"{datetime.now(UTC).isoformat()} {endpoint} {section} {status}\n")
    return 0


def _sip_port(folder: Path, seed: dict[str, Any]) -> int | None:
    """Where the phones listen now; they may have been started anew since the seed was written."""
    try:
        records = json.loads((folder / "servers.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        records = {}
    for ports in (records.get("phones", {}).get("ports", {}), seed.get("ports", {}).get("phones", {})):
        if ports.get("sip"):
            return int(ports["sip"])
    return None


def send_notify(port: int, extension: str, event: str) -> str:
    """Sends one NOTIFY and returns the status line of the answer; empty when there was none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(_ANSWER_S)
        here = f"127.0.0.1:{wire.getsockname()[1]}"
        tag, branch, call = (uuid.uuid4().hex[:12] for _ in range(3))
        lines = (
            f"NOTIFY sip:{extension}@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{branch}",
            f"From: <sip:asterisk@{here}>;tag={tag}",
            f"To: <sip:{extension}@127.0.0.1>",
            f"Contact: <sip:asterisk@{here}>",
            f"Call-ID: {call}@127.0.0.1",
            "CSeq: 1 NOTIFY",
            f"Event: {event}",
            "Subscription-State: terminated",
            "Max-Forwards: 70",
            "User-Agent: Asterisk PBX 20.9.0 (lab)",
            "Content-Length: 0",
        )
        wire.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), ("127.0.0.1", port))
        try:
            answer = wire.recv(65535)
        except TimeoutError:
            return ""
        return answer.split(b"\r\n", 1)[0].decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
