"""The word that was meant."""

from __future__ import annotations

import pytest

from engine.language.nearest import did_you_mean, listed, nearest, offered


@pytest.mark.parametrize(("word", "known", "meant"), [
    ("phone.confg", ["phone.config", "phone.resync"], "phone.config"), ("VENDOR", ["vendor", "model"], "vendor"),
    ("extention", ["extension", "label"], "extension"), ("xyz", ["vendor"], None), ("a", [], None), ("", ["a"], None),
])
def test_the_nearest_word_if_any_is_near(word: str, known: list[str], meant: str | None) -> None:
    """Case does not count; a guess that is no help is not made."""
    assert nearest(word, known) == meant
    assert did_you_mean(word, known) == (f"Did you mean {meant!r}?" if meant else "")


def test_lists_for_sentences() -> None:
    """Long ones are cut, and say so."""
    assert (listed("abc", 2), offered([]), offered(["a"]), offered("ab")) == (
        "'a', 'b' and 1 more", "There are none.", "There is only 'a'.", "There are 'a', 'b'.",
    )
