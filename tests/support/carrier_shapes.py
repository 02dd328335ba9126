"""Checks requests a lab carrier was sent against the shapes the carriers publish."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

SHAPES = Path(__file__).resolve().parents[1] / "actions" / "number_forward" / "shapes.yml"


def undeclared(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Everything in ``requests`` (lines of a lab log) that no published shape declares."""
    shapes = yaml.safe_load(SHAPES.read_text(encoding="utf-8"))
    return [problem for request in requests for problem in _problems(request, shapes)]


def _problems(request: Mapping[str, Any], shapes: list[Mapping[str, Any]]) -> list[str]:
    method, _, path = str(request["what"]).partition(" ")
    for shape in shapes:
        if shape["method"] == method and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(shape["path"])), path):
            sent = [*(f"?{name}" for name in request["query"]), *request.get("names", ())]
            declared = {*(f"?{name}" for name in shape.get("query", ())), *shape.get("names", ())}
            wrong = [f"{request['what']}: {name}" for name in sent if name not in declared]
            if request.get("content_type") != shape.get("content_type"):
                wrong.append(f"{request['what']}: content type {request.get('content_type')}")
            return wrong
    return [f"{request['what']}: no such operation"]
