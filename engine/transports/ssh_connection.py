"""One connection to one host: TCP or a jump host's channel, key exchange, host key, login, and the channels on it.

Channels are shared out among threads. sshd admits ten sessions per connection unless told otherwise (``MaxSessions``), small
devices fewer: further commands wait here instead of being refused there.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from paramiko import Channel, ChannelException, SFTPClient, SSHException, Transport
from paramiko.ssh_exception import IncompatiblePeer

from engine.model.errors import Permanent, Temporary
from engine.model.posix_file import Script
from engine.ports import CommandResult
from engine.transports.ssh_auth import KeyRing, log_in
from engine.transports.ssh_channel import PendingSession, TcpStream, TimedChannel, TunnelStream
from engine.transports.ssh_exec import Exchange, broken
from engine.transports.ssh_host_keys import HostKeys
from engine.transports.ssh_settings import Deadline, SshSettings, connect_left, seconds_left
from engine.transports.ssh_shell import StandingShell, fits

MAX_CHANNELS = 8
"""Sessions at once on one connection; sshd's own limit is 10."""
_KEX = (
    "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
"""curve25519 first: the cheapest on both sides."""
_QUICK_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Ahead of paramiko's own order: they authenticate what they encrypt, in one call of the library. For the others paramiko
checks a separate code byte by byte in Python, which takes a fifth of a short connection's time."""
_IDLE_POLL_S = 5.0
"""How often the thread that reads a connection looks up from waiting. paramiko's tenth of a second is for the handshake;
afterwards two hundred open connections would keep a processor busy with looking up."""
_PIPELINES = ("SSH-2.0-OpenSSH",)
"""Servers known to read a login that is sent ahead of their consent, and to let a session wait for its command."""
_UNREACHABLE_S = 60_000
"""Milliseconds after which the system gives up a connection whose other side no longer acknowledges anything."""


class _Places:
    """How many sessions are open, and how many may be. The server has the last word: ``shrink`` learns it."""

    def __init__(self, limit: int) -> None:
        self._changed = threading.Condition()
        self._limit = limit
        self._taken = 0

    def take(self, deadline: Deadline, where: str) -> None:
        with self._changed:
            while self._taken >= self._limit:
                self._changed.wait(seconds_left(deadline, where, "waiting for other commands on the same connection"))
            self._taken += 1

    def take_if_free(self) -> bool:
        with self._changed:
            if self._taken >= self._limit:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def shrink(self, pause_s: float) -> bool:
        """After a refusal, with one's own place given back: settles for as many as are open now. False when none is."""
        with self._changed:
            if self._taken:
                self._limit = self._taken
                return True
            self._changed.wait(pause_s)
            return False


class SshConnection:
    """A connection that is logged in. Safe to use from several threads."""

    def __init__(self, transport: Transport, where: str) -> None:
        self._transport = transport
        self._where = where
        self._places = _Places(MAX_CHANNELS)
        self._keeps_spare = transport.remote_version.startswith(_PIPELINES)
        self._spare: PendingSession | None = None
        self._lock = threading.Lock()
        self._shell: StandingShell | None = None
        self._shell_lock = threading.Lock()
        self._keeps_shell = self._keeps_spare
        self.has_no_shell = False
        """True once the server turned out to carry out no commands."""

    @property
    def is_alive(self) -> bool:
        """Whether it can still be used, as far as is known on this side."""
        return self._transport.is_active()

    def exchange(self, command: str, stdin: bytes, deadline: Deadline) -> CommandResult:
        """Carries out one command. Raises ``ExecRefused`` when the server does not do that for this login."""
        with self._session(deadline) as channel:
            exchange = Exchange(channel, self._where, deadline)
            exchange.start(command)
            if self._shell is None:
                self._prepare_spare()
            exchange.feed(stdin)
            return exchange.finish()

    def carry_out(self, script: Script, stdin: bytes, deadline: Deadline) -> CommandResult:
        """Carries out a script of ours, by the shell that stands where that is free and fit, else by a command of its own."""
        if fits(stdin) and self._keeps_shell and self._shell_lock.acquire(blocking=False):
            try:
                result = self._by_shell(script, stdin, deadline)
            finally:
                self._shell_lock.release()
            if result is not None:
                return result
        return self.exchange(script, stdin, deadline)

    def _by_shell(self, script: Script, stdin: bytes, deadline: Deadline) -> CommandResult | None:
        """None when the shell did not take it. Whatever else goes wrong ends the shell: what it is at then, nobody knows."""
        if self._shell is not None and not self._shell.stands:
            self._end_shell()
        if self._shell is None:
            self._shell = StandingShell(self._take_spare(deadline) or self._open(deadline), self._where)
            self._prepare_spare()
        result = None
        try:
            result = self._shell.carry_out(script, stdin, deadline)
        finally:
            if result is None or not self._keeps_shell:
                self._end_shell()
        self._keeps_shell = self._keeps_shell and result is not None
        return result

    def _end_shell(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.end()
            self._places.give_back()

    def _spares_shell(self) -> bool:
        """Gives the shell's session away to a server that admits too few. False when it had none, or is at work: then it
        ends with that."""
        if not self._shell_lock.acquire(blocking=False):
            self._keeps_shell = False
            return False
        try:
            had, self._keeps_shell = self._shell is not None, False
            self._end_shell()
            return had
        finally:
            self._shell_lock.release()

    @contextmanager
    def sftp(self, deadline: Deadline) -> Iterator[SFTPClient]:
        """An SFTP client of one's own, for a few requests. All of them have to end before the deadline: ``TimeoutError``."""
        with self._session(deadline) as channel:
            channel.settimeout(seconds_left(deadline, self._where, "opening SFTP"))
            try:
                channel.invoke_subsystem("sftp")
                client = SFTPClient(cast(Channel, TimedChannel(channel, deadline)))
            except (SSHException, EOFError) as error:
                if self.is_alive:
                    raise Permanent(f"{self._where}: the server offers no SFTP: {error}") from error
                raise broken(self._where, error) from error
            yield client

    def tunnel(self, host: str, port: int, deadline: Deadline) -> TunnelStream:
        """A byte stream from there on to ``host``."""
        left = connect_left(deadline, self._where, f"asking it to connect to {host}:{port}")
        try:
            return TunnelStream(self._transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=left))
        except ChannelException as error:
            if error.code == 1:  # administratively prohibited
                raise Permanent(
                    f"{self._where}: the jump host forbids connections to {host}:{port}; its sshd needs AllowTcpForwarding"
                ) from error
            why = f"the jump host cannot reach {host}:{port}: {error.text}"
            raise Temporary(f"{self._where}: {why}", nothing_done=True) from error
        except (SSHException, EOFError, OSError) as error:
            raise broken(self._where, error) from error

    def close(self) -> None:
        """Ends it at once."""
        self._transport.close()

    @contextmanager
    def _session(self, deadline: Deadline) -> Iterator[Channel]:
        channel = self._take_spare(deadline) or self._open(deadline)
        try:
            yield channel
        finally:
            channel.close()
            self._places.give_back()

    def _open(self, deadline: Deadline) -> Channel:
        patience = 20
        while True:
            self._places.take(deadline, self._where)
            asked = PendingSession(self._transport)
            channel = self._await(asked, deadline)
            if channel is not None:
                return channel
            why = asked.why_not()
            if not self.is_alive:
                raise Temporary(f"{self._where}: the connection is gone", nothing_done=True)
            if self._spares_shell():
                continue
            # Refused with none of ours open: the server has not yet tidied up the last one. That takes it milliseconds.
            if not self._places.shrink(0.05):
                patience -= 1
                if patience == 0:
                    raise Permanent(f"{self._where}: the server opens no session for this login: {why}")

    def _await(self, asked: PendingSession, deadline: Deadline) -> Channel | None:
        """The session; without one its place is given back."""
        channel = None
        try:
            channel = asked.wait(seconds_left(deadline, self._where, "opening a session"))
        except TimeoutError:
            asked.abandon()
            raise Temporary(f"{self._where}: timed out opening a session", nothing_done=True) from None
        finally:
            if channel is None:
                self._places.give_back()
        return channel

    def _take_spare(self, deadline: Deadline) -> Channel | None:
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None:
            return None
        channel = self._await(spare, deadline)
        if channel is None:
            self._keeps_spare = False
        elif channel.closed:
            self._places.give_back()
            return None
        return channel

    def _prepare_spare(self) -> None:
        """Asks for the next session while this one's command runs: on a far host that halves the wait for the next."""
        with self._lock:
            if self._keeps_spare and self._spare is None and self._places.take_if_free():
                self._spare = PendingSession(self._transport)


def open_connection(
    settings: SshSettings, stream: TcpStream | TunnelStream, host_keys: HostKeys, keys: KeyRing, deadline: Deadline
) -> SshConnection:
    """Makes a logged-in connection over an open byte stream. Closes the stream when it fails."""
    try:
        transport = Transport(stream)  # type: ignore[arg-type]  # any object with these methods does
    except BaseException:
        stream.close()
        raise
    try:
        _agree(transport, settings, host_keys, deadline)
        host_keys.verify(settings, transport.get_remote_server_key())
        log_in(transport, settings, keys, deadline, eager=transport.remote_version.startswith(_PIPELINES))
    except BaseException:
        transport.close()
        raise
    if settings.keepalive_s > 0:
        transport.set_keepalive(settings.keepalive_s)
    stream.settimeout(_IDLE_POLL_S)
    return SshConnection(transport, settings.where)


def _agree(transport: Transport, settings: SshSettings, host_keys: HostKeys, deadline: Deadline) -> None:
    """Greeting and key exchange."""
    where = settings.endpoint
    options = transport.get_security_options()
    options.kex = tuple(name for name in _KEX if name in options.kex)
    options.ciphers = tuple(sorted(options.ciphers, key=lambda name: name not in _QUICK_CIPHERS))
    options.key_types = host_keys.preferred_types(settings)
    left = connect_left(deadline, where, "before the SSH greeting")
    transport.banner_timeout = transport.handshake_timeout = left
    try:
        transport.start_client(timeout=left)
    except IncompatiblePeer as error:
        raise Permanent(f"{where}: no common algorithms with this SSH server: {error}. It may be too old") from error
    except (SSHException, EOFError, OSError) as error:
        raise Temporary(f"{where}: no SSH connection: {_why_unagreed(error)}", nothing_done=True) from error
    if not transport.initial_kex_done:  # start_client returns without a word on a time-out
        raise Temporary(f"{where}: timed out in the SSH key exchange", nothing_done=True)


def _why_unagreed(error: Exception) -> str:
    text = str(error)
    if "banner" in text:
        return "it accepted the connection but sent no SSH greeting; it may be overloaded, or no SSH server"
    if isinstance(error, ConnectionResetError):
        return "it closed the connection during the key exchange"
    return text or "it closed the connection during the key exchange"


def connect_tcp(settings: SshSettings, deadline: Deadline) -> TcpStream:
    """A TCP connection with small packets sent at once. Raises ``Temporary``, or ``Permanent`` for a name that is none."""
    left = connect_left(deadline, settings.endpoint, "before connecting")
    try:
        stream = socket.create_connection((settings.host, settings.port), timeout=left)
    except UnicodeError as error:  # longer than a host name may be, or an empty label
        raise Permanent(f"{settings.endpoint}: no such host name. Check `host` in inventory.yml") from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise Permanent(f"{settings.endpoint}: no such host name. Check `host` in inventory.yml") from error
        raise Temporary(f"{settings.endpoint}: the host name cannot be looked up: {error.strerror}", nothing_done=True) from error
    except TimeoutError as error:
        why = f"no answer within {left:.0f} s; it may be switched off or behind a firewall"
        raise Temporary(f"{settings.endpoint}: {why}", nothing_done=True) from error
    except OSError as error:
        why = f"cannot connect: {error.strerror or error}. Check that it is up and runs an SSH server, and `host` and `port`"
        raise Temporary(f"{settings.endpoint}: {why}", nothing_done=True) from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError, OSError):  # Linux has it
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREACHABLE_S)
    return TcpStream(stream)
