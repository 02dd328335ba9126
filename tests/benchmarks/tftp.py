"""The TFTP figures of ``tftp_throughput``, as lines of the table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Figure, at_most, told
from tests.benchmarks.tftp_throughput import LEAST_RATIO, MOST_CPU_MS, measure_ours, measure_tftpy, median_of, peer_python
from tests.support.tftpd import TFTPD, tftpd

FILES = 1_000
IN_FLIGHT = 16
ROUNDS = 3


def tftp_figures(folder: Path) -> Iterator[Figure]:
    """1,000 files of 4 KB written to tftpd-hpa and read back."""
    if not Path(TFTPD).exists() or os.geteuid() != 0:
        yield told("TFTP", "not measured", "tftpd-hpa is missing, or this is not root, which it needs to change its user")
        return
    python = peer_python(None)
    ours, peers = [], []
    with tftpd(folder / "root") as server:
        for number in range(ROUNDS):
            ours.append(measure_ours(server.port, FILES, IN_FLIGHT, number))
            if python is not None:
                peers.append(measure_tftpy(python, server.port, FILES))
    own = median_of(ours)
    rate = 2 * FILES / (own.put_s + own.get_s)
    if peers:
        peer = median_of(peers)
        other = 2 * FILES / (peer.put_s + peer.get_s)
        yield Figure(
            "TFTP 1,000 x 4 KB put and read back", f"{rate:.0f} transfers/s", f"tftpy, 512 bytes: {other:.0f}/s",
            f"{rate / other:.2f}", f">= {LEAST_RATIO} x", rate / other >= LEAST_RATIO,
            f"put {FILES / own.put_s:.0f}/s, read {FILES / own.get_s:.0f}/s, {IN_FLIGHT} in flight",
        )
    yield at_most("TFTP client cpu a transfer", own.cpu_s * 1000 / (2 * FILES), "ms", MOST_CPU_MS)
