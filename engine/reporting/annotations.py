"""Problems as commands to a GitHub workflow, which shows them beside the lines of a pull request."""

from __future__ import annotations

from engine.model.diagnostic import Diagnostic


def annotation(shown: Diagnostic) -> str:
    """One line, such as ``::warning file=runbooks/move.yml,line=3,col=5,title=...::...``."""
    about = {"title": shown.summary}
    if shown.span is not None:
        about = {"file": shown.span.file, "line": str(shown.span.line), "col": str(shown.span.column), **about}
    settings = ",".join(f"{key}={_property(value)}" for key, value in about.items())
    return f"::{shown.severity.value} {settings}::{_text(' '.join(filter(None, (shown.detail, shown.hint))))}"


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
