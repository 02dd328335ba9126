"""What MkDocs does not do by itself: pages that stand outside ``docs/``, and a nav that follows the files there are.

Links are written as GitHub follows them; here they are turned to where the pages stand in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "engine/ARCHITECTURE.md": "architecture.md", "CHANGELOG.md": "changelog.md"}
"""Page in the repository -> page in the site."""
_LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


def on_config(config: Any) -> Any:
    """Leaves out pages that are not there, and puts the pages of a folder in the place of its ``*``."""
    config.nav = _present(config.nav, Path(config.docs_dir))
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages from outside ``docs/``."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links into the repository to the site's pages."""
    here = page.file.src_uri
    source = next((path for path, name in OUTSIDE.items() if name == here), f"docs/{here}")
    return _LINK.sub(lambda found: f"]({_turned(found[1], source, here)}", markdown)


def _turned(link: str, source: str, here: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if target == "README.md":
        target = "docs/index.md"
    page = OUTSIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else "")
    return posixpath.relpath(page, posixpath.dirname(here) or ".") if page else link


def _present(nav: list[Any], docs: Path) -> list[Any]:
    kept: list[Any] = []
    for entry in nav:
        title, inside = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        if isinstance(inside, str) and inside.endswith("/*"):
            pages = sorted(str(path.relative_to(docs)) for path in docs.glob(f"{inside[:-1]}*.md"))
            kept += [{title: pages}] if title and pages else pages
        elif isinstance(inside, list):
            kept.append({title: _present(inside, docs)})
        elif inside in OUTSIDE.values() or (docs / inside).is_file():
            kept.append(entry)
    return kept
