"""The floor of SSH: paramiko with 32 threads and nothing round it. One exec compares and installs, one runs the command.

    python bare_paramiko.py PORT USER KEY KNOWN_HOSTS CONTENT FOLDER FIRST_HOST HOST...
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

INSTALL = "cat >{0}.new && if cmp -s {0}.new {0}; then rm {0}.new; else mv {0}.new {0} && echo changed; fi"


def main(port: str, user: str, key: str, known_hosts: str, content_file: str, folder: str, *hosts: str) -> None:
    content = Path(content_file).read_bytes()
    private = paramiko.Ed25519Key.from_private_key_file(key)
    entry = next(iter(paramiko.HostKeys(known_hosts).values()))
    kind, host_key = next(iter(entry.items()))  # the hosts share one

    def push(host: str) -> bool:
        client = paramiko.SSHClient()
        client.get_host_keys().add(f"[{host}]:{port}", kind, host_key)
        client.connect(host, int(port), user, pkey=private, look_for_keys=False, allow_agent=False, timeout=30)
        try:
            changed = b"changed" in execute(client, INSTALL.format(f"{folder}/{host}.cfg"), content)
            if changed:
                execute(client, "true", b"")
            return changed
        finally:
            client.close()

    with ThreadPoolExecutor(32) as threads:
        print(sum(threads.map(push, hosts)), "changed")


def execute(client: paramiko.SSHClient, command: str, stdin: bytes) -> bytes:
    pipe, stdout, stderr = client.exec_command(command, timeout=30)
    pipe.write(stdin)
    pipe.channel.shutdown_write()
    output = stdout.read()
    if stdout.channel.recv_exit_status() != 0:
        raise SystemExit(f"{command}: {stderr.read().decode()}")
    return output


if __name__ == "__main__":
    main(*sys.argv[1:])
