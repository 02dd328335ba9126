"""Printing: data to stdout, chatter to stderr, colour only where it is read by a person."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
import orjson


def wants_color(*, err: bool = False) -> bool:
    """Whether a stream is a terminal that wants colour (``NO_COLOR`` respected)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (sys.stderr if err else sys.stdout).isatty()


def say(text: str = "") -> None:
    """Chatter, to stderr."""
    click.echo(text, err=True)


def data(text: str) -> None:
    """A result, to stdout."""
    click.echo(text)


def data_json(value: Any) -> None:
    """A result as one JSON document, to stdout."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def data_line(value: Any) -> None:
    """A result as one line of JSON, to stdout."""
    click.echo(orjson.dumps(value, default=str).decode())


def warn(text: str) -> None:
    """Something to know, to stderr."""
    mark = click.style("warning: ", fg="yellow", bold=True) if wants_color(err=True) else "warning: "
    click.echo(f"{mark}{text}", err=True)
