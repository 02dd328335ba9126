"""HTML to PDF, for a page of text and a table: the same bytes for the same page.

fpdf2 draws a plain subset of HTML (headings, paragraphs, lists, tables, bold) and no style sheets. Its built-in fonts know the
characters of Western European languages; another character is refused by name instead of being drawn as a question mark.
"""

from __future__ import annotations

from datetime import UTC, datetime

from engine.model.errors import Permanent

_WRITTEN_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""In every file alike: a time of its own would make each rendering another file."""


def pdf_of(html: str, title: str) -> bytes:
    """The page as a PDF. Raises ``Permanent`` without fpdf2, and for characters and markup that it cannot draw."""
    try:
        # Takes a third of a second to import, which only those pay who make PDFs.
        from fpdf import FPDF  # noqa: PLC0415
        from fpdf.errors import FPDFException, FPDFUnicodeEncodingException  # noqa: PLC0415
    except ImportError:
        raise Permanent("PDFs need fpdf2: pip install 'switchover[pdf]'; or say 'format: html'") from None
    page = FPDF(format="letter")
    page.set_creation_date(_WRITTEN_AT)
    page.set_title(title)
    page.set_font("helvetica", size=11)
    page.add_page()
    try:
        page.write_html(html)
        return bytes(page.output())
    except FPDFUnicodeEncodingException as error:
        raise Permanent(
            f"the PDF's font has no {error.character!r}: write it otherwise, or say 'format: html'. Nothing was written"
        ) from None
    except (FPDFException, NotImplementedError, ValueError) as error:
        raise Permanent(f"the page cannot be drawn as PDF: {error}. Use headings, paragraphs and plain tables alone") from None
