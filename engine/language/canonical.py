"""The one layout of the project's YAML files, and the proof that laying out changed nothing but the layout.

What an author decides stays: line breaks within text, lists and mappings within brackets, anchors, comments, empty lines (one at
a time). What carries no meaning is settled: two spaces, lists indented below their key, keys of runbooks in the order of the
documentation, an empty line between phases, no quotes where neither our reader nor one of YAML 1.1 needs them. ``21:00``, ``no``,
``0101`` and MAC addresses keep theirs: other tools read these files too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from yaml.resolver import Resolver

from engine.language.key_order import PHASE, order_below, order_of_root
from engine.language.layout_tree import Collection, Comment, Entry, Leaf, Tree, UnusualLayout, read_tree
from engine.language.meaning import meaning_of
from engine.language.yaml_reader import parse_yaml
from engine.language.yaml_scalars import resolve
from engine.model.diagnostic import InvalidInput
from engine.model.values import dataclass

_STEP = 2
_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


class MeaningChanged(Exception):
    """Laying out a text would have changed what it says, or lost a comment. Always our mistake; the text is left alone."""


def canonical(text: str, display: str) -> str:
    """A text of a YAML file in its one layout, proved to say the same.

    Raises ``InvalidInput`` when our reader refuses the text, ``MeaningChanged`` when the proof fails.
    """
    document = parse_yaml(text, display)
    plain = unified(text)
    try:
        laid_out = _lay_out(read_tree(plain))
    except UnusualLayout:
        return plain
    if laid_out != text:
        _prove(plain, laid_out, meaning_of(document), display)
    return laid_out


def unified(text: str) -> str:
    """Without byte order mark, and with ``\\n`` as the only line end."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _prove(before: str, after: str, meaning: str, display: str) -> None:
    try:
        same = meaning_of(parse_yaml(after, display)) == meaning
        kept = Counter(_comments(before)) == Counter(_comments(after))
    except (InvalidInput, UnusualLayout) as error:
        raise MeaningChanged(f"{display}: what was laid out cannot be read: {error}") from error
    if not (same and kept):
        raise MeaningChanged(f"{display}: {'a comment would be lost' if same else 'it would say something else'}")


def _comments(text: str) -> Iterator[str]:
    tree = read_tree(text)
    yield from (comment.text for comment in tree.rest)
    yield from _comments_of(tree.root)


def _comments_of(entry: Entry) -> Iterator[str]:
    yield from (comment.text for comment in entry.lead)
    if entry.tail is not None:
        yield entry.tail.text
    if isinstance(entry.value, Leaf):
        # What looks like one within brackets may be text; it stays as it is either way.
        lines = entry.value.text.split("\n") if entry.value.style == "[" else ()
        yield from (line.strip() for line in lines if "#" in line)
        return
    for inner in entry.value.entries:
        yield from _comments_of(inner)
    yield from (comment.text for comment in entry.value.dangling)


def _lay_out(tree: Tree) -> str:
    root = tree.root
    writer = _Writer([*(line.rstrip() for line in tree.prologue.split("\n") if tree.prologue)])
    if isinstance(root.value, Collection):
        keys = frozenset(entry.name for entry in root.value.entries)
        order = order_of_root(keys) if root.value.is_mapping else ()
        writer.header(root, root.value)
        writer.collection(root.value, 0, order)
    else:
        writer.comments(root.lead, 0)
        writer.word("", root.value, root.tail, 0)
    writer.comments(tree.rest, 0)
    return "\n".join(writer.lines) + "\n"


@dataclass(slots=True)
class _Writer:
    """Writes a tree line by line."""

    lines: list[str]
    prefix: str = ""
    """Dashes that the next line begins with, in place of its indentation."""
    is_open: bool = False
    """Whether the last text goes on with the empty lines that follow it, so that none may be added."""

    def header(self, root: Entry, value: Collection) -> None:
        """The comments at the top of a file stay there, whichever key comes to stand first."""
        first = value.entries[0]
        opening = [*root.lead, *([root.tail] if root.tail else []), *first.lead]
        self.comments(opening, 0)
        self._blank(first.blank and bool(opening))
        self.lines += value.properties
        first.lead, first.blank = [], False

    def collection(self, found: Collection, indent: int, order: tuple[str, ...], *, apart: bool = False) -> None:
        """``apart``: an empty line between its entries."""
        own = order if found.is_mapping else ()
        for number, entry in enumerate(_ordered(found.entries, own)):
            blank = entry.blank
            _lift_comments(entry, order)
            if number == 0 and entry.lead:
                entry.lead[0].blank = False
            elif number == 0:
                blank = False
            elif apart:
                self._blank(True)
            self.comments(entry.lead, indent)
            self._blank(blank)
            if entry.key is None:
                self._item(entry, indent, order)
            else:
                self._pair(entry, entry.key, indent, order)
        self.comments(found.dangling, indent)

    def comments(self, comments: Sequence[Comment], indent: int) -> None:
        for comment in comments:
            self._blank(comment.blank)
            self._line(indent, comment.text)

    def word(self, start: str, leaf: Leaf, tail: Comment | None, indent: int) -> None:
        """A line that begins with ``start`` and goes on with a word, over several lines if it has them."""
        first, *others = _text(leaf).split("\n")
        line = self._line(indent, " ".join(filter(None, [start, *leaf.properties, _trimmed(first, leaf)])))
        base = len(line) - len(line.lstrip(" "))
        if leaf.style in ("|", ">"):
            self._add_tail(tail)
            self.lines += [" " * (indent + _STEP) + other if other else "" for other in others]
            self.is_open = leaf.keeps_blank_lines
            return
        self.lines += [_continued(other, leaf, base, indent) for other in others]
        self._add_tail(tail)

    def _pair(self, entry: Entry, key: Leaf, indent: int, order: tuple[str, ...]) -> None:
        name = " ".join([*key.properties, _text(key)]) + (" :" if key.style == "*" else ":")
        if isinstance(entry.value, Leaf):
            self.word(name, entry.value, entry.tail, indent)
            return
        self._line(indent, " ".join([name, *entry.value.properties]))
        self._add_tail(entry.tail)
        below = order_below(order, entry.name) if not entry.value.is_mapping else ()
        self.collection(entry.value, indent + _STEP, below, apart=below == PHASE)

    def _item(self, entry: Entry, indent: int, order: tuple[str, ...]) -> None:
        value = entry.value
        if isinstance(value, Leaf):
            self.word("-", value, entry.tail, indent)
            return
        if value.properties or entry.tail:
            self._line(indent, " ".join(["-", *value.properties]))
            self._add_tail(entry.tail)
        else:
            self.prefix = f"{self.prefix or ' ' * indent}- "
        self.collection(value, indent + _STEP, order)

    def _line(self, indent: int, text: str) -> str:
        line = (self.prefix or " " * indent) + text
        self.prefix, self.is_open = "", False
        self.lines.append(line)
        return line

    def _add_tail(self, tail: Comment | None) -> None:
        """A comment at the end of the last line, in the column its author gave it where there is room."""
        if tail is not None:
            self.lines[-1] = f"{self.lines[-1].ljust(tail.column - _STEP)}  {tail.text}"

    def _blank(self, wanted: bool) -> None:
        if wanted and not self.is_open and self.lines and self.lines[-1] and not self.prefix:
            self.lines.append("")


def _continued(line: str, leaf: Leaf, base: int, indent: int) -> str:
    """A further line of a word: below its first one, or moved along with it."""
    bare = _trimmed(line.lstrip(" \t"), leaf)
    if not bare:
        return ""
    if leaf.style != "[":
        return " " * (indent + _STEP) + bare
    least = indent if bare[0] in "]}" else indent + _STEP
    return " " * max(len(line) - len(line.lstrip(" \t")) + base - leaf.column, least) + bare


def _trimmed(line: str, leaf: Leaf) -> str:
    """Without white space at its end, but for a blank that a backslash makes part of the text."""
    bare = line.rstrip(" \t")
    return line if bare.endswith("\\") and leaf.style in ('"', "[") else bare


def _lift_comments(entry: Entry, order: tuple[str, ...]) -> None:
    """Comments between a dash and the first key go above the dash."""
    outer = entry
    while entry.key is None and isinstance(entry.value, Collection) and not entry.value.properties and not entry.tail:
        entry = _ordered(entry.value.entries, order if entry.value.is_mapping else ())[0]
        outer.lead += entry.lead
        entry.lead = []


def _ordered(entries: list[Entry], order: tuple[str, ...]) -> list[Entry]:
    """In the order given, unknown keys last; as they stand where an alias would come to stand before its anchor."""
    if not order:
        return entries
    place = {key: number for number, key in enumerate(order)}
    ordered = sorted(entries, key=lambda entry: place.get(entry.name, len(order)))
    tied = [id(entry) for entry in entries if _places(entry)]
    return ordered if tied == [id(entry) for entry in ordered if _places(entry)] else entries


def _places(entry: Entry) -> int:
    """How many anchors and aliases stand in an entry."""
    value, key = entry.value, entry.key.places if entry.key else 0
    if isinstance(value, Leaf):
        return key + value.places
    return key + len(value.properties) + sum(map(_places, value.entries))


def _text(leaf: Leaf) -> str:
    """A word in the quotes it needs, which may be none."""
    value = leaf.value
    if value is None:
        return leaf.text
    if _is_plain(value):
        return value
    can_be_double = leaf.style == "'" and value.isprintable() and not {'"', "\\"} & set(value)
    return f'"{value}"' if can_be_double else leaf.text


def _is_plain(value: str) -> bool:
    """Whether a text reads alike without quotes, everywhere and at a glance. One that begins with a digit or a sign keeps them,
    and so does one with a template in it."""
    return (
        (value[:1].isalpha() or value[:1] in ("_", "/"))
        and value.isprintable()
        and not value.endswith((" ", ":"))
        and not any(sign in value for sign in (": ", " #", "{{", "{%"))
        and value.lower() not in _RESERVED
        and resolve(value) == value
        and not any(pattern.match(value) for _, pattern in Resolver.yaml_implicit_resolvers.get(value[0], ()))
    )
