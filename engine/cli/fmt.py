"""``switchover fmt``: files in their one layout, with the same meaning."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from engine.cli.output import data, say
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.project import find_project
from engine.reporting.terminal import many
from engine.wiring.formatting import Layout, files_to_lay_out, layout_of, layout_of_bytes, write_layout

_STDIN = Path("-")


@click.command("fmt")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE]...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when a file is not in its layout.")
@click.option("--diff", is_flag=True, help="Print what would change, and write nothing.")
def command(files: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Lay out each FILE, all in a folder, or (default) all of the project. With - from stdin to stdout.

    Comments and anchors stay, and so does what the file says: that is proved before it is written.
    """
    if _STDIN in files:
        if len(files) > 1:
            raise click.UsageError("- stands alone: stdin is one file.")
        return _stdin(check=check, diff=diff)
    project = find_project(files[0] if files else None)
    paths = files_to_lay_out(project, files)
    invalid: list[Diagnostic] = []
    changed = 0
    for path in paths:
        layout = layout_of(path, project.display(path))
        invalid += layout.invalid
        if layout.differs:
            changed += 1
            _tell(layout, diff=diff)
            if not (check or diff):
                write_layout(layout)
    if invalid:
        raise InvalidInput(invalid)
    say(_summary(changed, len(paths), wrote=not (check or diff)))
    return 2 if check and changed else 0


def _stdin(*, check: bool, diff: bool) -> int:
    layout = layout_of_bytes(sys.stdin.buffer.read(), "stdin")
    if diff and layout.differs:
        _tell(layout, diff=True)
    elif not (check or diff):
        click.echo(layout.after, nl=False)
    return 2 if check and layout.differs else 0


def _tell(layout: Layout, *, diff: bool) -> None:
    if not diff:
        data(layout.name)
        return
    before, after = (text.splitlines(keepends=True) for text in layout.texts)
    lines = list(difflib.unified_diff(before, after, layout.name, f"{layout.name}, laid out"))
    for line in lines:
        click.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)
    if not lines:
        data(f"{layout.name}: line ends become LF, and a byte order mark goes")


def _summary(changed: int, looked_at: int, *, wrote: bool) -> str:
    if not changed:
        return f"{many(looked_at, 'file')}: ok"
    return f"{changed} of {many(looked_at, 'file')} {'laid out' if wrote else 'would be laid out anew'}."
