"""How templates compile to Python: what Jinja writes, with a shorter way where a phone's file spends its time.

A file of ninety lines asks for some thirty fields of its item. Jinja's own code hands each piece of text over by itself, and
asks the environment for every field. What is written here does the same in little more than half the time: the pieces between
two statements are joined first, and a text or whole number that stands in a plain mapping is taken from it. Anything else, a
missing field above all, goes through the environment and its sandbox as before.
"""

from __future__ import annotations

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

_LOOP_FIELDS = {
    "index": "_o.index0 + 1",  # what the property says, without a call for every line of a phone's keys
    **{name: f"_o.{name}" for name in ("index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0")},
}
"""Whole numbers and yes-or-no that every loop has."""


class DirectCode(CodeGenerator):
    """For environments whose ``getattr`` and ``getitem`` give a mapping's field before an attribute, and never a ``Secret``."""

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802  # the name is Jinja's
        if frame.buffer is not None or frame.require_output_check or len(node.nodes) == 1:
            super().visit_Output(node, frame)
            return
        joined = frame.copy()
        self.buffer(joined)
        super().visit_Output(node, joined)
        self.writeline(f"yield ''.join({joined.buffer})")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
        if not _starts_with_name(node):
            super().visit_Getattr(node, frame)
        elif node.attr in _LOOP_FIELDS and isinstance(node.node, nodes.Name) and node.node.name == "loop":
            self._or_ask(node.node, frame, "LoopContext", _LOOP_FIELDS[node.attr], f"environment.getattr(_o, {node.attr!r})")
        else:
            self._field(node.node, node.attr, frame, "getattr")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) and _starts_with_name(node):
            self._field(node.node, node.arg.value, frame, "getitem")
        else:
            super().visit_Getitem(node, frame)

    def _field(self, of: nodes.Expr, name: str, frame: Frame, otherwise: str) -> None:
        found = f"dict and (type(_v := _o.get({name!r})) is str or type(_v) is int)"
        self._or_ask(of, frame, found, "_v", f"environment.{otherwise}(_o, {name!r})")

    def _or_ask(self, of: nodes.Expr, frame: Frame, kind: str, value: str, otherwise: str) -> None:
        # Both names are free: all of Jinja's own begin with a letter, but for _block_vars.
        self.write(f"({value} if type(_o := ")
        self.visit(of, frame)
        self.write(f") is {kind} else {otherwise})")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        super()._output_child_pre(node, frame, _needed(node, finalize))

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        super()._output_child_post(node, frame, _needed(node, finalize))


def _starts_with_name(node: nodes.Expr) -> bool:
    """Whether it is ``name.field`` or ``name.field.field``, and not a field of something Jinja works out while it compiles."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return isinstance(node, nodes.Name)


def _needed(node: nodes.Expr, finalize: CodeGenerator._FinalizeInfo) -> CodeGenerator._FinalizeInfo:
    """Without a call of ``finalize`` where the value cannot be a ``Secret``: fields are revealed when they are asked for, and
    sums are new values."""
    if isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Add | nodes.Sub | nodes.Concat) and finalize.src is not None:
        return finalize._replace(src=None)
    return finalize
