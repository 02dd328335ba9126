"""Telephone numbers as E.164, by the maintained tables of ``phonenumbers``.

The tables cost time to load and 100 us a number, so the North American form, which most inventories are full of, is
recognised here; its rule (area code and exchange start with 2 to 9) also admits the fictional 555-01xx.
"""

from __future__ import annotations

import re
from dataclasses import field

from engine.language.item_values import FORMAT_AS_TEXT, SPREADSHEET_EXPONENT, SPREADSHEET_FLOAT, BadValueError
from engine.model.values import dataclass

_NANP_E164 = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}\Z")
_NANP = re.compile(
    r"(?!\+?[0-9]*\.[0-9]*\Z)"  # one dot among digits: a spreadsheet's number
    r"(?P<prefix>(?:tel:)?\+1[-. ]?|1[-. ]?)?"
    r"(?:\((?P<bracketed>[2-9][0-9]{2})\) ?|(?P<area>[2-9][0-9]{2})[-. ]?)(?P<exchange>[2-9][0-9]{2})[-. ]?(?P<line>[0-9]{4})\Z"
)
_NANP_COUNTRIES = frozenset({"US", "CA"})
_EXTENSION = re.compile(r"(?:;ext=|\bext\.?|\bx|x|#)\s*[0-9]+\s*\Z", re.IGNORECASE)
_SEVERAL = re.compile(r"[0-9)]\s*(?:[/,;|&]|\bor\b|\band\b)\s*[+(0-9]", re.IGNORECASE)
_NUMBER_SIGNS = re.compile(r"[\d\s().+\u2010-\u2015-]+\Z")
_SUMMARY = "Invalid telephone number"


@dataclass(slots=True)
class NumberReader:
    """Reads numbers of one customer. ``country``: where a number without ``+`` belongs (ISO 3166-1), None if not said."""

    country: str | None
    _known: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """A number in any usual notation as ``+`` and digits. Raises ``BadValueError``."""
        if _NANP_E164.match(text) and text.isascii():
            return text
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._read(text)
        return known

    def _read(self, text: str) -> str:
        nanp = _NANP.match(text) if text.isascii() else None
        if nanp is not None:
            prefix = nanp["prefix"] or ""
            if "+" in prefix or self.country in _NANP_COUNTRIES:
                return "+1" + (nanp["bracketed"] or nanp["area"]) + nanp["exchange"] + nanp["line"]
        _refuse_spoilt(text)
        return self._by_tables(text)

    def _by_tables(self, text: str) -> str:
        import phonenumbers  # noqa: PLC0415  # a tenth of the start-up time, and few inventories need it

        bare = text.removeprefix("tel:")
        if self.country is None and not bare.lstrip("( ").startswith(("+", "\uff0b")):
            detail = f"{text!r} does not say its country. Write it with + and country code, or set `country:` in inventory.yml."
            raise BadValueError(_SUMMARY, detail)
        try:
            number = phonenumbers.parse(bare, self.country)
        except phonenumbers.NumberParseException as error:
            raise BadValueError(_SUMMARY, f"{text!r} is no telephone number: {_reason(str(error))}.") from None
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if not (_NANP_E164.match(e164) or (number.country_code != 1 and phonenumbers.is_valid_number(number))):
            why = _missing(e164, number.country_code or 0)
            raise BadValueError(_SUMMARY, f"{text!r} reads as {e164}, which is not a number that exists. {why}")
        return e164


def _reason(message: str) -> str:
    text = re.sub(r"\A\(\d+\)\s*", "", message).rstrip(".")
    return text[:1].lower() + text[1:]


def _missing(e164: str, country_code: int) -> str:
    digits = len(e164) - 1 - len(str(country_code))
    if country_code == 1 and digits == 7:
        return "The area code is missing."
    if country_code == 1 and digits != 10:
        return f"After +1 it must have 10 digits, not {digits}."
    return "Check it for a typing error."


def _refuse_spoilt(text: str) -> None:
    """What the tables would read as some other number, without a word."""
    if SPREADSHEET_FLOAT.match(text) or SPREADSHEET_EXPONENT.match(text):
        detail = f"{text!r} was a telephone number before a spreadsheet calculated with it; digits may be lost. {FORMAT_AS_TEXT}"
        raise BadValueError(_SUMMARY, detail)
    if _SEVERAL.search(text):
        raise BadValueError(_SUMMARY, f"{text!r} holds more than one number. Give each a row of its own.")
    if _EXTENSION.search(text):
        detail = f"{text!r} carries an extension. Write the number alone; where it rings stands in `routes_to`."
        raise BadValueError(_SUMMARY, detail)
    bare = text.removeprefix("tel:")
    if not _NUMBER_SIGNS.match(bare.replace("\uff0b", "+")):
        detail = f"{text!r} holds signs that no telephone number has. Write digits, with or without +, blanks and hyphens."
        raise BadValueError(_SUMMARY, detail)
    digits = re.sub(r"\D", "", bare)
    if len(digits) <= 6 and "+" not in bare:
        raise BadValueError(_SUMMARY, _too_short(text, digits))


def _too_short(text: str, digits: str) -> str:
    if re.fullmatch(r"[2-9]11|933|988|112|999|000", digits):
        return f"{text!r} is a service number. It belongs to the network, not to a customer, and cannot be moved or forwarded."
    return f"{text!r} is too short for a telephone number; it looks like an extension. Numbers need area code and country."
