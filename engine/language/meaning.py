"""The meaning of a YAML document as a digest: what our own loader reads, and nothing of how it is laid out.

Comments, quotes, anchors and the order of keys do not count. The order of a list does, and so does the way a number is written
where that is not the one way to write it: ``1.10`` is a version wherever text is wanted.
"""

from __future__ import annotations

import hashlib
import json

from engine.language.yaml_reader import written
from engine.model.source import DataPath, Document


def meaning_of(document: Document) -> str:
    """SHA-256, in hexadecimal, of what a document says. Two documents have one digest when, and only when, they say the same."""
    return hashlib.sha256(json.dumps(_said(document, document.data, ()), sort_keys=True).encode()).hexdigest()


def _said(document: Document, value: object, path: DataPath) -> object:
    if isinstance(value, dict):
        return {key: _said(document, entry, (*path, key)) for key, entry in value.items()}
    if isinstance(value, list):
        return [_said(document, entry, (*path, index)) for index, entry in enumerate(value)]
    if isinstance(value, float):
        # The reader refuses empty keys, so this cannot be mistaken for a mapping of the file.
        return {"": written(document, path) or repr(value)}
    return value
