"""The types of items, taken from the inventory's schema: what editors complete is what is checked.

A field's ``format`` names its check; ``x-key``, ``x-aliases`` and ``x-refers-to`` say what JSON Schema has no word for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.language import item_values
from engine.language.item_values import Check
from engine.language.schema_check import schema_check
from engine.language.telephone_numbers import NumberReader
from engine.model.values import dataclass

_TYPED = ("phone", "number", "user")
_FORMATS: Mapping[str, Check] = {
    "mac": item_values.mac_address,
    "extension": item_values.extension,
    "vendor": item_values.vendor,
    "email": item_values.email,
    "ip": item_values.ip_address,
}
_IDENTITIES = {"mac": "MAC address", "e164": "number", "extension": "extension"}


@dataclass(frozen=True, slots=True)
class ItemType:
    """What items of one kind look like.

    ``checks`` are by field, ``identities`` the fields whose value no other item of the type may have in any of them, and
    ``refers_to_extension`` the fields that must name an extension somebody has.
    """

    name: str
    key: str
    required: tuple[str, ...]
    fields: tuple[str, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    identities: tuple[str, ...] = ()
    identity_noun: str = "key"
    refers_to_extension: tuple[str, ...] = ()
    is_free: bool = False


def free_type(collection: str, key: str) -> ItemType:
    """The type of a collection the product knows nothing about: any fields, one of them the key."""
    return ItemType(collection, key, (key,), (key,), identities=(key,), is_free=True)


def item_types(numbers: NumberReader) -> dict[str, ItemType]:
    """The built-in types by collection name: phones, numbers, users."""
    definitions = schema_check("inventory").schema["$defs"]
    types = (_type_of(definitions[name], numbers) for name in _TYPED)
    return {kind.name: kind for kind in types}


def _type_of(definition: Mapping[str, object], numbers: NumberReader) -> ItemType:
    properties: Mapping[str, Mapping[str, str]] = definition["properties"]  # type: ignore[assignment]
    key = str(definition["x-key"])
    formats = {name: entry["format"] for name, entry in properties.items() if "format" in entry}
    checks: dict[str, Check] = {name: numbers if kind == "e164" else _FORMATS[kind] for name, kind in formats.items()}
    return ItemType(
        name=str(definition["x-collection"]),
        key=key,
        required=tuple(definition["required"]),  # type: ignore[arg-type]
        fields=tuple(properties),
        checks=checks,
        aliases=dict(definition["x-aliases"]),  # type: ignore[call-overload]
        # The same number twice, as itself or as somebody's temporary number, would send calls to the wrong desk. A caller
        # ID is another matter: a whole office may show one.
        identities=tuple(name for name in (key, "temporary_did") if name in properties),
        identity_noun=_IDENTITIES[formats[key]],
        refers_to_extension=tuple(name for name, entry in properties.items() if entry.get("x-refers-to") == "extension"),
    )
