"""``switchover schema``: the JSON Schemas that editors complete from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.actions.catalog import catalog
from engine.cli.output import data, say
from engine.model.args import schema_of
from engine.project import shipped
from engine.reporting.schema_reference import keys_page

_STEPS = ("step", "lane_step", "observe")
"""What has an action and its arguments."""
WRITTEN = ("runbook", "inventory", "scenario", "policy")
"""Schemas that are written by hand."""


@click.command("schema")
@click.argument("name", required=False)
@click.option(
    "--output", type=click.Choice(["json", "markdown"]), default="json", show_default=True,
    help="The schema itself, or a page on the keys it allows.",
)
@click.option("--write", is_flag=True, help="Write the generated schemas: one per action, and editor.json.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to write, instead of the engine's own."
)
def command(name: str | None, output: str, write: bool, folder: Path | None) -> int:
    """Print the schema NAME: runbook, inventory, scenario, policy, editor, or an action such as phone.config; or list them."""
    generated = generated_schemas()
    if write:
        target = folder or shipped("schemas")
        (target / "actions").mkdir(parents=True, exist_ok=True)
        for file, text in generated.items():
            (target / file).write_text(text, encoding="utf-8")
        say(f"Wrote {len(generated)} schemas to {target}.")
        return 0
    names = {file.removeprefix("actions/").removesuffix(".json"): text for file, text in generated.items()}
    if name is None:
        data("\n".join([*WRITTEN, *names]))
    else:
        text = _schema(name, names)
        data((text if output == "json" else keys_page(json.loads(text))).rstrip())
    return 0


def _schema(name: str, generated: Mapping[str, str]) -> str:
    if name in WRITTEN:
        return (shipped("schemas") / f"{name}.json").read_text(encoding="utf-8")
    if name not in generated:
        raise click.UsageError(f"There is no schema '{name}'. There are: {', '.join([*WRITTEN, *generated])}.")
    return generated[name]


def action_schemas() -> dict[str, str]:
    """The text of every action's schema, generated from its arguments."""
    return {name: _text(schema_of(name, action.doc, action.Args)) for name, action in sorted(catalog().items())}


def generated_schemas() -> dict[str, str]:
    """File name below schemas/ -> text, of every schema that is generated."""
    return {"editor.json": editor_schema(), **{f"actions/{name}.json": text for name, text in action_schemas().items()}}


def editor_schema() -> str:
    """The runbook's schema with every action's arguments in it, for completion in an editor.

    The engine itself checks arguments by their declaration, in words of its own, and so does without this one.
    """
    schema: dict[str, Any] = json.loads((shipped("schemas") / "runbook.json").read_text(encoding="utf-8"))
    actions = sorted(catalog().items())
    # References are relative to where the file stands, not to the name the runbook's schema goes by.
    del schema["$id"]
    schema["title"] = "A runbook, with the arguments of every action"
    # Names of actions from other packages are fine too: an editor offers the known ones and accepts any.
    known = [{"const": name, "description": action.doc} for name, action in actions]
    schema["$defs"]["action"] = {**schema["$defs"]["action"], "anyOf": [*known, {"type": "string"}]}
    arguments = [
        {
            "if": {"properties": {"action": {"const": name}}, "required": ["action"]},
            "then": {"properties": {"with": {"$ref": f"actions/{name}.json"}}},
        }
        for name, _ in actions
    ]
    for step in _STEPS:
        definition = schema["$defs"][step]
        definition["allOf"] = [*definition.get("allOf", []), *arguments]
    return _text(schema)


def _text(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
