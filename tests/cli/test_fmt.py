"""``fmt``: what it touches, what it refuses, and what it tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Ended, command, environment
from tests.support.project import INVENTORY, RUNBOOK, Folder, project_at

UNTIDY = "switchover: 1 # one\nphases:\n- name: p\n  steps: [{name: s, action: mail.send, with: {}}]\nname: 'x'\n"
TIDY = "switchover: 1  # one\nname: x\nphases:\n  - name: p\n    steps: [{name: s, action: mail.send, with: {}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project in its layout, and one runbook that is not."""
    folder = project_at(tmp_path)
    folder.quick("fmt").must(0)
    (tmp_path / "runbooks" / "x.yml").write_text(UNTIDY, encoding="utf-8")
    return folder


def piped(folder: Folder, given: bytes, *arguments: str) -> Ended:
    """``fmt`` with something on its stdin."""
    done = subprocess.run(
        command(["fmt", *arguments]), cwd=folder.root, env=environment(), input=given, capture_output=True, timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_files_are_laid_out_and_named(folder: Folder) -> None:
    """Only what differs is written; a second time nothing is left to do."""
    before = (folder.root / RUNBOOK).stat().st_mtime_ns
    told = folder.quick("fmt").must(0)
    assert (told.out, told.err) == ("runbooks/x.yml\n", "1 of 4 files laid out.\n")
    assert (folder.root / "runbooks" / "x.yml").read_text(encoding="utf-8") == TIDY
    assert (folder.root / RUNBOOK).stat().st_mtime_ns == before
    again = folder.quick("fmt", "runbooks", f"{INVENTORY}/inventory.yml").must(0)
    assert (again.out, again.err) == ("", "3 files: ok\n")


def test_a_check_writes_nothing_and_shows_what_is_asked_for(folder: Folder) -> None:
    """Exit code 2 says that something is left to do; the difference goes to stdout, to be read or applied."""
    assert folder.quick("fmt", "--check").must(2).out == "runbooks/x.yml\n"
    told = folder.quick("fmt", "--check", "--diff").must(2)
    assert "--- runbooks/x.yml\n" in told.out
    assert "-name: 'x'\n" in told.out
    assert "+name: x\n" in told.out
    assert folder.quick("fmt", "--diff").must(0).out == told.out
    assert (folder.root / "runbooks" / "x.yml").read_text(encoding="utf-8") == UNTIDY


def test_line_ends_and_byte_order_mark_are_said_where_nothing_else_differs(folder: Folder) -> None:
    """A difference that no line shows would puzzle its reader."""
    (folder.root / "runbooks" / "x.yml").write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert "line ends become LF" in folder.quick("fmt", "--diff", "runbooks/x.yml").must(0).out
    folder.quick("fmt", "runbooks/x.yml").must(0)
    assert (folder.root / "runbooks" / "x.yml").read_bytes() == TIDY.encode()


def test_what_cannot_be_read_is_refused_and_the_others_are_laid_out(folder: Folder) -> None:
    """All problems at once, a merge conflict by its name."""
    broken = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n"
    (folder.root / "runbooks" / "broken.yml").write_text(broken, encoding="utf-8")
    (folder.root / "runbooks" / "latin.yml").write_bytes("a: é\n".encode("latin-1"))
    told = folder.quick("fmt").must(3)
    assert "Merge conflict\n  runbooks/broken.yml:2:1" in told.err
    assert "File is not UTF-8\n  runbooks/latin.yml:1:4" in told.err
    assert told.out == "runbooks/x.yml\n"
    assert (folder.root / "runbooks" / "broken.yml").read_text(encoding="utf-8") == broken


def test_mode_and_links_stay(folder: Folder) -> None:
    """A secret file stays closed, and a link stays a link to the file that was laid out."""
    path, link = folder.root / "runbooks" / "x.yml", folder.root / "runbooks" / "y.yml"
    path.chmod(0o640)
    link.symlink_to("x.yml")
    folder.quick("fmt", "runbooks/y.yml").must(0)
    assert (link.is_symlink(), path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == (True, TIDY, 0o640)
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


def test_a_file_that_may_not_be_written_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not replaced behind the back of its mode."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    told = folder.quick("fmt", "runbooks/x.yml").must(1)
    assert "Permission denied: runbooks/x.yml" in told.err
    assert (folder.root / "runbooks" / "x.yml").read_text(encoding="utf-8") == UNTIDY


def test_what_sops_encrypted_is_left_alone(folder: Folder) -> None:
    """Its layout is that of SOPS."""
    (folder.root / "runbooks" / "x.yml").write_text("b:   ENC[AES256_GCM]\nsops:\n    mac: x\n", encoding="utf-8")
    assert folder.quick("fmt", "--check").must(0).out == ""
    assert folder.quick("fmt", "--check", "runbooks/x.yml").must(0).err == "0 files: ok\n"


def test_an_editor_gets_its_text_back(folder: Folder) -> None:
    """From stdin to stdout; with --check only the answer."""
    assert piped(folder, UNTIDY.encode(), "-").must(0).out == TIDY
    assert piped(folder, TIDY.encode(), "-").must(0).out == TIDY
    assert piped(folder, UNTIDY.encode(), "-", "--check").must(2).out == ""
    assert "+name: x" in piped(folder, UNTIDY.encode(), "-", "--diff").must(0).out
    assert "stdin:2:1" in piped(folder, b"a: [\n", "-").must(3).err


@pytest.mark.parametrize(("arguments", "code", "word"), [
    (("runbooks/none.yml",), 3, "File not found"),
    (("empty",), 1, "There is no .yml or .yaml file in empty"),
    (("-", "runbooks"), 3, "- stands alone"),
])
def test_what_cannot_be_meant_is_said(folder: Folder, arguments: tuple[str, ...], code: int, word: str) -> None:
    """A name mistyped, a folder without files, stdin among files."""
    (folder.root / "empty").mkdir()
    assert word in folder.quick("fmt", *arguments).must(code).err
