"""A YAML mapping of key to secret, as files hold it in the clear and encrypted."""

from __future__ import annotations

from collections.abc import Mapping

from engine.language.yaml_reader import written
from engine.model.diagnostic import InvalidInput
from engine.model.source import DataPath, Document


def mapping_as_table(document: Document) -> Mapping[str, str]:
    """Numbers as they were written; what is neither text nor number is no secret and reads as empty. Raises ``LookupError``."""
    if not isinstance(document.data, dict):
        raise LookupError(f"{document.source.file} must be a mapping of key to secret.")
    return {str(key): _text(document, (key,), value) for key, value in document.data.items()}


def _text(document: Document, path: DataPath, value: object) -> str:
    if isinstance(value, str):
        return value
    return (written(document, path) or "") if isinstance(value, int | float) else ""


def place_of(error: InvalidInput, file: str) -> str:
    """Where a file of secrets is broken. Only the place: the line itself may hold a secret."""
    first = error.diagnostics[0]
    return f"{first.span or file}: {first.summary}."
