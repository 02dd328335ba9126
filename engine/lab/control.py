"""Raises and takes down the lab: servers that are processes of their own, so that an engine killed with -9 leaves them be.

The lab's folder is its whole state: ``servers.json`` (what runs, where), ``seed.json`` and ``secrets/`` (mode 0600),
``faults.json``, and per server its log of requests (``.jsonl``), what it said (``.err``) and its data. A process is only ever
signalled by a pid whose command line names both our module and our folder: pids are used again by the system.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from engine.lab.board import Fault, write_faults
from engine.lab.seed import read_seed, write_seed
from engine.model.errors import SwitchoverError
from engine.model.values import dataclass

READY_S = 10.0
"""A server that has not said where it listens by then is taken for broken."""
_STOP_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One server of the lab. ``ports``: the names it announces, the one that ``--port`` sets first; ``needs``: servers whose
    ports it reads from the seed."""

    name: str
    module: str
    ports: tuple[str, ...]
    needs: tuple[str, ...] = ()


SERVERS = (
    ServerKind("tftp", "engine.lab.tftp_server", ("tftp",)),
    ServerKind("mail", "engine.lab.mail_sink", ("smtp", "smtps")),
    ServerKind("carrier", "engine.lab.carrier", ("http",)),
    ServerKind("rest", "engine.lab.rest", ("http",)),
    ServerKind("platform", "engine.lab.platform", ("http", "sip")),
    ServerKind("desk", "engine.lab.desk", ("http",)),
    ServerKind("phones", "engine.lab.phones", ("sip",), needs=("tftp", "platform")),
    ServerKind("ssh", "engine.lab.ssh_device", ("ssh",), needs=("phones",)),
)


Begin = Callable[[ServerKind, Path, int], int]
"""Starts a server of a kind in a lab's folder, on a port (0: any), and returns its pid."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server as it stands. ``reads`` and ``writes`` count requests since the lab came up or was reset."""

    name: str
    alive: bool
    pid: int | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    started_at: str = ""
    reads: int = 0
    writes: int = 0
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The lab as it stands. ``already_up``: ``lab_up`` found it so and did nothing."""

    folder: Path
    servers: tuple[ServerStatus, ...]
    already_up: bool = False

    @property
    def up(self) -> bool:
        """Whether every server is alive."""
        return bool(self.servers) and all(server.alive for server in self.servers)

    def server(self, name: str) -> ServerStatus:
        """One server by name. Raises ``KeyError``."""
        return {server.name: server for server in self.servers}[name]


def lab_up(
    folder: Path, seed: Mapping[str, Any], servers: Sequence[ServerKind] = SERVERS, begin: Begin | None = None
) -> LabStatus:
    """Starts every server with ``seed`` (see ``seed_from``), by ``begin`` when given. A lab that is up stays as it is; of a lab
    that is half up, the rest is stopped first. Raises ``SwitchoverError`` when one does not come up; then none is left over."""
    folder = _prepared(folder)
    with _held(folder):
        if all(_alive(kind, folder, _records(folder)) for kind in servers):
            return _status(folder, servers, already_up=True)
        _stop_all(folder)
        _clear(folder)
        _start_all(folder, {**seed, "ports": {}}, servers, begin or _spawn)
        return _status(folder, servers)


def lab_down(folder: Path, servers: Sequence[ServerKind] = SERVERS) -> LabStatus:
    """Stops every server and removes the lab's credentials; logs and data stay to be looked at. No error when it is down."""
    folder = _existing(folder)
    with _held(folder):
        _stop_all(folder)
        (folder / "seed.json").unlink(missing_ok=True)
        shutil.rmtree(folder / "secrets", ignore_errors=True)
        return _status(folder, servers)


def lab_reset(folder: Path, servers: Sequence[ServerKind] = SERVERS, begin: Begin | None = None) -> LabStatus:
    """Restarts every server on its port with the state of the seed; logs, data and faults are gone. The credentials stay.
    Raises ``SwitchoverError`` when the lab was not up."""
    folder = _existing(folder)
    with _held(folder):
        if not (folder / "seed.json").is_file():
            raise SwitchoverError("The lab is not up", f"There is no seed in {folder}. Start it with: switchover lab up")
        seed = read_seed(folder / "seed.json")
        _stop_all(folder)
        _clear(folder)
        _start_all(folder, seed, servers, begin or _spawn)
        return _status(folder, servers)


def lab_status(folder: Path, servers: Sequence[ServerKind] = SERVERS) -> LabStatus:
    """What runs, where, and how often it was read and written. A folder without a lab has nothing alive in it."""
    return _status(folder.resolve(), servers)


def add_fault(
    folder: Path, server: str, name: str, *, match: str = "", count: int | None = None, value: float | None = None,
) -> Fault:
    """Tells a server to misbehave from its next request on. Which faults it knows stands in its module's docstring.
    Raises ``SwitchoverError`` for a server there is not."""
    _refuse_unknown(server)
    fault = Fault(uuid.uuid4().hex[:8], server, name, match, count, value)
    with _held(_existing(folder)):
        write_faults(folder, [*faults_of(folder), fault])
    return fault


def clear_faults(folder: Path, server: str | None = None) -> tuple[Fault, ...]:
    """Ends the faults of one server, or all. Returns those that ended."""
    if server is not None:
        _refuse_unknown(server)
    with _held(_existing(folder)):
        faults = faults_of(folder)
        ended = tuple(fault for fault in faults if server in (None, fault.server))
        write_faults(folder, [fault for fault in faults if fault not in ended])
    return ended


def faults_of(folder: Path) -> tuple[Fault, ...]:
    """The faults set now, counts not yet used up included."""
    try:
        entries = json.loads((folder / "faults.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(Fault(**entry) for entry in entries)


# ---------------------------------------------------------------- the folder


def _prepared(folder: Path) -> Path:
    """The folder, made when needed. A folder with things that are not ours is refused: a lab clears its folder."""
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "servers.json").is_file():
        raise SwitchoverError(
            "Not a lab's folder", f"{folder} holds other files, and a lab clears its folder. Name an empty or a new one."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "servers.json").is_file():
        _write_json(folder / "servers.json", {})
    return folder


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    if not (folder / "servers.json").is_file():
        raise SwitchoverError("There is no lab here", f"{folder} has no servers.json. Start one with: switchover lab up")
    return folder


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """One command at a time on a lab. The lock ends with its holder, so a killed one leaves nothing behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == "servers.json":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    """What was started, by server; nothing when the file is missing or is not ours to read."""
    try:
        records = json.loads((folder / "servers.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return records if isinstance(records, dict) else {}


def _write_json(path: Path, data: object) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
    temporary.replace(path)


def _refuse_unknown(server: str) -> None:
    names = [kind.name for kind in SERVERS]
    if server not in names:
        near = get_close_matches(server, names, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SwitchoverError("No such lab server", f"{server!r} is none of {', '.join(names)}.{hint}")


# ---------------------------------------------------------------- processes


def _start_all(folder: Path, seed: Mapping[str, Any], servers: Sequence[ServerKind], begin: Begin) -> None:
    """In waves: a server starts when those it needs have said where they listen. All or none."""
    _write_secrets(folder, seed["secrets"])
    kept, ports = dict(seed["ports"]), dict(seed["ports"])
    try:
        for wave in _waves(servers):
            write_seed(folder / "seed.json", {**seed, "ports": ports})
            pids = {}
            for kind in wave:
                pid = pids[kind.name] = begin(kind, folder, kept.get(kind.name, {}).get(kind.ports[0], 0))
                # Noted before anything else can go wrong.
                record = {"pid": pid, "module": kind.module, "ports": {}, "born": _born(pid)}
                _note(folder, kind.name, {**record, "started_at": datetime.now(UTC).isoformat()})
            ports.update((kind.name, _wait_ready(kind, folder, pids[kind.name])) for kind in wave)
        write_seed(folder / "seed.json", {**seed, "ports": ports})
    except BaseException:
        _stop_all(folder)
        raise


def _waves(servers: Sequence[ServerKind]) -> Iterator[list[ServerKind]]:
    """Servers that can start together, those that others need first. A need that is not among ``servers`` is not waited for."""
    waiting, names = list(servers), {kind.name for kind in servers}
    while waiting:
        behind = names.intersection(kind.name for kind in waiting)
        wave = [kind for kind in waiting if not behind.intersection(kind.needs)] or waiting
        yield wave
        waiting = [kind for kind in waiting if kind not in wave]


def _write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """One file per secret, for ``file:`` references from connections."""
    (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name, value in secrets.items():
        descriptor = os.open(folder / "secrets" / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)


def _spawn(kind: ServerKind, folder: Path, port: int) -> int:
    """Starts one process in a session of its own.

    posix_spawn and not subprocess: nobody here waits for it to end.
    """
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    arguments = [
        # -P: a folder called "engine" where the operator happens to stand is not ours.
        sys.executable, "-P", "-m", kind.module,
        "--folder", str(folder), "--seed", str(folder / "seed.json"), "--port", str(port),
    ]
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable, arguments, environment, setsid=True,
        setsigmask=(), setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder / f"{kind.name}.out"), writing, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(folder / f"{kind.name}.err"), writing, 0o600),
        ],
    )


def _wait_ready(kind: ServerKind, folder: Path, pid: int) -> dict[str, int]:
    """The ports a server announces. Raises ``SwitchoverError`` with the end of what it said when it dies or stays silent."""
    until = time.monotonic() + READY_S
    while True:
        running = _runs(pid)  # looked at first: what a process said before it ended is complete only after it ended
        ports = _announced(folder / f"{kind.name}.out")
        if ports is not None:
            _note(folder, kind.name, {**_records(folder)[kind.name], "ports": ports})
            return ports
        if not running or time.monotonic() > until:
            how = f"did not say where it listens within {READY_S:g} s" if running else "ended at once"
            raise SwitchoverError(f"The lab's {kind.name} server did not come up", f"It {how}. {_tail(folder, kind.name)}")
        time.sleep(_POLL_S)


def _announced(path: Path) -> dict[str, int] | None:
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            if line.endswith("\n") and line.startswith('{"ready"'):
                return {str(name): int(port) for name, port in json.loads(line)["ready"].items()}
    return None


def _tail(folder: Path, name: str, lines: int = 8) -> str:
    path = folder / f"{name}.err"
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    last = "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
    return f"The end of {path}:\n{last}" if last else f"It said nothing on {path}."


def _note(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    _write_json(folder / "servers.json", {**_records(folder), name: record})


def _stop_all(folder: Path) -> None:
    """Ends every server on record, all at once, and forgets them."""
    records = _records(folder)
    ours = [record["pid"] for record in records.values() if _is_ours(record, folder)]
    for pid in ours:
        _signal(pid, signal.SIGTERM)
    stubborn = _wait_gone(ours, _STOP_S)
    for pid in stubborn:
        _signal(pid, signal.SIGKILL)
    if _wait_gone(stubborn, _STOP_S):
        raise SwitchoverError("A lab server does not end", f"Processes {', '.join(map(str, stubborn))} outlived SIGKILL.")
    _write_json(folder / "servers.json", {})


def _wait_gone(pids: Sequence[int], seconds: float) -> list[int]:
    until = time.monotonic() + seconds
    left = [pid for pid in pids if _runs(pid)]
    while left and time.monotonic() < until:
        time.sleep(_POLL_S)
        left = [pid for pid in left if _runs(pid)]
    return left


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    """Whether a process is there and not just waiting to be reaped. Reaps it when it is our child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def _born(pid: int) -> str:
    """When a process began, in the system's own ticks since the machine's start; empty when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[19]  # proc(5), field 22


def _is_ours(record: Mapping[str, Any], folder: Path) -> bool:
    pid, module = record.get("pid"), record.get("module")
    if not isinstance(pid, int) or pid <= 1 or not _runs(pid):
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    if str(module).encode() in words and os.fsencode(folder) in words:
        return True
    # One that was forked bears its parent's words; a process that has taken over its pid was born later.
    return bool(record.get("born")) and record["born"] == _born(pid)


def _alive(kind: ServerKind, folder: Path, records: Mapping[str, Mapping[str, Any]]) -> bool:
    record = records.get(kind.name)
    return record is not None and bool(record.get("ports")) and _is_ours(record, folder)


# ---------------------------------------------------------------- status


def _status(folder: Path, servers: Sequence[ServerKind], *, already_up: bool = False) -> LabStatus:
    records, faults = _records(folder), faults_of(folder)
    return LabStatus(folder, tuple(_server_status(kind, folder, records, faults) for kind in servers), already_up)


def _server_status(
    kind: ServerKind, folder: Path, records: Mapping[str, Mapping[str, Any]], faults: Sequence[Fault],
) -> ServerStatus:
    record = records.get(kind.name, {})
    reads, writes = _counts(folder / f"{kind.name}.jsonl")
    return ServerStatus(
        kind.name, _alive(kind, folder, records), record.get("pid"), record.get("ports", {}), record.get("started_at", ""),
        reads, writes, tuple(fault for fault in faults if fault.server == kind.name),
    )


def _counts(log: Path) -> tuple[int, int]:
    """Reads and writes in a server's log; a line being written at this moment is not counted yet."""
    counts = {"read": 0, "write": 0}
    with contextlib.suppress(FileNotFoundError), log.open(encoding="utf-8") as lines:
        for line in lines:
            kind = json.loads(line)["kind"] if line.endswith("\n") else ""
            if kind in counts:
                counts[kind] += 1
    return counts["read"], counts["write"]
