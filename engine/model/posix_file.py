"""Files on a POSIX system as commands: fixed scripts, and values only as their quoted arguments, never part of them.

One command each, because on a far system every further exchange costs a round trip. A script prints ``MARK`` first: without it
nobody carried it out, whatever the status says (a server that only offers SFTP answers every command with something), and what
a chatty login prints before it is not taken for content.
"""

from __future__ import annotations

import posixpath
import shlex
from typing import Self

from engine.model.errors import ActionFailure, Permanent, Temporary

MARK = b"@switchover\n"
INPUT = "${switchover_input:-cat}"
"""How a script takes its input: a shell that holds it already names a function of its own in that variable."""
MISSING, NOT_A_FILE, FORBIDDEN, NO_FOLDER, CUT_OFF, NO_OWNER = 61, 62, 63, 64, 65, 66
"""Statuses that the scripts end with; any other but 0 is that of the program that failed."""

_START = "printf '@switchover\\n'; f=$1; d=${f%/*}; d=${d:-/}; "
_LOOK = _START + f"""
if [ ! -e "$f" ]; then
  [ -d "$d" ] || exit {NO_FOLDER}
  [ -x "$d" ] || exit {FORBIDDEN}
  exit {MISSING}
fi
[ -f "$f" ] || exit {NOT_A_FILE}
"""
_READ = _LOOK + """if [ -n "$2" ]; then
  stat -L -c %a:%u:%g:%U:%G "$f" 2>/dev/null || stat -L -f %Lp:%u:%g:%Su:%Sg "$f" || exit
fi
exec cat "$f"
"""
_MODIFIED = _LOOK + 'stat -L -c %Y "$f" 2>/dev/null || exec stat -L -f %m "$f"'
_REMOVE = _START + 'exec rm -f "$f"'
_WRITE = _START + f"""
size=$2; mode=$3; owner=$4; group=$5; had=
if [ -L "$f" ]; then f=$(readlink -f "$f") || exit; d=${{f%/*}}; d=${{d:-/}}; fi
[ -d "$f" ] && exit {NOT_A_FILE}
[ -d "$d" ] || exit {NO_FOLDER}
if [ -e "$f" ]; then
  set -- $(stat -c '%a %u:%g' "$f" 2>/dev/null || stat -f '%Lp %u:%g' "$f")
  mode=${{mode:-$1}}
  if [ -O "$f" ] && [ -G "$f" ]; then :; else had=$2; fi
fi
if [ -n "$mode" ]; then umask 077; fi
t=$d/.${{f##*/}}.$$.new
trap 'rm -f "$t"' EXIT
{INPUT} > "$t" || exit
[ -n "$switchover_input" ] || [ "$(wc -c < "$t")" -eq "$size" ] || exit {CUT_OFF}
if [ -n "$had" ]; then chown "$had" "$t" 2>/dev/null; fi
if [ -n "$owner$group" ]; then chown "$owner${{group:+:$group}}" "$t" || exit {NO_OWNER}; fi
if [ -n "$mode" ]; then chmod "$mode" "$t" || exit; fi
mv -f "$t" "$f" && trap - EXIT
"""
"""The size is checked because a lost connection looks to ``cat`` like the end of its input: half a file must not be installed.
An input that the shell already holds is whole.
A link is followed, and owner and mode of what is replaced are kept where they are not given. Each program started costs the
other side a millisecond: what the shell can do by itself it does."""


class Script(str):
    """A command that carries out ``text`` with ``words`` as $1, $2 and so on, whatever the login's own shell is.

    As text it is a command of its own; a transport may as well hand its parts to a shell that already stands. So a script
    must not care which: it leaves no state behind, and takes nothing but its words and its input.
    """

    text: str
    words: str
    """Quoted."""

    def __new__(cls, text: str, *words: str) -> Self:
        quoted = " ".join(map(shlex.quote, words))
        made = super().__new__(cls, f"exec sh -c {shlex.quote(text)} sh {quoted}")
        made.text, made.words = text, quoted
        return made


def read_command(path: str, *, facts: bool = False) -> Script:
    """Prints the content; with ``facts`` a line ``mode:uid:gid:user:group`` before it."""
    return Script(_READ, path, "facts" if facts else "")


def write_command(path: str, size: int, mode: str = "", owner: str = "", group: str = "") -> Script:
    """Replaces the file in one step by what it reads, if that is ``size`` bytes. ``mode`` in octal."""
    return Script(_WRITE, path, str(size), mode, owner, group)


def remove_command(path: str) -> Script:
    """Deletes the file; succeeds also when it is not there."""
    return Script(_REMOVE, path)


def modified_command(path: str) -> Script:
    """Prints when it last changed, in seconds since 1970."""
    return Script(_MODIFIED, path)


def failure_of(status: int, complaint: str, verb: str, path: str) -> ActionFailure:
    """What a script's status means. ``complaint``: what the failing program printed."""
    if status == CUT_OFF:
        return Temporary(f"{path} arrived incomplete; what stood there was left as it was")
    known = {
        NOT_A_FILE: "it is no plain file",
        FORBIDDEN: "the login may not look into its folder",
        NO_FOLDER: no_folder(path),
        NO_OWNER: f"its owner cannot be set: {complaint}",
    }
    return Permanent(f"cannot {verb} {path}: {known.get(status) or complaint or f'status {status}'}")


def no_folder(path: str) -> str:
    """Why a file cannot be created."""
    return f"the folder {posixpath.dirname(path)} does not exist; create it first"


def remote_path(root: str | None, path: str) -> str:
    """Where ``path`` lies over there: below ``root``, however it is spelled; without a root absolute, or below the login's home.

    Always begins with ``/`` or ``./``, so that no program takes a name for an option. Raises ``Permanent`` for what is no file
    name and for what leads out of the root.
    """
    if not path.strip("/") or "\0" in path:
        raise Permanent(f"{path!r} is no file name")
    if not root:
        whole = posixpath.normpath(path)
    else:
        inside = posixpath.normpath(path.lstrip("/"))
        if inside == ".." or inside.startswith("../"):
            raise Permanent(f"{path!r} leads out of the connection's root {root!r}")
        whole = posixpath.join(posixpath.normpath(root), inside)
    whole = whole.removeprefix("~/").removeprefix("./")
    return whole if whole.startswith("/") else f"./{whole}"
