"""A file's before and after, masked when somebody looks."""

from __future__ import annotations

from engine.model.plan import Change, Sides, TextChange


def test_masking_waits_until_a_side_is_asked_for_and_is_done_once() -> None:
    """Of ten thousand files hardly any are looked at; masking each would cost more than reading it."""
    asked: list[str] = []

    def mask() -> Sides:
        asked.append("mask")
        return "old ***", "new ***"

    text = TextChange.later("a.cfg", mask, is_new=False)
    change = Change("rewrite a.cfg", texts=(text,), token="t")
    change.digest()
    assert asked == []
    assert (text.before, text.after, text.before) == ("old ***", "new ***", "old ***")
    assert asked == ["mask"]


def test_whether_a_file_is_new_is_known_without_masking() -> None:
    """A journal keeps only what was replaced, and must not mask to find out."""
    assert TextChange.later("a.cfg", lambda: (None, "x"), is_new=True).is_new
    assert TextChange("a.cfg", None, "x").is_new
    assert not TextChange("a.cfg", "w", "x").is_new


def test_a_late_one_equals_and_shows_as_one_made_at_once() -> None:
    """Nobody can tell them apart; above all, neither shows what its mask has hidden."""
    late, early = TextChange.later("a.cfg", lambda: ("***", None), is_new=False), TextChange("a.cfg", "***", None)
    assert late == early
    assert hash(late) == hash(early)
    assert repr(late) == repr(early) == "TextChange(name='a.cfg', before='***', after=None)"
