"""``switchover schema``: the JSON Schemas that editors complete from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engine.actions.catalog import catalog
from engine.cli.output import data, say
from engine.model.args import schema_of
from engine.project import shipped


@click.command("schema")
@click.argument("name", required=False)
@click.option("--write", is_flag=True, help="Write the actions' schemas into the schemas/actions folder.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to write, instead of the engine's own."
)
def command(name: str | None, write: bool, folder: Path | None) -> int:
    """Print the schema NAME: runbook, inventory, or an action such as phone.config. Without NAME, list them."""
    schemas = action_schemas()
    if write:
        target = (folder or shipped("schemas")) / "actions"
        target.mkdir(parents=True, exist_ok=True)
        for action, text in schemas.items():
            (target / f"{action}.json").write_text(text, encoding="utf-8")
        say(f"Wrote {len(schemas)} schemas to {target}.")
    elif name is None:
        data("\n".join(["runbook", "inventory", *schemas]))
    elif name in ("runbook", "inventory"):
        data((shipped("schemas") / f"{name}.json").read_text(encoding="utf-8").rstrip())
    elif name in schemas:
        data(schemas[name].rstrip())
    else:
        raise click.UsageError(f"There is no schema '{name}'. There are: runbook, inventory, {', '.join(schemas)}.")
    return 0


def action_schemas() -> dict[str, str]:
    """The text of every action's schema, generated from its arguments."""
    return {
        name: json.dumps(schema_of(name, action.doc, action.Args), indent=2, ensure_ascii=False) + "\n"
        for name, action in sorted(catalog().items())
    }
