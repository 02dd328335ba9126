"""Line items and what they come to: decimal money, rounded half up to cents, the way an invoice is.

Each line is rounded, and the tax once over the taxable lines together. A calculator that rounds the tax of each line may differ
by a cent or two, which is why the expected total is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from engine.model.errors import Permanent
from engine.model.values import dataclass

CENT = Decimal("0.01")
_TAXABLE = {"yes": True, "true": True, "no": False, "false": False}
_KNOWN = ("name", "price", "quantity", "taxable", "note")


@dataclass(frozen=True, slots=True)
class Line:
    """One line item. ``total``: price times quantity, in cents."""

    name: str
    price: Decimal
    quantity: Decimal
    taxable: bool
    note: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """All lines and what they come to. ``taxable``: the sum that the tax is of."""

    lines: tuple[Line, ...]
    subtotal: Decimal
    taxable: Decimal
    tax: Decimal
    total: Decimal


def figures_of(items: Sequence[Mapping[str, object]], tax_percent: object) -> Figures:
    """Adds the items up. Raises ``Permanent`` naming the line, for what is no amount of money or is called by an unknown name."""
    lines = tuple(_line(number, item) for number, item in enumerate(items, 1))
    subtotal = sum((line.total for line in lines), Decimal("0.00"))
    taxable = sum((line.total for line in lines if line.taxable), Decimal("0.00"))
    tax = cents(taxable * _decimal(tax_percent, "tax_percent") / 100)
    return Figures(lines, subtotal, taxable, tax, subtotal + tax)


def check_total(figures: Figures, expected: object) -> None:
    """Raises ``Permanent`` when the lines do not come to what was expected; to the cent."""
    wanted = cents(_decimal(expected, "expected_total"))
    if figures.total != wanted:
        off = f"{abs(figures.total - wanted):,} {'too much' if figures.total > wanted else 'too little'}"
        raise Permanent(
            f"the lines come to {figures.total:,} (subtotal {figures.subtotal:,}, tax {figures.tax:,}), and {wanted:,} was"
            f" expected: {off}. Compare the lines, what is taxable and the rate with the calculation; nothing was written"
        )


def cents(amount: Decimal) -> Decimal:
    """Rounded half up to cents."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def _line(number: int, item: Mapping[str, object]) -> Line:
    what = f"line {number}"
    unknown = sorted(set(item) - set(_KNOWN))
    if unknown:
        raise Permanent(f"{what} has {', '.join(map(repr, unknown))}; a line has {', '.join(_KNOWN)}")
    name, taxable = str(item.get("name") or "").strip(), item.get("taxable", False)
    if not name:
        raise Permanent(f"{what} has no name")
    if isinstance(taxable, str):  # all that a CSV can say
        taxable = _TAXABLE.get(taxable.strip().lower(), taxable)
    if not isinstance(taxable, bool):
        raise Permanent(f"{what} ({name}): taxable is {taxable!r}, and must be true or false; in a CSV, yes or no")
    price = _decimal(item.get("price"), f"{what} ({name}): price")
    quantity = _decimal(item.get("quantity", 1), f"{what} ({name}): quantity")
    return Line(name, price, quantity, taxable, str(item.get("note") or ""), cents(price * quantity))


def _decimal(value: object, what: str) -> Decimal:
    """The number as it was written: 19.95 in YAML stays 19.95, although no float is that."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            found = Decimal(str(value).strip())
        except InvalidOperation:
            found = Decimal("NaN")
        if found.is_finite() and abs(found) < Decimal(10) ** 12:
            return found
    raise Permanent(f"{what}: {value!r} is no number; write it plainly, such as 1234.50")
