"""``document.render``: money to the cent, and the same bytes each time."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from engine.actions.document.money import check_total, figures_of
from engine.actions.document.render import DocumentRender
from engine.model.errors import Permanent
from engine.model.plan import Change
from engine.ports import Sessions
from engine.project import shipped
from engine.transports.local import LocalSession
from tests.support.rest_bench import Bench
from tests.support.sessions import Opened, make_sessions

RENDER = DocumentRender()
CASES = yaml.safe_load((Path(__file__).parent / "document_render" / "figures.yml").read_text(encoding="utf-8"))
WORDS: Mapping[str, Any] = {
    "connection": "out", "path": "proposal.html", "template": "document/proposal.html.j2", "title": "Renewal <1>",
    "items": [{"name": "Licence & more", "price": "240.00", "quantity": 3, "taxable": True, "note": "12 months"}],
    "tax_percent": "5.5",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    settings = {"root": str(tmp_path)}
    out = Opened("local", lambda read_only, host: LocalSession(settings, read_only, lambda: 5.0))
    customer = {"title": "Kestrel Dental", "name": "kestrel"}
    return Bench(make_sessions({"out": out}, context={"customer": customer}, template_folders=[shipped("templates")]))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_what_lines_come_to(case: Mapping[str, Any]) -> None:
    """Subtotal, tax and total to the cent; what is no line is refused by its number."""
    if "refused" in case:
        with pytest.raises(Permanent, match=case["refused"]):
            figures_of(case["items"], case.get("tax", "0"))
        return
    figures = figures_of(case["items"], case.get("tax", "0"))
    assert [str(figures.subtotal), str(figures.tax), str(figures.total)] == case["came_to"]


@pytest.mark.parametrize(("expected", "told"), [("759.61", "0.01 too little"), (759.59, "0.01 too much"), ("x", "no number")])
def test_a_total_that_was_not_expected_is_refused_with_both(expected: object, told: str) -> None:
    """And by how much; the right one passes however it is written."""
    figures = figures_of(WORDS["items"], "5.5")
    check_total(figures, "759.6")
    with pytest.raises(Permanent, match=told):
        check_total(figures, expected)


def test_nothing_is_written_over_a_wrong_total(bench: Bench, tmp_path: Path) -> None:
    """Neither by a plan nor by an apply."""
    with pytest.raises(Permanent, match=r"come to 759\.60 \(subtotal 720\.00, tax 39\.60\), and 800\.00 was expected"):
        bench.attempt(RENDER, **WORDS, expected_total="800")
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_written_once_and_taken_away_again(bench: Bench, tmp_path: Path) -> None:
    """What stands in the template is escaped; the plan shows the page and the total."""
    change = bench.plan(RENDER, **WORDS)
    assert isinstance(change, Change)
    assert change.summary == "write proposal.html: Renewal <1>, 759.60"
    receipt = bench.apply(RENDER, **WORDS)
    text = (tmp_path / "proposal.html").read_text(encoding="utf-8")
    assert "<h1>Renewal &lt;1&gt;</h1>" in text
    assert "Licence &amp; more (12 months)" in text
    assert "Total: 759.60" in text
    bench.undo(RENDER, receipt, **WORDS)
    assert not (tmp_path / "proposal.html").exists()


def test_undo_leaves_alone_what_somebody_changed_since(bench: Bench, tmp_path: Path) -> None:
    """A file that is not ours any more."""
    receipt = bench.apply(RENDER, **WORDS)
    (tmp_path / "proposal.html").write_text("mine", encoding="utf-8")
    with pytest.raises(Permanent, match="changed or removed by somebody else since"):
        bench.undo(RENDER, receipt, **WORDS)


def test_a_pdf_is_the_same_each_time(bench: Bench, tmp_path: Path) -> None:
    """No time of its own in it: its digest can be approved, and is what later steps are told."""
    words = {**WORDS, "format": "pdf", "path": "a.pdf"}
    receipt = bench.apply(RENDER, **words)
    bench.apply(RENDER, **{**words, "path": "b.pdf"})
    first, second = ((tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert first == second
    assert first.startswith(b"%PDF-")
    args = RENDER.Args(**{**words, "items": tuple(words["items"])})
    told = RENDER.outputs(args, RENDER.observe(args, cast(Sessions, bench.at.reading())))
    assert told == {
        "path": "a.pdf", "sha256": receipt.data["sha256"], "subtotal": "720.00", "tax": "39.60", "total": "759.60",
    }


def test_a_character_that_the_pdf_cannot_show_is_named(bench: Bench) -> None:
    """Instead of a question mark in front of a customer."""
    with pytest.raises(Permanent, match="no '片'"):
        bench.plan(RENDER, **{**WORDS, "title": "片", "format": "pdf"})


def test_without_the_library_it_says_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name == "fpdf" or name.startswith("fpdf."):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(Permanent, match=r"pip install 'switchover\[pdf\]'"):
        bench.plan(RENDER, **{**WORDS, "format": "pdf"})
