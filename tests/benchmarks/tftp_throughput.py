"""TFTP throughput: files of 4 KB written to tftpd-hpa and read back, ours against one tftpy client.

``python -m tests.benchmarks.tftp_throughput [--files 1000] [--in-flight 16] [--rounds 3] [--peer-python PATH]``. Rounds of both
alternate, so that what else the machine does hits both; the medians are compared. Exit code 1 when a target is missed:
throughput at least 1.2 times tftpy's, at most 0.6 ms of our processor time a transfer. Without tftpy, only the second is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from engine.transports.tftp import TftpPool
from tests.support.tftpd import TFTPD, tftpd

SIZE = 4096
LEAST_RATIO = 1.2
MOST_CPU_MS = 0.6
PEER = Path(__file__).with_name("peers") / "tftpy_client.py"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Throughput:
    """One round: seconds for all files."""

    put_s: float
    get_s: float
    cpu_s: float


def measure_ours(port: int, files: int, in_flight: int, round_: int) -> Throughput:
    """Our client, ``in_flight`` transfers at a time."""
    content = os.urandom(SIZE)
    pool = TftpPool()
    settings = {"host": "127.0.0.1", "port": port, "timeout_s": 5}  # as patient as tftpy is

    def put(n: int) -> None:
        pool.session(settings, False, lambda: 60.0).write(f"ours-{round_}-{n}.cfg", content)

    def get(n: int) -> None:
        if pool.session(settings, True, lambda: 60.0).read(f"ours-{round_}-{n}.cfg") != content:
            raise SystemExit(f"ours-{round_}-{n}.cfg came back different")

    with ThreadPoolExecutor(in_flight) as threads:
        cpu, started = time.process_time(), time.perf_counter()
        list(threads.map(put, range(files)))
        written = time.perf_counter()
        list(threads.map(get, range(files)))
        ended = time.perf_counter()
        cpu_s = time.process_time() - cpu
    pool.close()
    return Throughput(written - started, ended - written, cpu_s)


def measure_tftpy(python: str, port: int, files: int) -> Throughput:
    """The peer, in a process of its own."""
    command = [python, str(PEER), str(port), str(files), str(SIZE)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return Throughput(**json.loads(ended.stdout.splitlines()[-1]))


def peer_python(given: str | None) -> str | None:
    """A Python that has tftpy: the one given, the peers' own, or this one; None when none has."""
    for python in filter(None, (given, str(ROOT / ".bench-venv" / "bin" / "python"), sys.executable)):
        if Path(python).exists() and _has_tftpy(python):
            return python
    return None


def _has_tftpy(python: str) -> bool:
    return subprocess.run([python, "-c", "import tftpy"], capture_output=True, check=False).returncode == 0


def median_of(rounds: list[Throughput]) -> Throughput:
    """The median of each figure by itself."""
    return Throughput(*(statistics.median(getattr(r, name) for r in rounds) for name in ("put_s", "get_s", "cpu_s")))


def report(ours: Throughput, peer: Throughput | None, files: int) -> bool:
    """Prints the figures; whether they meet the targets."""
    cpu_ms = ours.cpu_s * 1000 / (2 * files)
    _print_line("ours", ours, files, f"at most {MOST_CPU_MS}")
    if peer is None:
        print("tftpy  not installed: nothing to compare with (make bench-peers)")
        return cpu_ms <= MOST_CPU_MS
    _print_line("tftpy", peer, files, "one client, 512 bytes")
    ratio = (peer.put_s + peer.get_s) / (ours.put_s + ours.get_s)
    put, get = peer.put_s / ours.put_s, peer.get_s / ours.get_s
    print(f"ratio  put {put:.2f}  get {get:.2f}  both {ratio:.2f} (at least {LEAST_RATIO})")
    return ratio >= LEAST_RATIO and cpu_ms <= MOST_CPU_MS


def _print_line(who: str, figures: Throughput, files: int, remark: str) -> None:
    cpu_ms = figures.cpu_s * 1000 / (2 * files)
    print(
        f"{who:5}  put {files / figures.put_s:6.0f}/s  get {files / figures.get_s:6.0f}/s"
        f"  cpu {cpu_ms:.2f} ms a transfer ({remark})"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python")
    options = parser.parse_args()
    if not Path(TFTPD).exists() or os.geteuid() != 0:
        print("tftpd-hpa is missing, or this is not root: nothing measured", file=sys.stderr)
        return 2
    python = peer_python(options.peer_python)
    ours: list[Throughput] = []
    peers: list[Throughput] = []
    with tempfile.TemporaryDirectory() as folder, tftpd(Path(folder) / "root") as server:
        for round_ in range(options.rounds):
            ours.append(measure_ours(server.port, options.files, options.in_flight, round_))
            if python is not None:
                peers.append(measure_tftpy(python, server.port, options.files))
    return 0 if report(median_of(ours), median_of(peers) if peers else None, options.files) else 1


if __name__ == "__main__":
    raise SystemExit(main())
