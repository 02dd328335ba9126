"""Laying out YAML: the same meaning, every comment, and nothing left to do the second time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.language.canonical import MeaningChanged, canonical
from engine.language.key_order import BLOCK, INVENTORY, PHASE, RUNBOOK, SCENARIO
from engine.language.meaning import meaning_of
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import InvalidInput

REPOSITORY = Path(__file__).parents[2]
CASES = sorted((Path(__file__).parent / "cases_layout").glob("*.yml"))
SHIPPED = sorted(
    path for folder in ("runbooks", "inventories", "tests/scenarios") for path in (REPOSITORY / folder).rglob("*.yml")
)
TESTS = sorted((REPOSITORY / "tests").rglob("*.yml"))


def meaning(text: str) -> str:
    return meaning_of(parse_yaml(text, "f.yml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_each_case_is_laid_out_as_written(case: Path) -> None:
    """Each file holds a text, a line of ``=``, and that text in its one layout, which is left as it is."""
    before, after = re.split(r"^=+\n", case.read_text(), flags=re.MULTILINE)
    assert (canonical(before, "f.yml"), canonical(after, "f.yml")) == (after, after)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_shipped_is_in_its_layout(path: Path) -> None:
    """Operators begin with these files, and their first ``fmt`` leaves them as they are."""
    text = path.read_text(encoding="utf-8")
    assert canonical(text, path.name) == text


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_readable_file_of_the_tests_survives(path: Path) -> None:
    """Laid out, each says the same, and a second time nothing is left to do."""
    text = path.read_text(encoding="utf-8")
    try:
        before = meaning(text)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            canonical(text, path.name)
        return
    once = canonical(text, path.name)
    assert (meaning(once), canonical(once, path.name)) == (before, once)


def test_keys_stand_in_the_order_of_the_documentation() -> None:
    """Whoever reads a file beside its page finds things where they are."""
    page = (REPOSITORY / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for heading, order in (("runbook", RUNBOOK), ("phase", PHASE), ("step", BLOCK[:-1])):
        table = page.partition(f"## Keys of a {heading}\n")[2].partition("\n\n## ")[0].partition("\n\nA **group**")[0]
        rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        assert [key for row in rows for key in re.findall(r"`([a-z_]+)`", row)] == list(order)


def test_every_key_has_its_place() -> None:
    """A key that comes into a schema gets one in the order too."""
    def keys(name: str, *definitions: str) -> set[str]:
        schema = json.loads((REPOSITORY / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
        return {key for part in definitions for key in (schema["$defs"][part] if part else schema)["properties"]}

    assert keys("runbook", "") == set(RUNBOOK)
    assert keys("runbook", "phase") == set(PHASE)
    assert keys("runbook", "step", "group", "lane_step") == set(BLOCK)
    assert keys("inventory", "") == set(INVENTORY)
    assert keys("scenario", "") == set(SCENARIO)


@pytest.mark.parametrize("text", ["? a\n: b\n", "--- a\n", "a: 1\n...\n", "just words\n", "a: 'one\u2028line'\n"])
def test_what_is_rare_stays_as_it_was_written(text: str) -> None:
    """Keys behind a question mark, explicit ends, odd line breaks: better left than guessed at."""
    assert canonical(text, "f.yml") == text


def test_line_ends_and_byte_order_marks_of_windows_go() -> None:
    """Whatever an editor there left in the file."""
    assert canonical("\ufeffa: |\r\n  x\r\n  y\r\nb: 1", "f.yml") == "a: |\n  x\n  y\nb: 1\n"


def test_an_alias_never_comes_before_its_anchor() -> None:
    """Keys stay as they stand where the usual order would tear these two apart."""
    step = "switchover: 1\nphases:\n  - name: p\n    steps:\n      - name: s\n        retry: &r {attempts: 2}\n        with: *r\n"
    assert canonical(step, "f.yml") == step


@pytest.mark.parametrize(("wrong", "complaint"), [("a: 2 # said\n", "something else"), ("a: 1\n", "comment"), ("a: [\n", "read")])
def test_a_mistake_of_ours_is_noticed_in_time(monkeypatch: pytest.MonkeyPatch, wrong: str, complaint: str) -> None:
    """Another meaning, a lost comment, a text that cannot be read: told as a bug, and the file stays."""
    monkeypatch.setattr("engine.language.canonical._lay_out", lambda tree: wrong)
    with pytest.raises(MeaningChanged, match=complaint):
        canonical("a:  1 # said\n", "f.yml")


WORDS = (
    "x", "21:00", "no", "'no'", '"0101"', "0101", "1.10", "10:20:30:40:50:11", "'e4:5f:01:aa:bb:cc'", '"+16085550100"', "12e5",
    "null", "~", '"two words"', "'it''s'", '"a: b"', '"a #b"', "'{{ x }}'", '"tab\\tand \\"quotes\\""', "[]", "{}", "a#b", "-",
    "- x", "[a, 'b, c', {d: 1}]", "plain words, more", "!!str 12", "''", '"#"', "'-1'", "*known", "\u00fcmlaut", "'\U0001f600'",
)
"""As written in a file. The second dash is a list within a list; ``*known`` names the anchor every document begins with."""
KEYS = ("switchover", "phases", "steps", "title", "when", "with", "for_each", "needs", "name", "retry", "on_cancel", "own", "101")
"""Most have a place in the order where they stand in a runbook."""


@st.composite
def documents(draw: DrawFn) -> tuple[str, int]:
    """A YAML document full of comments ``#c0``, ``#c1``, ..., and how many there are."""
    writer = _Untidy(draw)
    writer.comments(0)
    writer.lines.append(f"first: &known {draw(st.sampled_from(('1.10', 'x', '[a]')))}")
    writer.mapping(0, 4)
    writer.comments(0)
    return "\n".join(writer.lines) + draw(st.sampled_from(("", "\n", "\n\n"))), writer.count


class _Untidy:
    """Writes YAML as people do: any indentation, comments anywhere, empty lines in heaps."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw, self.lines, self.count = draw, [""] * draw(st.integers(0, 2)), 0

    def pick(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def chance(self, of: int = 4) -> bool:
        return self.draw(st.integers(1, of)) == 1

    def comment(self) -> str:
        self.count += 1
        return f"#c{self.count - 1}" + self.pick("", " said: twice", " # more")

    def comments(self, indent: int) -> None:
        while self.chance():
            self.lines.append("" if self.chance(2) else " " * max(0, indent + self.draw(st.integers(-3, 2))) + self.comment())

    def tail(self) -> str:
        return " " * self.draw(st.integers(1, 4)) + self.comment() if self.chance() else self.pick("", "", "  ")

    def mapping(self, indent: int, depth: int, *taken: str) -> None:
        names = st.lists(st.sampled_from(sorted({*KEYS} - {*taken})), min_size=1, max_size=4, unique=True)
        for name in self.draw(names):
            self.comments(indent)
            self.value(" " * indent + self.key(name), indent, depth)

    def key(self, name: str) -> str:
        return self.pick(name, f"'{name}'", f'"{name}"') + self.pick("", "", " ") + ":"

    def listing(self, indent: int, depth: int) -> None:
        for _ in range(self.draw(st.integers(1, 3))):
            self.comments(indent)
            if depth and self.chance(2):
                deeper = self.draw(st.integers(1, 3))
                self.lines.append(f"{' ' * indent}-{' ' * deeper}{self.key('name')} {self.pick('x', '21:00')}{self.tail()}")
                self.mapping(indent + deeper + 1, depth - 1, "name")
            else:
                self.value(f"{' ' * indent}-", indent, depth)

    def value(self, start: str, indent: int, depth: int) -> None:
        anchor = f" &a{len(self.lines)}" if self.chance(6) else ""
        kind = self.pick("word", "word", "block", "lines", "mapping", "listing") if depth else self.pick("word", "block", "lines")
        deeper = indent + self.draw(st.integers(1, 4))
        if kind == "word":
            word = self.pick(*WORDS, "")
            named = anchor if not word.startswith(("*", "-")) else ""
            self.lines.append(f"{start}{named} {self._fit(word, start)}".rstrip() + self.tail())
        elif kind == "block":
            self.lines.append(f"{start}{anchor} {self.pick('|', '>', '|-', '>-', '|+', '>+')}{self.tail()}")
            text = ("text # no comment", self.pick("", "   more", "- x"), "end: of it")
            self.lines += [f"{' ' * deeper}{line}".rstrip(" ") for line in text]
            self.lines += [""] * self.draw(st.integers(0, 2))
        elif kind == "lines":
            self.lines.append(f"{start}{anchor} {self.pick('words that', '[go, # no', '{go: on,')}")
            self._finish(deeper)
        else:
            self.lines.append(f"{start}{anchor}{self.tail()}")
            self.mapping(deeper, depth - 1) if kind == "mapping" else self.listing(deeper, depth - 1)

    def _fit(self, word: str, start: str) -> str:
        return word if not word.startswith("-") or start.endswith("-") else f"'{word}'"

    def _finish(self, deeper: int) -> None:
        opening = self.lines[-1]
        if opening.endswith("words that"):
            self.lines += ["", " " * deeper + "go on" + self.tail()]
        elif opening.endswith("# no"):
            self.lines.append(" " * deeper + "on]" + self.tail())
        else:
            self.lines += [" " * (deeper + 2) + self.comment(), " " * deeper + "x: 'a  ", " " * deeper + "b'}" + self.tail()]


@settings(suppress_health_check=[HealthCheck.large_base_example, HealthCheck.too_slow])
@given(documents())
def test_any_document_keeps_its_meaning_and_its_comments(document: tuple[str, int]) -> None:
    """Whatever was written: laid out it says the same, each comment stands in it once, and once is enough."""
    text, comments = document
    once = canonical(text, "f.yml")
    assert meaning(once) == meaning(text)
    assert sorted(re.findall(r"#c(\d+)", once)) == sorted(str(number) for number in range(comments))
    assert canonical(once, "f.yml") == once
