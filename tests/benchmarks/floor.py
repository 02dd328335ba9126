"""The floor: does only what cannot be left out, and nothing that makes it safe. What the product costs is measured from here.

YAML from C events with the collector paused, items checked by a compiled schema, the template compiled once, then per item:
render, read, compare, write and rename. No sandbox, journal, read-back, plan, redaction, or error a person could read.

    python floor.py ITEMS TEMPLATE OUT {check|write} [NAME=VALUE ...]
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

import jinja2
import jsonschema_rs
from yaml._yaml import CParser
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent, StreamEndEvent

TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object",
    "required": ["mac", "vendor", "model", "extension", "line_password"],
    "properties": {
        "mac": {"type": "string", "pattern": "^[0-9a-f]{12}$"}, "vendor": {"enum": ["yealink"]}, "model": TEXT,
        "extension": {"type": "string", "pattern": "^[0-9]{2,8}$"}, "label": TEXT, "site": TEXT, "ip": TEXT,
        "line_password": TEXT,
        "keys": {
            "type": "array",
            "items": {"type": "object", "required": ["type", "value"], "properties": {"value": TEXT, "label": TEXT}},
        },
    },
}


def load(path: Path) -> Any:
    """A YAML file's data; every scalar as text."""
    parser = CParser(path.read_bytes())
    get: Any = parser.get_event
    stack: list[list[Any]] = [[]]
    kinds: list[bool] = []
    while True:
        event = get()
        kind = type(event)
        if kind is ScalarEvent:
            stack[-1].append(event.value)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            stack.append([])
            kinds.append(kind is MappingStartEvent)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            values = stack.pop()
            made = dict(zip(values[::2], values[1::2], strict=True)) if kinds.pop() else values
            stack[-1].append(made)
        elif kind is StreamEndEvent:
            return stack[0][0]


def main(items_file: str, template_file: str, out: str, mode: str, *names: str) -> None:
    gc.disable()
    items = load(Path(items_file))
    valid = jsonschema_rs.validator_for(SCHEMA).is_valid
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    render = environment.from_string(Path(template_file).read_text()).render
    shared = dict(name.split("=", 1) for name in names)
    changed = 0
    for item in items:
        if not valid(item):
            sys.exit(f"not valid: {item}")
        wanted = render(shared, item=item).encode()
        path = f"{out}/{item['mac']}.cfg"
        if wanted != read(path):
            changed += 1
            if mode == "write":
                replace(path, wanted)
    print(f"{changed} of {len(items)} differ")


def read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes) -> None:
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)  # noqa: PTH104


if __name__ == "__main__":
    main(*sys.argv[1:])
