"""Known secrets never come through, in any of the forms they travel in."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from engine.model.secret import Redactor

SECRET = "pä/ss+w?rd 1"
FORMS = (
    SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex(),
    base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
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
