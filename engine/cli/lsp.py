"""``switchover lsp``: a language server for editors, over stdin and stdout."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import inventory_option
from engine.model.errors import SwitchoverError
from engine.project import find_project


@click.command("lsp")
@inventory_option(required=False)
def command(inventory: Path | None) -> int:
    """Serve an editor: problems as one types, resolved values on hovering, go to definition. Editors start it, not people.

    With -i, values are shown for this customer; else for the one that the runbook fits best.
    """
    try:
        from engine.cli.lsp_server import serve  # noqa: PLC0415  # the library is an extra
    except ModuleNotFoundError as missing:
        raise SwitchoverError(
            f"The language server needs the package {missing.name}", "Install it: pip install 'switchover[lsp]'"
        ) from None
    serve(find_project(inventory), inventory)
    return 0
