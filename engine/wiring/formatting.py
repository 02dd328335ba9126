"""Files laid out anew: found, read, laid out, and written in one go or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.language.canonical import canonical, unified
from engine.language.yaml_reader import decode, read_bytes
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.values import dataclass
from engine.project import Project

_FOLDERS = ("runbooks", "inventories", "tests/scenarios")
_ENDINGS = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Layout:
    """One file, as it stands and as it should. ``invalid``: why it could not be read; then nothing else is known."""

    path: Path
    name: str
    """As a person would type it."""
    before: bytes = b""
    after: bytes = b""
    invalid: tuple[Diagnostic, ...] = ()

    @property
    def differs(self) -> bool:
        return self.before != self.after

    @property
    def texts(self) -> tuple[str, str]:
        """Both as text to compare, with line ends alike."""
        return unified(self.before.decode("utf-8-sig")), self.after.decode()


def files_to_lay_out(project: Project, named: Sequence[Path]) -> list[Path]:
    """The files named, those in folders named, or all of the project. Raises ``SwitchoverError`` when there is none.

    A file that SOPS has encrypted is left out: nobody reads it, and SOPS lays it out in its own way each time it writes.
    """
    places = list(named) or [path for folder in _FOLDERS if (path := project.root / folder).is_dir()]
    found = dict.fromkeys(path for place in places for path in (_files_in(place) if place.is_dir() else [place]))
    if not found:
        where = ", ".join(map(str, named)) or f"runbooks, inventories or tests/scenarios of {project.root}"
        raise SwitchoverError("There is no file to lay out", f"There is no .yml or .yaml file in {where}. Name one.")
    return [path for path in found if not _is_encrypted(path)]


def layout_of(path: Path, name: str) -> Layout:
    """How one file stands and should. Raises ``MeaningChanged``."""
    try:
        return layout_of_bytes(read_bytes(path, name), name, path)
    except InvalidInput as error:
        return Layout(path, name, invalid=error.diagnostics)


def layout_of_bytes(before: bytes, name: str, path: Path = Path()) -> Layout:
    """Likewise for what was read already. Raises ``InvalidInput``, ``MeaningChanged``."""
    return Layout(path, name, before, canonical(decode(before, name), name).encode())


def write_layout(layout: Layout) -> None:
    """Replaces the file: whole, with its mode, and where a link leads to it the link stays.

    Raises ``OSError`` with the file's name, and ``SwitchoverError`` when somebody else has written to it meanwhile.
    """
    target = layout.path.resolve()
    if target.read_bytes() != layout.before:
        detail = f"{layout.name} was changed by somebody else while it was being laid out, and is left alone. Try again."
        raise SwitchoverError("The file has changed", detail)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), layout.name)
    found = target.stat()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".switchover-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(layout.after)
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _ENDINGS and not is_hidden and path.is_file():
            yield path


def _is_encrypted(path: Path) -> bool:
    try:
        return b"\nsops:" in path.read_bytes()
    except OSError:
        return False  # said when it is read
