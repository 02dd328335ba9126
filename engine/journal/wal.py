"""Did the last transaction in SQLite's write-ahead log get cut off?

SQLite drops a transaction that is not complete and says nothing: right, for its commit never returned. We say so, because an
operator after a power cut wants to know. Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">IIIIIIII")  # magic, version, page size, checkpoint number, salt 1, salt 2, checksum 1, checksum 2
_FRAME = struct.Struct(">IIIIII")  # page number, pages after commit or 0, salt 1, salt 2, checksum 1, checksum 2


def torn_tail(database: Path) -> bool:
    """Whether frames of the log's present round follow its last commit, or a frame is incomplete. Nobody may be writing."""
    log = database.with_name(f"{database.name}-wal")
    if not log.exists() or log.stat().st_size == 0:
        return False
    size = log.stat().st_size
    with log.open("rb") as stream:
        header = stream.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return True
        _, _, page, _, *salts = _HEADER.unpack(header)[:6]
        offset, complete = _HEADER.size, True
        while offset < size:
            stream.seek(offset)
            frame = stream.read(_FRAME.size)
            if len(frame) < _FRAME.size or offset + _FRAME.size + page > size:
                return True
            _, commit, *found = _FRAME.unpack(frame)[:4]
            if found != salts:  # left over from a round before
                break
            complete = commit != 0
            offset += _FRAME.size + page
    return not complete
