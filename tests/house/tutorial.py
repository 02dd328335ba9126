"""A page as somebody works through it: its files are written, its ``console`` lines are typed, in one shell."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house.shell_lines import Block, blocks
from tests.support.cli import environment

PROMPT = "$ "
_MARK = "@@@ step"
_TIMEOUT_S = 120.0


def steps(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a ``console`` block, and the output the page shows for it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def worked_through(page: Path, folder: Path) -> list[tuple[str, str, str]]:
    """Command, output as shown and output as it came, for every command of the page, begun in an empty ``folder``.

    What the shell writes to either stream counts, in the order in which it came. A file is written where the page shows it.
    """
    script = [f'switchover() {{ {sys.executable} -P -m engine.cli.main "$@"; }}']
    told: list[tuple[str, str]] = []
    for block in blocks(page):
        if block.language == "yaml":
            script.append(f"mkdir -p $(dirname {block.file_name})")
            script.append(f"cat > {block.file_name} <<'END-OF-FILE'\n{block.text}END-OF-FILE")
        elif block.language == "console":
            for command, shown in steps(block):
                told.append((command, shown))
                script += [f"echo '{_MARK}'", command]
    done = subprocess.run(
        ["bash"], input="\n".join(script), cwd=folder, env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_TIMEOUT_S, check=False,
    )
    came = done.stdout.split(f"{_MARK}\n")[1:]
    assert len(came) == len(told), done.stdout
    return [(command, shown, out) for (command, shown), out in zip(told, came, strict=True)]


def is_as_shown(shown: str, came: str) -> bool:
    """Whether the output is what the page shows; ``...`` there stands for anything, several lines of it too."""
    pattern = ".*".join(map(re.escape, _trimmed(shown).split("...")))
    return re.fullmatch(pattern, _trimmed(came), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    """How wide a column is depends on what ``...`` stands for."""
    return "\n".join(re.sub(" {2,}", "  ", line.rstrip()) for line in text.strip().splitlines())
