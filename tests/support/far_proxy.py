"""A TCP proxy that makes a near server far: every byte arrives half a round trip later, both ways, and so does the connection.

Counting round trips: the time an exchange takes over this proxy, less the time it takes without, in units of ``rtt_s``.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading


class FarProxy:
    """Listens on ``port`` of 127.0.0.1 and forwards to ``target_port`` there. Runs in a thread of its own until ``close``."""

    def __init__(self, target_port: int, rtt_s: float) -> None:
        self._target = target_port
        self._half_s = rtt_s / 2
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self.port = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, name="far-proxy")
        self._thread.start()
        self._ready.wait(5)

    def close(self) -> None:
        """Ends every connection and the listener."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def __enter__(self) -> FarProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        # The system has shaken hands already. From afar the client's first byte could only be there after one and a half
        # round trips, the server's answer to the handshake after two.
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await asyncio.gather(
                self._carry(reader, far_writer, self._half_s * 3), self._carry(far_reader, writer, self._half_s * 4)
            )
        far_writer.close()
        writer.close()
        self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first_s: float) -> None:
        """Delivers each piece ``half_s`` after it came, in order, without holding up the pieces behind it."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        await asyncio.gather(self._collect(reader, pieces, self._loop.time() + first_s), self._deliver(writer, pieces))

    async def _collect(self, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]], first: float) -> None:
        piece = b" "
        while piece:
            piece = await reader.read(65536)
            await pieces.put((max(self._loop.time() + self._half_s, first), piece))

    async def _deliver(self, writer: asyncio.StreamWriter, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)
