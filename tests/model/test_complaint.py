"""What APIs say is wrong, in the forms they say it in."""

from __future__ import annotations

import pytest

from engine.model.complaint import complaint_of


@pytest.mark.parametrize(("data", "text"), [
    ({"errors": [{"code": "10015", "title": "Invalid value", "detail": "must be +E.164", "source": {"pointer": "/to"}}]},
     "10015 Invalid value: must be +E.164 (at /to)"),
    ({"errors": [{"title": "One"}, {"title": "Two", "detail": "Two"}]}, "One; Two"),
    ({"code": 20404, "message": "not found", "more_info": "https://www.twilio.com/docs/errors/20404", "status": 404},
     "20404 not found (see https://www.twilio.com/docs/errors/20404)"),
    ({"title": "Bad", "detail": "worse", "status": 400}, "Bad: worse"),
    ({"error": "invalid_grant"}, "invalid_grant"),
    ({"error": {"message": "no\n  such thing"}}, "no such thing"),
    ({"errors": ["first", "second"]}, "first; second"),
    ({"errorMessages": ["no such project"], "errors": {"summary": "is required"}}, "no such project; summary: is required"),
    ({"errorMessages": None, "errors": [1]}, ""),
    ({"errors": "all wrong"}, ""),
    ({"code": 7}, ""),
    ([1, 2], ""),
    (None, ""),
])
def test_known_forms_become_one_line(data: object, text: str) -> None:
    """Codes and places are kept, repetition and line breaks are not; an unknown form says nothing."""
    assert complaint_of(data) == text


def test_a_long_complaint_is_cut() -> None:
    """An error page in a field does not fill the screen."""
    assert len(complaint_of({"message": "x" * 5000})) < 310
