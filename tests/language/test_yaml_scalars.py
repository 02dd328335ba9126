"""What an unquoted word means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.yaml_reader import parse_yaml, written
from engine.language.yaml_scalars import resolve
from engine.model.diagnostic import InvalidInput


@pytest.mark.parametrize("text", [
    "21:00", "10:20:30:40:50:11", "0101", "00", "+16085550100", "no", "No", "yes", "on", "off", "y", "n", "0x1f", "0o17", "0b1",
    "1_000", "1,5", ".5", "5.", "-0", "+1", ".inf", ".nan", "-.inf", "2026-12-24", "2026-12-24T10:00:00Z", "1.2.3.4", "1e5000",
    "12e5", "1E5", "0e1", "-5e0", "0e1234567890", "805e12345678", "12025550100.0.0", "nUll", "tRue", "TrUe", "--1", "1-2",
    "89014103211118510720", "٣",
])
def test_what_people_write_in_this_trade_stays_text(text: str) -> None:
    """Times, MACs, extensions, numbers with a plus, dates and words are never numbers or booleans."""
    assert parse_yaml(f"value: {text}", "f.yml").data == {"value": text}


@pytest.mark.parametrize(("text", "value"), [
    ("0", 0), ("7", 7), ("-12", -12), ("16085550100", 16085550100), ("999999999999999999", 999999999999999999),
    ("1.5", 1.5), ("-0.25", -0.25), ("1e+5", 100000.0), ("1.0e5", 100000.0), ("1.5E-3", 0.0015), ("0.0", 0.0), ("1.10", 1.1),
    ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("Null", None), ("", None),
])
def test_canonical_numbers_booleans_and_nothing_are_what_they_seem(text: str, value: object) -> None:
    """Only the one plain spelling of a number is a number."""
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("text", "value"), [
    ("!!str 21", "21"), ("!!str true", "true"), ("! 21", "21"), ("!!int 21", 21), ("!!float 2", 2.0), ("!!bool true", True),
    ("!!null ~", None), ("'21'", "21"), ('"true"', "true"), ("!!str", ""),
])
def test_quotes_and_core_tags_say_what_is_meant(text: str, value: object) -> None:
    """``!!str 21`` and ``'21'`` are text; ``!!float 2`` is a number with a point."""
    found = parse_yaml(f"value: {text}", "f.yml").data
    assert found == {"value": value}


@pytest.mark.parametrize("text", [
    "!!int 0101", "!!int true", "!!bool 1", "!!float no", "!!timestamp 2026-01-01", "!vault x", "!!binary x",
])
def test_a_tag_that_does_not_fit_or_is_not_known_is_refused(text: str) -> None:
    """A tag never bends a value: what does not fit is an error with its place."""
    with pytest.raises(InvalidInput) as refused:
        parse_yaml(f"value: {text}", "f.yml")
    assert (refused.value.diagnostics[0].span.line, refused.value.diagnostics[0].span.column) == (1, 8)  # type: ignore[union-attr]


@given(st.integers(min_value=-(10**18) + 1, max_value=10**18 - 1))
def test_every_integer_of_up_to_18_digits_reads_back(number: int) -> None:
    """Writing an integer the plain way and reading it gives the same integer."""
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back_or_stays_text(number: float) -> None:
    """``repr`` of a finite float is read as that float; -0.0 too, and nothing becomes infinite."""
    found = resolve(repr(number))
    assert found == number if isinstance(found, float) else found == repr(number)


@given(st.text(alphabet="0123456789:.-+eExXaAbBcCdDfF_", max_size=20))
def test_a_number_is_only_made_of_text_that_spells_it_plainly(text: str) -> None:
    """No text with a leading zero, plus, colon or underscore ever becomes a number, and no number is infinite."""
    found = resolve(text)
    if isinstance(found, int | float) and not isinstance(found, bool):
        assert not (set(text) & set(":_xX")) and not text.startswith(("+", "00", "01", ".")) and math.isfinite(found)


_BREAKS = "\u2028\u2029\ufeff"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), exclude_characters=_BREAKS)))
def test_any_printable_text_in_quotes_reads_back(text: str) -> None:
    """Quoted text comes out as it went in."""
    quoted = "'" + text.replace("'", "''") + "'"
    assert parse_yaml(f"- {quoted}", "f.yml").data == [text]


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,5})\.[0-9]{1,6}", fullmatch=True))
def test_a_number_can_be_had_as_it_was_written(text: str) -> None:
    """Firmware ``1.10`` is a number in YAML; who needs text gets ``1.10`` and not ``1.1``."""
    document = parse_yaml(f"phone:\n  firmware: {text}\n", "f.yml")
    assert written(document, ("phone", "firmware")) == text
