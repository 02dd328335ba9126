"""Makes the pictures in ``docs/images/``: the tutorial's commands in a terminal, as SVG, and the report in a browser, as PNG.

``make screenshots`` runs it. What differs from run to run, times and names, is set to what the pages use, so that a picture
changes when the program does. The browser is a Chromium that is there already; without one the report's picture stays as it is.
"""

from __future__ import annotations

import getpass
import io
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.house.shell_lines import ROOT, blocks
from tests.house.tutorial import steps
from tests.support.cli import command, environment

IMAGES = ROOT / "docs" / "images"
WIDTH = 92
PICTURES = {
    "switchover plan": "plan", "switchover apply": "apply", "switchover status": "status", "switchover resume": "resume",
    "switchover rollback": "rollback",
}
"""Beginning of a command of the tutorial -> name of its picture."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\r|\n")
_BAR = re.compile(r"left:([\d.]+)%;width:([\d.]+)%")
# The fonts that rich names would be fetched from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code,", "")
_SET = (
    (r"(?<!\d)20\d{6}-\d{4}-[0-9a-z]{4}\b", "20261122-2014-k3f9"),
    (r"(?<!\d)20\d\d-\d\d-\d\d([ T])\d\d:\d\d:\d\d", r"2026-11-22\g<1>20:14:03"),
    (r"(?<!\d)20\d\d-\d\d-\d\d([ T])\d\d:\d\d(?!:)", r"2026-11-22\g<1>20:14"),
    (r"(?<![\d:])\d\d:\d\d:\d\d\b", "20:14:03"),
    (r"plan [0-9a-f]{12}\b", "plan 1134976deab9"),
    (r"(?<!\d)[0-9]+(\.[0-9])? s\b", "0.4 s"),
    (r"\bby " + re.escape(getpass.getuser()) + r"\b", "by operator"),
    (r"\bon " + re.escape(socket.gethostname()) + r"\b", "on desk-3"),
    (r"(?<![0-9a-f])[0-9a-f]{32,64}\b", "803a33854fc64d2ddc02342a5ba04aea"),
)


def main() -> None:
    """Works the tutorial through in a terminal, and takes pictures on the way."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        project = Path(made) / "my-project"
        try:
            _picture_of_report(project, _work_through(project))
        finally:
            _run(project, ["lab", "down"])
    sys.stderr.write(f"Wrote the pictures in {IMAGES}.\n")


def _work_through(project: Path) -> str:
    """Gives the name of the tutorial's run, which is the first."""
    run = ""
    _run(project.parent, ["init", project.name])
    for words, block_files in _typed():
        for name, text in block_files:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text, encoding="utf-8")
        if not words.startswith("switchover ") or words.startswith(("switchover init", "switchover lab down")):
            continue
        run = run or next((path.name for path in (project / ".switchover" / "runs").glob("*")), "")
        _run(project, ["-c", f'switchover() {{ {" ".join(command([]))} "$@"; }}; RUN={run}; {words}'], shell=True, shown=words)
    return run


def _typed() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Commands of the tutorial in order, each with the files that the page shows before it."""
    files: list[tuple[str, str]] = []
    for block in blocks(ROOT / "docs" / "tutorial.md"):
        if block.language == "yaml":
            files.append((block.file_name, block.text))
        elif block.language == "console":
            for words, _ in steps(block):
                yield words, files
                files = []


def _run(folder: Path, arguments: list[str], *, shell: bool = False, shown: str = "") -> None:
    screen = _screen(_in_terminal(folder, ["bash", *arguments] if shell else command(arguments)))
    name = next((name for start, name in PICTURES.items() if shown.startswith(start)), "")
    path = IMAGES / f"{name}.svg"
    if name and name not in _taken:
        _taken.add(name)
        path.write_text(_svg(f"$ {shown}\n{_set(screen)}", name), encoding="utf-8")


_taken: set[str] = set()


def _in_terminal(folder: Path, words: list[str]) -> str:
    """What a command writes to a terminal of a fixed size."""
    ours, theirs = pty.openpty()
    env = {**environment(), "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": "60"}
    with subprocess.Popen(words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs):
        os.close(theirs)
        told = b"".join(_read(ours))
    os.close(ours)
    return told.decode()


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            read = os.read(terminal, 65_536)
        except OSError:  # how Linux says that the other end is closed
            return
        if not read:
            return
        yield read


def _screen(told: str) -> str:
    """What is on the screen at the end: live progress goes up, clears lines and writes them anew."""
    lines, row, at = [""], 0, 0
    for found in _CONTROL.finditer(told + "\n"):
        lines[row] += told[at:found.start()]
        at = found.end()
        if found[0] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif found[2] == "K":
            lines[row] = ""
        elif found[2] == "A":
            row = max(0, row - int(found[1] or 1))
        elif found[2] == "m":
            lines[row] += found[0]
    return "\n".join(lines).strip()


def _set(text: str) -> str:
    for pattern, instead in _SET:
        text = re.sub(pattern, instead, text)
    return text


def _svg(screen: str, name: str) -> str:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(screen), soft_wrap=False)
    return console.export_svg(title="", code_format=_FORMAT, unique_id=f"switchover-{name}")


def _picture_of_report(project: Path, run: str) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"There is none of {', '.join(BROWSERS)}: the picture of the report stays as it is.\n")
        return
    _run(project, ["report", run, "--html", "report.html"])
    page = project / "report.html"
    page.write_text(_BAR.sub(_coarse, _set(page.read_text(encoding="utf-8"))), encoding="utf-8")
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,900",
         f"--screenshot={IMAGES / 'report.png'}", page.as_uri()],
        check=True, capture_output=True, timeout=60,
    )


def _coarse(bar: re.Match[str]) -> str:
    """A bar of the timeline in halves, since no run takes as long as another."""
    left, width = (50 * round(float(part) / 50) for part in bar.groups())
    return f"left:{min(left, 98)}%;width:{max(width, 1)}%"


if __name__ == "__main__":
    main()
