"""The key with which a project digests what its plans saw.

A plan may go into a ticket. A bare digest of a file that is known but for a four-digit PIN would let any reader try all of them;
one made with a key that stays in the project's state folder lets nobody.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from engine.model.errors import StalePlan, SwitchoverError
from engine.model.values import dataclass
from engine.project import Project

_BYTES = 32


@dataclass(frozen=True, slots=True)
class PlanKey:
    """``id`` tells keys apart and gives nothing of them away."""

    raw: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"switchover plan key 2\n" + self.raw).hexdigest()[:16]

    def seal(self, digest: str) -> str:
        """The digest, so that only who has the key can tell what it is of. BLAKE2 takes a key by itself: HMAC from OpenSSL, asked
        for twice an item, costs four times as much."""
        return hashlib.blake2b(digest.encode(), key=self.raw, digest_size=16).hexdigest()


def passing_key() -> PlanKey:
    """One for a plan that nobody will apply."""
    return PlanKey(secrets.token_bytes(_BYTES))


def key_of(project: Project) -> PlanKey | None:
    """The project's; None when it has none yet. Raises ``SwitchoverError`` when it cannot be read."""
    try:
        raw = project.plan_key.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SwitchoverError(f"The key of plans cannot be read: {project.plan_key}", f"{error.strerror}.") from error
    if len(raw) != _BYTES:
        raise SwitchoverError(
            f"The key of plans is damaged: {project.plan_key}",
            f"It must have {_BYTES} bytes and has {len(raw)}. Restore it; or remove it, and plan again: plans made with it, and "
            "runs begun with it, are refused then.",
        )
    return PlanKey(raw)


def kept_key(project: Project) -> PlanKey:
    """The project's, made when first needed. Raises ``SwitchoverError``."""
    found = key_of(project)
    if found is not None:
        return found
    try:
        project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(project.plan_key)
    except OSError as error:
        raise SwitchoverError(f"The key of plans cannot be written: {project.plan_key}", f"{error.strerror}.") from error
    made = key_of(project)
    if made is None:
        raise SwitchoverError("The key of plans is gone", f"{project.plan_key} was there a moment ago. Try again.")
    return made


def _put(path: Path) -> None:
    """Whole or not at all, and never in place of one that somebody else has just made."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def check_key(project: Project, key_id: str, what: str) -> None:
    """Raises ``StalePlan`` when ``what`` was made with another key than the project's."""
    found = key_of(project)
    if found is not None and found.id == key_id:
        return
    here = "another" if found is not None else "none yet"
    raise StalePlan(
        f"{what} was made with the key of another project folder",
        f"What a plan has seen can only be compared with the key it was made with; this project has {here}. Make a new plan "
        f"here; or work where it was made; or copy {project.plan_key.name} from the folder .switchover there into "
        f"{project.state}, mode 0600 and by a way that nobody else can read. Plans made here with a former key are refused then.",
    )
