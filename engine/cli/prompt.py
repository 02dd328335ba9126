"""Asks a person at a terminal.

Not ``click.prompt``: that waits inside the C library, where a Ctrl-C that comes just as the question appears is noticed only
after the next line is typed. Here the wait is Python's own, which a signal ends.
"""

from __future__ import annotations

import select
import sys

import click

from engine.cli.output import say

_LOOK_S = 0.2
"""How long a signal that came between two looks can wait."""


def ask(question: str, default: str = "") -> str:
    """One line of answer, blanks around it taken off; ``default`` for an empty one. Raises ``click.Abort`` when the input
    ends; Ctrl-C is the border's."""
    shown = f" [{default}]" if default else ""
    click.echo(f"{question}{shown}: ", nl=False, err=True)
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        pass
    line = sys.stdin.readline()
    if not line:
        say()
        raise click.Abort
    return line.strip() or default
