"""The language server: the protocol's side of ``wiring.editing``. The only home of pygls.

Positions of the protocol count from 0 and, for most editors, in UTF-16 units; ours count from 1 in characters. The library knows
the difference, given a document's lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import TextDocument

from engine import __version__
from engine.model.source import Span
from engine.project import Project
from engine.wiring.editing import Desk, Problem

_PAUSE_S = 0.25
"""After the last key before a file is checked."""
_WORD = re.compile(r"[^\s,\]}]+")


class Server(LanguageServer):
    """One editor's session. ``told``: file looked at -> files that problems were shown in because of it."""

    def __init__(self, project: Project, inventory: Path | None) -> None:
        super().__init__("switchover", __version__)
        self.desk = Desk(project, None if inventory is None else inventory.resolve())
        self.told: dict[Path, dict[Path, list[Problem]]] = {}
        self._due: dict[Path, asyncio.TimerHandle] = {}

    # ------------------------------------------------------------ documents

    def changed(self, uri: str, pause_s: float = _PAUSE_S) -> None:
        """Takes a document's text, and checks it once nobody has typed for a moment."""
        path = _path(uri)
        if path is None:
            return
        self.desk.texts[path] = self.workspace.get_text_document(uri).source
        for affected in self.desk.affected(path, list(self.desk.texts)):
            due = self._due.pop(affected, None)
            if due is not None:
                due.cancel()
            self._due[affected] = asyncio.get_running_loop().call_later(pause_s, self.check, affected)

    def closed(self, uri: str) -> None:
        """From here on the file counts as it is on disk; what was shown because of it goes."""
        path = _path(uri)
        if path is not None:
            self.desk.texts.pop(path, None)
            gone = self.told.pop(path, {})
            self._publish(gone)

    def check(self, path: Path) -> None:
        """Shows what is wrong with a file, and with others that it is checked with."""
        self._due.pop(path, None)
        before = self.told.get(path, {})
        self.told[path] = self.desk.problems(path)
        self._publish({**before, **self.told[path]})

    def _publish(self, files: Mapping[Path, object]) -> None:
        for file in files:
            problems = list(dict.fromkeys(p for found in self.told.values() for p in found.get(file, ())))
            document = self.workspace.get_text_document(_uri(file))
            shown = [_diagnostic(problem, document) for problem in problems]
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(document.uri, shown))

    # ------------------------------------------------------------ places

    def place(self, at: lsp.HoverParams | lsp.DefinitionParams) -> tuple[Path, int, int] | None:
        """A file, and line and column as we count them."""
        path = _path(at.text_document.uri)
        if path is None:
            return None
        document = self.workspace.get_text_document(at.text_document.uri)
        found = document.position_codec.position_from_client_units(document.lines, at.position)
        return path, found.line + 1, found.character + 1

    def location(self, span: Span) -> lsp.Location:
        """A span as the protocol has it."""
        document = self.workspace.get_text_document(_uri(Path(span.file).resolve()))
        return lsp.Location(document.uri, _range(span, document))


def _path(uri: str) -> Path | None:
    """None for what is no file, such as a buffer without a name."""
    name = to_fs_path(uri)
    return Path(name).resolve() if name and Path(name).is_file() else None


def _project_at(root: Path) -> Project:
    """The project that an editor's folder is, or lies in. Not by where the editor was started from, as a command's would be."""
    folders = (root.resolve(), *root.resolve().parents)
    return next((Project(folder) for folder in folders if (folder / "runbooks").is_dir()), Project(folders[0]))


def _uri(path: Path) -> str:
    return from_fs_path(str(path)) or path.as_uri()


def _range(span: Span, document: TextDocument) -> lsp.Range:
    """The word at a span, in the editor's units."""
    lines = document.lines
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    start = min(span.column - 1, len(line))
    word = _WORD.match(line, start)
    end = word.end() if word else len(line.rstrip("\r\n"))
    units = document.position_codec.client_num_units
    at = min(span.line - 1, max(len(lines) - 1, 0))
    return lsp.Range(lsp.Position(at, units(line[:start])), lsp.Position(at, units(line[: max(start, end)])))


def _diagnostic(problem: Problem, document: TextDocument) -> lsp.Diagnostic:
    found = problem.diagnostic
    text = "\n".join(filter(None, (f"{found.summary}: {found.detail}", found.hint)))
    severity = lsp.DiagnosticSeverity.Error if found.is_error else lsp.DiagnosticSeverity.Warning
    span = found.span or Span("", 1, 1)
    return lsp.Diagnostic(_range(span, document), text, severity, problem.rule or None, source="switchover")


def serve(project: Project, inventory: Path | None) -> None:
    """Serves one editor until it says goodbye or hangs up."""
    # The library closes what it writes to. And whatever else would print must not get between the protocol's messages.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out, contextlib.redirect_stdout(sys.stderr):
        make_server(project, inventory).start_io(stdout=out)


def make_server(project: Project, inventory: Path | None) -> Server:
    """A server with everything it offers."""
    server = Server(project, inventory)

    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        """The editor's folder is the project, and its settings may choose the customer."""
        root = to_fs_path(params.root_uri) if params.root_uri else None
        if root:
            server.desk.project = _project_at(Path(root))
        chosen = params.initialization_options.get("inventory") if isinstance(params.initialization_options, dict) else None
        if isinstance(chosen, str) and chosen:
            server.desk.inventory = (server.desk.project.root / chosen).resolve()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.changed(params.text_document.uri, 0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def typed(params: lsp.DidChangeTextDocumentParams) -> None:
        server.changed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        server.changed(params.text_document.uri, 0)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        place = server.place(params)
        words = server.desk.hover(*place) if place is not None else ""
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, f"```text\n{words}\n```")) if words else None

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def definition(params: lsp.DefinitionParams) -> list[lsp.Location]:
        place = server.place(params)
        return [server.location(span) for span in (server.desk.definition(*place) if place is not None else ())]

    return server
