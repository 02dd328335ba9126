"""``switchover token``: lets somebody without an account act once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import click

from engine.cli.acting import account_of, at_run
from engine.cli.output import data, say
from engine.language.durations import seconds_of
from engine.model.errors import SwitchoverError
from engine.wiring.clock import SystemClock
from engine.wiring.token_text import written
from engine.wiring.tokens import issue


@click.command("token")
@click.argument("run")
@click.argument("address")
@click.option("--for", "role", required=True, metavar="ROLE", help="Who is to act with it: a role asked there, or a name.")
@click.option("--good-for", default="7d", show_default=True, metavar="TIME", help="How long it counts: 4h, 7d.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file, which only you may read.")
def command(run: str, address: str, role: str, good_for: str, out: Path | None) -> int:
    """Make a token for one person at the gate of RUN at ADDRESS. Whoever holds it can act once: send it to that person alone."""
    try:
        length = timedelta(seconds=seconds_of(good_for))
    except ValueError as error:
        raise click.UsageError(f"--good-for: {error}.") from None
    with at_run(run) as (project, _, state):
        token = issue(state, address, account_of(""), role, SystemClock().now() + length)
        text = written(token, project.state)
    if out is None:
        data(text)
    else:
        _write(out, text)
        say(f"Written to {out}. {token.name} acts with it: switchover redeem {out} approve")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SwitchoverError(f"{path} is there already", "A token is not written over another file. Name another.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
