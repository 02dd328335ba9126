"""Turns a failure into what a person reads, and its exit code. Imported only when something failed."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import sys
import tempfile
import traceback
from datetime import UTC, datetime

import click

from engine import __version__
from engine.cli.output import wants_color
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, SwitchoverError, masked
from engine.reporting.diagnostics import format_diagnostics
from engine.reporting.terminal import wrapped

_BUG = 70
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def explain(error: Exception) -> int:
    """Prints the failure to stderr; returns the exit code."""
    if isinstance(error, InvalidInput):
        click.echo(format_diagnostics(error.diagnostics, color=wants_color(err=True), width=_width()), err=True, color=True)
        click.echo(f"{error.summary}.", err=True)
        return error.exit_code
    if isinstance(error, SwitchoverError):
        click.echo(f"{_mark()}{error.summary}", err=True)
        if error.detail:
            click.echo(_wrapped(error.detail), err=True)
        return error.exit_code
    if isinstance(error, ActionFailure):
        click.echo(f"{_mark()}{error.why}", err=True)
        return 1
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL):
        # A folder where a file was meant, a full disk, no permission: the machine's state, not our mistake.
        where = error.filename or "what was to be written, to stdout or a file, did not fit"
        click.echo(f"{_mark()}{error.strerror}: {where}", err=True)
        return 1
    return _report_bug(error)


def _width() -> int:
    """Of the terminal that errors go to; a usual one where they go elsewhere."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stderr.isatty() else 100


def _wrapped(text: str) -> str:
    """Indented, and on a terminal broken at its width; elsewhere a sentence stays one line, to be searched for."""
    if not sys.stderr.isatty():
        return f"  {text}"
    width = _width()
    return "\n".join(f"  {line}" for paragraph in text.splitlines() for line in wrapped(paragraph, width - 2, 0))


def _mark() -> str:
    return click.style("error: ", fg="red", bold=True) if wants_color(err=True) else "error: "


def _report_bug(error: Exception) -> int:
    trace = masked(error, "".join(traceback.format_exception(error)))
    details = (
        f"switchover {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{datetime.now(UTC).isoformat()}\n\n{trace}"
    )
    click.echo(f"{_mark()}This is a bug in switchover: {type(error).__name__}", err=True)
    click.echo(
        f"  Nothing you wrote should lead here. {_put_down(details)} "
        "The journal is intact: switchover status shows where the run stands.",
        err=True,
    )
    return _BUG


def _put_down(details: str) -> str:
    """Says where the details are; they follow in the text itself when there is no room for a file."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="switchover-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(details)
    except OSError:
        return f"Please report these details:\n{details}"
    return f"The details are in {name}; please report them."
