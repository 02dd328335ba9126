"""An editor, as a language server sees one: JSON-RPC with its framing over the pipes of a process."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.support.cli import command, environment


@dataclass
class Editor:
    """Speaks to one server, and keeps what it was told."""

    root: Path
    into: IO[bytes]
    out: IO[bytes]
    diagnostics: dict[str, list[Any]] = field(default_factory=dict)
    """File, from the project's root -> the problems told last."""
    _ids: int = 0
    _versions: dict[str, int] = field(default_factory=dict)

    def begin(self, **options: object) -> Any:
        """Says hello; the server's answer."""
        params = {
            "processId": None, "rootUri": self.root.as_uri(), "capabilities": {"general": {"positionEncodings": ["utf-16"]}},
            "initializationOptions": options,
        }
        answer = self.ask("initialize", params)
        self.tell("initialized", {})
        return answer

    def open(self, name: str) -> None:
        """Opens a file as it is on disk."""
        text = (self.root / name).read_bytes().decode()
        document = {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}
        self._versions[name] = 1
        self.tell("textDocument/didOpen", {"textDocument": document})

    def type(self, name: str, text: str) -> None:
        """Replaces what the editor has of a file, and saves nothing."""
        self._versions[name] += 1
        document = {"uri": self.uri(name), "version": self._versions[name]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def close(self, name: str) -> None:
        """Closes a file."""
        self.tell("textDocument/didClose", {"textDocument": {"uri": self.uri(name)}})

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        """Asks about a place; line and character count from 0."""
        place = {"textDocument": {"uri": self.uri(name)}, "position": {"line": line, "character": character}}
        return self.ask(f"textDocument/{method}", place)

    def problems(self, name: str) -> list[Any]:
        """What the server says next of a file."""
        self.diagnostics.pop(name, None)
        while name not in self.diagnostics:
            self._take(self._read())
        return self.diagnostics[name]

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def ask(self, method: str, params: object) -> Any:
        """A request; its result."""
        self._ids += 1
        self._write({"id": self._ids, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == self._ids and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self._take(message)

    def tell(self, method: str, params: object) -> None:
        """A notification."""
        self._write({"method": method, "params": params})

    def _take(self, message: Any) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            name = message["params"]["uri"].removeprefix(self.root.as_uri()).lstrip("/")
            self.diagnostics[name] = message["params"]["diagnostics"]

    def _write(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.into.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.into.flush()

    def _read(self) -> Any:
        length = 0
        while (line := self.out.readline().strip()) or not length:
            assert line or length, "the server hung up"
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.out.read(length))


@contextlib.contextmanager
def editor_at(root: Path, *arguments: object) -> Iterator[Editor]:
    """An editor with its server, a process of its own, started from elsewhere as editors do. At the end the server must go when
    it is told to."""
    with subprocess.Popen(
        command(["lsp", *arguments]), cwd="/", env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            editor = Editor(root, process.stdin, process.stdout)
            yield editor
            editor.ask("shutdown", None)
            editor.tell("exit", None)
            assert process.wait(timeout=20) == 0
        finally:
            if process.poll() is None:
                process.kill()
