"""A review for code scanning: valid SARIF 2.1.0, each difference at its line, the same identity from push to push."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from engine.model.review import Review, Risk, RunbookReview
from engine.model.source import Span
from engine.reporting.review_sarif import review_sarif
from tests.support.reviews import EVIL, difference, mixed_review, review_of

# As the OASIS committee publishes it; SchemaStore hands it on under Apache-2.0.
SCHEMA = Draft7Validator(json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8")))


def results(review: Review, prefix: str = "") -> list[dict[str, Any]]:
    log = review_sarif(review, prefix)
    SCHEMA.validate(json.loads(json.dumps(log)))
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_every_difference_is_a_result_at_its_line() -> None:
    """High is an error, medium a warning, the rest notes; a side that cannot be read is one too."""
    found = {(result["ruleId"], result["properties"].get("address")): result for result in results(mixed_review())}
    scope = found["scope-widened", "phones/config"]
    assert scope["level"] == "error"
    assert scope["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "runbooks/cutover.yml"}, "region": {"startLine": 14, "startColumn": 9},
    }
    assert scope["message"]["text"].startswith("phones/config: 3 phones are newly in scope.\n12 -> 15\n805ec0000001")
    levels = {rule: result["level"] for (rule, _), result in found.items()}
    assert levels == {
        "scope-widened": "error", "way-back-lost": "error", "order-changed": "warning", "safer": "note", "wording": "note",
        "unreadable": "note",
    }


def test_rules_are_the_risk_classes() -> None:
    """Each with a level and words, so that a filter in code scanning and a policy name the same thing."""
    log = review_sarif(mixed_review())
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*(risk.value for risk in Risk), "unreadable"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in log["runs"][0]["results"])


def test_what_could_not_be_compared_is_a_notification() -> None:
    """Nobody should read its absence as safety."""
    notes = review_sarif(mixed_review())["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in notes] == [
        "runbooks/moves.yml: steps could not be compared, as the old side is not valid",
    ]


def test_a_difference_keeps_its_identity_when_its_line_moves() -> None:
    """Or each push would close and open the same alert."""
    prints = [
        results(review_of(RunbookReview("a.yml", (difference(Risk.GUARD, after=after, span=Span("a.yml", line, 1)),))))[0]
        ["partialFingerprints"] for line, after in ((3, "1"), (90, "1"), (3, "2"))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_places_are_inside_the_repository() -> None:
    """A project may be one folder of it; blanks and signs are encoded as in any address."""
    spaced = review_of(RunbookReview("runbooks/a b#c.yml", (difference(Risk.GUARD),)))
    place = results(spaced, "customers/acme/")[0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "customers/acme/runbooks/a%20b%23c.yml"}}


def test_a_spiteful_text_is_no_link() -> None:
    """Messages know one kind of markup."""
    evil = review_of(RunbookReview("a.yml", (difference(Risk.GUARD, EVIL, EVIL, detail=(EVIL,) * 90),)))
    text = results(evil)[0]["message"]["text"]
    assert "](" not in text
    assert "... and 40 more lines" in text
