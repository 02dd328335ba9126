"""Known secrets never come through, in any of the forms they travel in."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.secret import Redactor

SECRET = "pä/ss+w?rd 1"
FORMS = (
    SECRET, quote(SECRET, safe=""), quote(SECRET), base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex(),
    SECRET.encode().hex().upper(), base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="), json.dumps(SECRET)[1:-1],
)


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_secret_is_masked(form: str, others: int) -> None:
    """Whether an item has one secret or a customer twenty."""
    redact = Redactor([SECRET, *(f"other-secret-{n}" for n in range(others))])
    assert redact(f"password={form};") == "password=***;"


@pytest.mark.parametrize("others", [0, 20])
def test_a_secret_that_is_part_of_another_leaves_no_rest_of_the_longer_one(others: int) -> None:
    """The longer one is looked for first."""
    redact = Redactor(["hunter2", "hunter2-and-more", *(f"other-secret-{n}" for n in range(others))])
    assert redact("hunter2-and-more hunter2") == "*** ***"


def test_values_too_short_to_search_for_are_left() -> None:
    """Replacing every 12 would ruin the text; they are masked by the field they stand in."""
    assert Redactor(["12"])("12 phones") == "12 phones"


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize("user", ["a", "ab", "abc", "operator"])
def test_a_secret_is_found_behind_a_user_s_name_in_base64(user: str, others: int) -> None:
    """As HTTP's basic credentials have it: where it begins there depends on the length of the name."""
    redact = Redactor([SECRET, *(f"other-secret-{n}" for n in range(others))])
    encoded = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    shown = redact(encoded)
    assert "***" in shown
    assert len(shown.replace("***", "")) <= len(base64.b64encode(f"{user}:".encode())) + 4


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize("form", FORMS)
def test_a_text_cut_in_the_middle_of_a_secret_shows_no_beginning_of_it(form: str, others: int) -> None:
    """It was cut before anybody could mask it. Fewer than four characters tell nothing and are left."""
    redact = Redactor([SECRET, *(f"other-secret-{n}" for n in range(others))])
    for length in range(4, len(form)):
        shown = redact(f"said {form[:length]}... and more")
        assert shown.startswith("said ***") and shown.endswith("... and more") and form[:4] not in shown
    assert redact(f"said {form[:3]}...") == f"said {form[:3]}..."


def test_dots_behind_something_else_alter_nothing() -> None:
    assert Redactor([SECRET])("and so on... and on...") == "and so on... and on..."


@given(st.text(min_size=4, max_size=40), st.sampled_from(("", " ", "x", "é", ": ")), st.integers(0, 2))
def test_no_form_of_any_secret_gets_past(secret: str, around: str, ahead: int) -> None:
    """Also where most texts are let through unsearched: whatever stands beside it, and wherever base64 begins."""
    raw = secret.encode()
    inner = base64.b64encode(b"\0" * ahead + raw)[(0, 2, 3)[ahead] : (ahead + len(raw)) * 8 // 6].decode()
    forms = {secret, raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(), quote(secret), json.dumps(secret)[1:-1]}
    if len(raw) >= 6:
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    for form in forms:
        assert Redactor([secret])(f"{around}{form}{around}") != f"{around}{form}{around}"
