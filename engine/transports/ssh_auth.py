"""Logging in: the key file, the agent's keys, the password, in this order, and a clear word when none is accepted."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from paramiko import (
    Agent,
    AuthenticationException,
    BadAuthenticationType,
    ECDSAKey,
    Ed25519Key,
    Message,
    PasswordRequiredException,
    PKey,
    RSAKey,
    SSHException,
    Transport,
)
from paramiko.auth_handler import AuthHandler

from engine.model.errors import Permanent, Temporary
from engine.model.values import dataclass
from engine.transports.ssh_settings import Deadline, SshSettings, connect_left, expanded

logging.getLogger("paramiko").addHandler(logging.NullHandler())
"""Without a handler Python prints paramiko's tracebacks to stderr; what they mean is told by our own errors."""

_MAGIC = b"openssh-key-v1\x00"


class Login(AuthHandler):
    """The client's side of authentication on one connection.

    paramiko waits for the server to accept the service "ssh-userauth" before it sends the first credentials, and asks for
    that service again before each further ones. RFC 4253 section 10 asks for neither: an ``eager`` login sends both in one
    flight, and no login asks twice. It saves a round trip per host.
    """

    def __init__(self, transport: Transport, *, eager: bool) -> None:
        super().__init__(transport)
        self._eager = eager
        self._asked = False
        self.allowed: list[str] = []
        """What the server said, at its last refusal, that it takes."""

    def _request_auth(self) -> None:
        if not self._asked:
            super()._request_auth()  # type: ignore[misc]  # the stubs leave out what a subclass needs
            self._asked = True
            if not self._eager:
                return
        self._send_credentials()

    def _parse_service_accept(self, message: Message) -> None:
        if not self._eager:
            super()._parse_service_accept(message)  # type: ignore[misc]

    def _parse_userauth_failure(self, message: Message) -> None:
        self.allowed = message.get_list()
        message.rewind()
        super()._parse_userauth_failure(message)  # type: ignore[misc]

    def _send_credentials(self) -> None:
        accept = Message()
        accept.add_string("ssh-userauth")
        accept.rewind()
        super()._parse_service_accept(accept)  # type: ignore[misc]

    def offer_key(self, username: str, key: PKey) -> list[str]:
        """Returns the methods still wanted, none when logged in. Raises paramiko's ``AuthenticationException``."""
        done = threading.Event()
        self.auth_publickey(username, key, done)
        return self.wait_for_response(done)

    def offer_password(self, username: str, password: str) -> list[str]:
        """The same for a password; answers the one question of keyboard-interactive where plain passwords are off."""
        done = threading.Event()
        self.auth_password(username, password, done)
        try:
            return self.wait_for_response(done)
        except BadAuthenticationType as error:
            if "keyboard-interactive" not in error.allowed_types:
                raise
        return self._offer_answer(username, password)

    def _offer_answer(self, username: str, password: str) -> list[str]:
        def answer(_title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            # Some servers end with an empty round; a question that is echoed is not the one for the password.
            return [password if not echoed else "" for _, echoed in prompts]

        done = threading.Event()
        self.auth_interactive(username, answer, done)
        return self.wait_for_response(done)


@dataclass(frozen=True, slots=True)
class _Credential:
    """Something to offer. ``label`` tells the operator which; it never holds the secret."""

    label: str
    key: PKey | None = None
    password: str = ""


class KeyRing:
    """Private keys, each parsed once per run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, object], PKey] = {}
        self._lock = threading.Lock()

    def key(self, settings: SshSettings) -> PKey | None:
        """The key of the connection; None when it has none. Raises ``Permanent`` when it cannot be used."""
        if settings.key_file is None:
            return None
        wanted = (settings.key_file, settings.key_passphrase)
        with self._lock:
            if wanted not in self._keys:
                self._keys[wanted] = load_key(settings)
            return self._keys[wanted]


def log_in(transport: Transport, settings: SshSettings, keys: KeyRing, deadline: Deadline, *, eager: bool) -> None:
    """Authenticates, trying what the connection gives. Raises ``Permanent`` when refused, ``Temporary`` when cut off."""
    login = Login(transport, eager=eager)
    transport.auth_handler = login
    refused: list[str] = []
    with ExitStack() as stack:
        for credential in _credentials(settings, keys, stack):
            transport.auth_timeout = connect_left(deadline, settings.where, "logging in")
            try:
                wanted = _offer(login, settings.username, credential)
            except AuthenticationException as error:
                _raise_if_cut_off(transport, settings, error, len(refused))
                refused.append(credential.label)
                continue
            except (SSHException, EOFError, OSError) as error:
                raise Temporary(f"{settings.where}: the connection broke while logging in: {error}", nothing_done=True) from error
            if not wanted:
                return
    raise Permanent(_refusal(settings, refused, login.allowed))


def _offer(login: Login, username: str, credential: _Credential) -> list[str]:
    if credential.key is not None:
        return login.offer_key(username, credential.key)
    return login.offer_password(username, credential.password)


def _credentials(settings: SshSettings, keys: KeyRing, stack: ExitStack) -> Iterator[_Credential]:
    key = keys.key(settings)
    if key is not None:
        yield _Credential(f"the key {settings.key_file} ({key.get_name()} {key.fingerprint})", key)
    if settings.agent:
        agent = _agent(settings)
        stack.callback(agent.close)
        for held in agent.get_keys():
            yield _Credential(f"the agent's key {held.comment or held.get_name()} ({held.fingerprint})", held)
    if settings.password is not None:
        yield _Credential("the password", password=settings.password.reveal())


def _agent(settings: SshSettings) -> Agent:
    try:
        return Agent()
    except (SSHException, OSError) as error:
        path = os.environ.get("SSH_AUTH_SOCK", "")
        raise Permanent(
            f"{settings.where}: the ssh agent at {path!r} does not answer: {error}. Start it, or set `agent: false`"
        ) from None


def _raise_if_cut_off(transport: Transport, settings: SshSettings, error: Exception, refused: int) -> None:
    """A server that hangs up during the login gave no verdict, unless it had to listen to one key after the other."""
    if transport.is_active() and "timeout" not in str(error):
        return
    if refused >= 3:
        raise Permanent(
            f"{settings.where}: the server hung up after {refused} keys were refused. The agent holds too many: "
            "name the right one with `key_file`, or set `agent: false`"
        ) from error
    what = "did not answer the login in time" if transport.is_active() else "hung up during the login"
    raise Temporary(f"{settings.where}: the server {what}", nothing_done=True) from error


def _refusal(settings: SshSettings, refused: list[str], allowed: list[str]) -> str:
    takes = f" The server takes: {', '.join(allowed)}." if allowed else ""
    if not refused:
        return (
            f"{settings.where}: there is nothing to log in with: the connection has no key_file and no password, and the ssh "
            f"agent {'holds no key' if os.environ.get('SSH_AUTH_SOCK') else 'is not running'}.{takes} Give one of them"
        )
    advice = "Check username and password" if refused == ["the password"] else (
        f"Add the public key to ~{settings.username}/.ssh/authorized_keys on {settings.host}, or give another"
    )
    return f"{settings.where}: the login was refused; not accepted: {', '.join(refused)}.{takes} {advice}"


def load_key(settings: SshSettings) -> PKey:
    """Reads the private key file. Raises ``Permanent``: unreadable, encrypted without passphrase, wrong passphrase, no key."""
    path = Path(expanded(settings.key_file or ""))
    passphrase = settings.key_passphrase.reveal() if settings.key_passphrase else None
    try:
        kind = _kind_of(path.read_text(encoding="ascii"))
        key = kind.from_private_key_file(str(path), passphrase)
    except PasswordRequiredException:
        raise Permanent(
            f"{settings.where}: the key {path} is encrypted: give `key_passphrase`, or load it into the agent"
        ) from None
    except OSError as error:
        raise Permanent(f"{settings.where}: the key {path} cannot be read: {error.strerror}. Check `key_file`") from None
    except (SSHException, ValueError, binascii.Error, AssertionError) as error:
        # cryptography and paramiko word a wrong passphrase in a dozen ways; none of them says so.
        unusable = f"it is no private key that can be used ({error})"
        why = "the passphrase is wrong, or the file is damaged" if passphrase else unusable
        raise Permanent(f"{settings.where}: the key {path}: {why}. `ssh-keygen -y -f {path}` tells whether it is sound") from None
    certificate = Path(f"{path}-cert.pub")
    if certificate.exists():
        key.load_certificate(str(certificate))
    return key


def _kind_of(text: str) -> type[Ed25519Key] | type[ECDSAKey] | type[RSAKey]:
    """The class for a key file, told by its header: trying each in turn would run the slow key derivation thrice."""
    if "BEGIN RSA PRIVATE KEY" in text:
        return RSAKey
    if "BEGIN EC PRIVATE KEY" in text:
        return ECDSAKey
    if "BEGIN OPENSSH PRIVATE KEY" not in text:
        raise ValueError("not in OpenSSH or PEM form; `ssh-keygen -p -f FILE` converts it")
    body = "".join(line for line in text.splitlines() if line and "-----" not in line)
    message = Message(base64.b64decode(body))
    if message.get_bytes(len(_MAGIC)) != _MAGIC:
        raise ValueError("damaged")
    for _ in range(3):  # cipher, key derivation, its options
        message.get_string()
    message.get_int()
    name = Message(message.get_string()).get_text()
    if name == "ssh-ed25519":
        return Ed25519Key
    if name == "ssh-rsa":
        return RSAKey
    if name.startswith("ecdsa-"):
        return ECDSAKey
    raise ValueError(f"keys of type {name} are not supported; use ed25519, ecdsa or rsa")
