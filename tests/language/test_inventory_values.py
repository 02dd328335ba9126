"""MAC addresses, telephone numbers and extensions: one form for every notation, and no repair of what is spoilt."""

from __future__ import annotations

import contextlib

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.language import item_values
from engine.language.item_values import BadValueError, is_locally_administered, mac_address
from engine.language.telephone_numbers import NumberReader

US = NumberReader("US")
DEVICE_MACS = st.binary(min_size=6, max_size=6).filter(lambda raw: not raw[0] & 1 and any(raw))


def notations(raw: bytes) -> list[str]:
    """The ways phones, switches and spreadsheets write one address."""
    bare = raw.hex()
    pairs = [bare[i : i + 2] for i in range(0, 12, 2)]
    short = [f"{octet:x}" for octet in raw]
    return [
        bare, bare.upper(), ":".join(pairs), "-".join(pairs).upper(), ".".join(pairs),
        ".".join(bare[i : i + 4] for i in (0, 4, 8)), f"{bare[:6]}-{bare[6:]}", ":".join(short), "-".join(short), ".".join(short),
    ]


@given(DEVICE_MACS)
def test_every_notation_of_a_mac_is_kept_as_the_same_twelve_digits(raw: bytes) -> None:
    assert {mac_address(text) for text in notations(raw)} == {raw.hex()}


@given(DEVICE_MACS)
def test_a_mac_that_is_kept_stays_as_it_is(raw: bytes) -> None:
    assert mac_address(mac_address(raw.hex())) == raw.hex()


@given(DEVICE_MACS, st.integers(0, 11))
def test_a_mac_that_lost_a_digit_is_never_padded(raw: bytes, lost: int) -> None:
    bare = raw.hex()
    with pytest.raises(BadValueError):
        mac_address(bare[:lost] + bare[lost + 1 :])


@given(st.binary(min_size=6, max_size=6))
def test_a_multicast_address_is_no_phone(raw: bytes) -> None:
    multicast = bytes([raw[0] | 1]) + raw[1:]
    for text in notations(multicast):
        with pytest.raises(BadValueError):
            mac_address(text)


@given(st.binary(min_size=8, max_size=8))
@example(b"\0\0\0\0\0\0\0\xe0")  # also reads as a power of ten
def test_an_eui_64_is_refused_in_every_notation(raw: bytes) -> None:
    for text in (raw.hex(), ":".join(f"{octet:02x}" for octet in raw), "-".join(f"{octet:02X}" for octet in raw)):
        with pytest.raises(BadValueError, match="64 bits"):
            mac_address(text)


def test_who_gave_an_address_is_told_from_its_first_octet() -> None:
    assert [is_locally_administered(mac) for mac in ("0204f2abcdef", "0004f2abcdef", "fe04f2abcdef")] == [True, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "+12025550100", "2025550100", "12025550100", "(202) 555-0100", "(202)555-0100", "202-555-0100", "202.555.0100",
        "202 555 0100", "1-202-555-0100", "+1 (202) 555-0100", "tel:+1-202-555-0100", "+1.202.555.0100", "\uff0b12025550100",
        "\uff12\uff10\uff12 555 0100", "011 1 202 555 0100",
    ],
)
def test_a_number_in_any_usual_notation_is_kept_as_e164(text: str) -> None:
    assert US(text) == "+12025550100"


def test_a_number_of_another_country_is_read_by_the_tables() -> None:
    assert (US("+44 20 7946 0018"), NumberReader("GB")("020 7946 0018")) == ("+442079460018", "+442079460018")


def test_a_number_without_country_is_refused_when_none_is_set() -> None:
    with pytest.raises(BadValueError, match="country"):
        NumberReader(None)("202-555-0100")


@given(st.integers(200, 999), st.integers(200, 999), st.integers(0, 9999))
def test_north_american_numbers_are_read_alike_with_and_without_the_tables(area: int, exchange: int, line: int) -> None:
    """The quick way gives what the tables give, the fictional 555-01xx included."""
    text = f"({area}) {exchange}-{line:04d}"
    parsed = phonenumbers.parse(text, "US")
    assert US(text) == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@given(st.integers(1, 10**15), st.integers(0, 9))
def test_a_spreadsheets_calculation_is_never_a_number(whole: int, tenth: int) -> None:
    for text in (f"{whole}.{tenth}", f"{whole}.0", f"{whole}.", f"{float(whole):.5E}", f"{whole}e5"):
        with pytest.raises(BadValueError):
            US(text)


@given(st.text(max_size=20))
def test_any_other_text_is_read_or_refused_never_a_crash(text: str) -> None:
    for check in (US, mac_address, item_values.extension, item_values.vendor, item_values.email, item_values.ip_address):
        with contextlib.suppress(BadValueError):
            assert check(text)


@pytest.mark.parametrize("text", ["10", "0101", "00000001", "99999999"])
def test_an_extension_keeps_its_leading_zeros(text: str) -> None:
    assert item_values.extension(text) == text


@pytest.mark.parametrize("text", ["1", "123456789", "10a", "-101", "+101", "1 01", "\u0661\u0660\u0661", "101.0", "1E2"])
def test_anything_else_is_no_extension(text: str) -> None:
    with pytest.raises(BadValueError):
        item_values.extension(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Yealink", "yealink"), ("POLYCOM", "poly"), ("poly", "poly"), ("Cisco Systems", "cisco"), ("sNom", "snom")],
)
def test_vendors_are_known_by_their_usual_names(text: str, name: str) -> None:
    assert item_values.vendor(text) == name


@pytest.mark.parametrize(("text", "kept"), [("10.0.0.1", "10.0.0.1"), ("2001:DB8::1", "2001:db8::1")])
def test_ip_addresses_of_both_kinds_are_kept(text: str, kept: str) -> None:
    assert item_values.ip_address(text) == kept


@pytest.mark.parametrize("text", ["10.0.0", "10.0.0.1.", "10.0.0.01", "256.1.1.1", "pbx.example.net"])
def test_anything_else_is_no_ip_address(text: str) -> None:
    with pytest.raises(BadValueError):
        item_values.ip_address(text)
