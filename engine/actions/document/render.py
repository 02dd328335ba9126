"""``document.render``: a document with line items, such as a proposal, made from a template as HTML or PDF."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar, cast

from engine.actions.document.money import Figures, check_total, figures_of
from engine.actions.document.pdf import pdf_of
from engine.model.args import arg
from engine.model.errors import ChangedSince
from engine.model.plan import Change, Effect, FieldChange, Receipt, TextChange, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class RenderArgs:
    """Arguments of ``document.render``."""

    connection: str = arg("The folder it is written into.", connection=("local",))
    path: str = arg("The file, below the connection's root.", examples=("proposals/{{ customer.name }}.pdf",))
    template: str = arg(
        "Template of the page, relative to templates/. It sees 'document': title, lines (name, price, quantity, taxable, note,"
        " total), subtotal, tax_percent, tax, total, note.",
        template=True, examples=("document/proposal.html.j2",),
    )
    title: str = arg("What it is called.", examples=("Renewal for {{ customer.title }}",))
    items: tuple[Mapping[str, object], ...] = arg(
        "The lines: name and price; quantity (1), taxable (false) and note where there is something to say.",
        default=(), examples=([{"name": "Licence, 12 months", "price": "240.00", "quantity": 3, "taxable": True}],),
    )
    note: str = arg("A note on the page, such as what a total includes.", default="")
    tax_percent: str | float = arg("The tax on taxable lines, in percent.", default="0", examples=("5.5",))
    expected_total: str | float | None = arg(
        "What the total must come to, by whoever calculated it; another one is a failure.", default=None, examples=("759.60",),
    )
    format: str = arg("What is written.", default="html", choices=("html", "pdf"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the file should hold and what it holds."""

    before: bytes | None
    after: bytes
    figures: Figures
    shown: tuple[str | None, str] | None = None
    """The page before and after with secrets masked, where it is text."""


class DocumentRender:
    """Adds the lines up in decimal money, rounded half up to cents, and writes the page when it differs by a byte.

    The same input gives the same bytes, in PDF too, so that its digest can be approved and found again.
    """

    name: ClassVar[str] = "document.render"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A document is made from a template and line items, and its total is what was expected."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = RenderArgs
    TemplateNames: ClassVar[tuple[str, ...]] = ("document",)
    Outputs: ClassVar[Mapping[str, str]] = {
        "path": "the file", "sha256": "its digest", "subtotal": "the sum of the lines", "tax": "the tax",
        "total": "both together",
    }

    def observe(self, args: RenderArgs, at: Sessions) -> Seen:
        """Adds the lines up, renders the page and reads what stands in its place."""
        figures = figures_of(args.items, args.tax_percent)
        if args.expected_total is not None:
            check_total(figures, args.expected_total)
        html = at.render(args.template, {"document": _shown_to_template(args, figures)})
        after = html.encode() if args.format == "html" else pdf_of(html, args.title)
        before = at.files(args.connection).read(args.path)
        if args.format == "pdf" or before == after:
            return Seen(before, after, figures)
        was = None if before is None else at.redact(before.decode("utf-8", "replace"))
        return Seen(before, after, figures, (was, at.redact(html)))

    def diff(self, args: RenderArgs, seen: Seen) -> Change | None:
        """The page, when it differs by a byte."""
        if seen.before == seen.after:
            return None
        before, after = None if seen.before is None else _digest(seen.before), _digest(seen.after)
        return Change(
            f"{'write' if seen.before is None else 'rewrite'} {args.path}: {args.title}, {seen.figures.total:,}",
            (FieldChange("sha256", before, after), FieldChange("total", None, str(seen.figures.total))),
            () if seen.shown is None else (TextChange(args.path, *seen.shown),), token=f"{before}{after}", payload=seen,
        )

    def apply(self, change: Change | Unpredictable, args: RenderArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes the page, having kept what the file held."""
        receipt = self.prepare(change, args, at)
        at.files(args.connection).write(args.path, cast(Seen, change.payload).after)
        return receipt

    def prepare(self, change: Change | Unpredictable, args: RenderArgs, at: Sessions) -> Receipt:
        """Keeps what the file holds."""
        seen = cast(Seen, change.payload)
        kept = None if seen.before is None else at.keep.put(seen.before)
        data = {"path": args.path, "kept": kept, "sha256": _digest(seen.after), "total": str(seen.figures.total)}
        return Receipt(data, f"{args.path}: {len(seen.after)} bytes written, total {seen.figures.total:,}")

    def undo(self, receipt: Receipt, args: RenderArgs, at: Sessions, *, key: str) -> None:
        """Writes back what the file held, or removes a file that was new."""
        change, files, path = self.undoing(receipt, args, at), at.files(args.connection), str(receipt.data["path"])
        if change is None:
            return
        if change.payload is None:
            files.remove(path)
        else:
            files.write(path, cast(bytes, change.payload))

    def undoing(self, receipt: Receipt, args: RenderArgs, at: Sessions) -> Change | None:
        """The file as it was, or none. Raises ``ChangedSince`` when somebody changed or removed it since."""
        path, kept = str(receipt.data["path"]), receipt.data["kept"]
        before, now = None if kept is None else at.keep.get(str(kept)), at.files(args.connection).read(path)
        if now == before:
            return None
        if now is None or _digest(now) != receipt.data["sha256"]:
            raise ChangedSince(f"{path} was changed or removed by somebody else since: it is left alone. Restore it by hand")
        was = None if before is None else _digest(before)
        verb = "remove" if before is None else "restore"
        return Change(f"{verb} {path}", (FieldChange("sha256", _digest(now), was),), token=f"{_digest(now)}{was}", payload=before)

    def outputs(self, args: RenderArgs, seen: Seen) -> Mapping[str, object]:
        """Where it is, its digest and its figures."""
        figures = seen.figures
        return {
            "path": args.path, "sha256": _digest(seen.after), "subtotal": str(figures.subtotal), "tax": str(figures.tax),
            "total": str(figures.total),
        }


def _shown_to_template(args: RenderArgs, figures: Figures) -> Mapping[str, object]:
    lines = [
        {
            "name": line.name, "price": f"{line.price:,.2f}" if line.price == round(line.price, 2) else f"{line.price:,}",
            "quantity": f"{line.quantity.normalize():f}", "taxable": line.taxable, "note": line.note, "total": f"{line.total:,}",
        }
        for line in figures.lines
    ]
    return {
        "title": args.title, "lines": lines, "note": args.note, "subtotal": f"{figures.subtotal:,}",
        "tax_percent": str(args.tax_percent), "tax": f"{figures.tax:,}", "total": f"{figures.total:,}",
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
