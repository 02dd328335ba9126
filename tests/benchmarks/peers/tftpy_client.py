"""The peer of ``tftp_throughput``: one tftpy client, one transfer after another, with 512-byte blocks, as tftpy comes.

Runs with a Python that has tftpy, and imports nothing of ours: ``tftpy_client.py PORT FILES BYTES`` prints one JSON line.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time

import tftpy  # type: ignore[import-not-found, unused-ignore]  # a peer is not among our dependencies


class Kept(io.BytesIO):
    """tftpy closes what it wrote to."""

    def close(self) -> None:
        """Keeps the content."""


def main() -> None:
    """Writes all files, then reads them back."""
    port, count, size = (int(word) for word in sys.argv[1:4])
    logging.disable(logging.CRITICAL)
    content = os.urandom(size)
    client = tftpy.TftpClient("127.0.0.1", port, options={"blksize": 512}, flock=False)
    cpu, started = time.process_time(), time.perf_counter()
    for n in range(count):
        client.upload(f"tftpy-{n}.cfg", io.BytesIO(content))
    written = time.perf_counter()
    for n in range(count):
        taken = Kept()
        client.download(f"tftpy-{n}.cfg", taken)
        if taken.getvalue() != content:
            raise SystemExit(f"tftpy-{n}.cfg came back different")
    ended = time.perf_counter()
    print(json.dumps({"put_s": written - started, "get_s": ended - written, "cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
