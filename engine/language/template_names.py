"""Which names an expression uses, read from its syntax tree: what the plan must wait for, and what nothing defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.meta import find_undeclared_variables

from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A name such as ``item.mac``: root ``item``, then the fields that follow. ``line`` counts from 1 within the text.

    ``is_guarded``: under ``default(...)`` or ``is defined``, so its last part may be missing.
    """

    root: str
    fields: tuple[str, ...]
    line: int
    is_guarded: bool = False


@dataclass(frozen=True, slots=True)
class References:
    """All names of an expression, a text or a nested value."""

    all: tuple[Reference, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Top-level names."""
        return frozenset(reference.root for reference in self.all)

    @property
    def steps(self) -> frozenset[str]:
        """Names of the steps whose results are used: ``steps.config.changed_at`` gives ``config``."""
        return frozenset(reference.fields[0] for reference in self.all if reference.root == "steps" and reference.fields)

    def __add__(self, other: References) -> References:
        return References(self.all + other.all) if self.all and other.all else (other if other.all else self)


NONE = References()
"""What a constant uses."""


def references_in(tree: nodes.Template) -> References:
    """The names a parsed template takes from outside."""
    found = tuple(reference for reference in _walk(tree, False) if reference.root not in DEFAULT_NAMESPACE)
    if any(True for _ in tree.find_all(_NAMING)):
        outside = find_undeclared_variables(tree)  # generates all the code anew: worth it only where names are made
        found = tuple(reference for reference in found if reference.root in outside)
    return References(found)


_NAMING = (
    nodes.For, nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.CallBlock, nodes.Import, nodes.FromImport, nodes.With,
    nodes.Block, nodes.Extends,
)
"""What gives a name a meaning of its own within a template."""


def included_in(tree: nodes.Template) -> tuple[tuple[str, int], ...]:
    """Files that a template includes or extends by a name that stands there, and that have to exist; each with its line."""
    named = [(node.template, node.lineno) for node in tree.find_all(nodes.Include) if not node.ignore_missing]
    named += [(node.template, node.lineno) for node in tree.find_all(nodes.Extends)]
    found = [(name.value, line) for name, line in named if isinstance(name, nodes.Const)]
    return tuple((name, line) for name, line in found if isinstance(name, str))


def assigned_in(tree: nodes.Template) -> frozenset[str]:
    """Names that a template sets itself: variables, loops, macros, imports."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names |= {node.name for node in tree.find_all(nodes.Macro)} | {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in node.names}
    return frozenset(names)


def meaning_of(tree: nodes.Template) -> str:
    """A template in a form of its own: text that comments part is one text."""
    for output in tree.find_all(nodes.Output):
        joined: list[nodes.Expr] = []
        for part in output.nodes:
            last = joined[-1] if joined else None
            if isinstance(part, nodes.TemplateData) and isinstance(last, nodes.TemplateData):
                joined[-1] = nodes.TemplateData(last.data + part.data)
            else:
                joined.append(part)
        output.nodes = joined
    return repr(tree)


def _walk(node: nodes.Node, guarded: bool) -> Iterator[Reference]:
    chain = chain_of(node)
    if chain is not None:
        yield Reference(chain[0], tuple(chain[1:]), node.lineno, guarded)
        return
    if _is_guard(node):
        inner: nodes.Node | None = node.node  # type: ignore[attr-defined]  # Filter and Test both have it
        others: Iterable[nodes.Node] = (child for child in node.iter_child_nodes() if child is not inner)
        if inner is not None:
            yield from _walk(inner, True)
    else:
        others = node.iter_child_nodes()
    for child in others:
        yield from _walk(child, False)


def _is_guard(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in ("default", "d")
    return isinstance(node, nodes.Test) and node.name in ("defined", "undefined")


def chain_of(node: nodes.Node) -> list[str] | None:
    """``['item', 'mac']`` for ``item.mac`` and ``item['mac']``; None for everything else."""
    if isinstance(node, nodes.Name):
        return [node.name] if node.ctx == "load" else None
    if isinstance(node, nodes.Getattr):
        name: object = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        name = node.arg.value
    else:
        return None
    inner = chain_of(node.node)
    return None if inner is None or not isinstance(name, str) else [*inner, name]


def path_of(tree: nodes.Template) -> tuple[str, ...] | None:
    """The chain of names when the whole text is one ``{{ a.b }}`` without filters or calls; None otherwise."""
    expression = whole_expression(tree)
    chain = chain_of(expression) if expression is not None else None
    return tuple(chain) if chain else None


def whole_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression when the whole text is one ``{{ ... }}``; None otherwise."""
    if len(tree.body) != 1 or not isinstance(output := tree.body[0], nodes.Output) or len(output.nodes) != 1:
        return None
    expression = output.nodes[0]
    return None if isinstance(expression, nodes.TemplateData) else expression
