"""Templates: arguments, conditions and whole files, sandboxed, strict, and compiled once for any number of items.

A value without templates costs nothing. A text that is one whole ``{{ expression }}`` gives the value itself (a list stays a
list); any other gives text. ``item.mac`` and its like, the bulk of all arguments, are looked up without running a template.

Jinja's loops, tests and filters are all there, with ``template_filters`` beside them. A name nothing defines is an error, never
an empty string. Secrets come out in clear, because a phone's file needs them; whoever shows a result masks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from jinja2 import BaseLoader, Environment, Template, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.runtime import Context as JinjaContext
from jinja2.runtime import new_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.language.condition_parts import spelled
from engine.language.nearest import did_you_mean
from engine.language.template_code import DirectCode
from engine.language.template_errors import Undefined, Words, describe, file_diagnostic, template_line, yaml_diagnostic
from engine.language.template_filters import FILTERS
from engine.language.template_names import (
    NONE,
    References,
    assigned_in,
    included_in,
    meaning_of,
    path_of,
    references_in,
    whole_expression,
)
from engine.language.yaml_reader import decode, read_bytes
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.plan import digest
from engine.model.secret import Secret
from engine.model.source import DataPath, SourceMap
from engine.model.values import dataclass

Context = Mapping[str, Any]
"""Top-level name -> value."""

# Their values land in XML and HTML attributes, where a bare & or < breaks the phone's parser.
_ESCAPED = (".xml.j2", ".html.j2", ".xml", ".html", ".cnf.xml.j2")


class DependsOnLaterError(Exception):
    """A template touched what an earlier step has yet to find out. Raised by the values the context holds for such results,
    and passed on by everything here. ``step``: what has to end first."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class _Environment(ImmutableSandboxedEnvironment):
    """Looks a field of a mapping up before an attribute: an item may well have a column called ``items``. That is also
    three times quicker than the sandbox's way, which tries the attribute first and weighs each for safety; so the sandbox
    that also forbids changing lists and mappings, which all items share, costs nothing more.

    Whether an attribute is safe depends on the object's type and the attribute's name alone, so it is weighed once for each,
    and remembered where the value is a plain word or number: ``loop.index`` is asked for in every line of a phone's keys."""

    code_generator_class = DirectCode

    _safe: ClassVar[set[tuple[type, str]]] = set()

    def getattr(self, obj: Any, attribute: str) -> Any:
        kind = type(obj)
        if (kind, attribute) in self._safe:
            value = getattr(obj, attribute, None)
            if type(value) in _PLAIN:
                return value
        is_mapping = kind is dict or isinstance(obj, Mapping)
        if is_mapping:
            try:
                value = obj[attribute]
            except KeyError:
                pass
            else:
                return value.reveal() if type(value) is Secret else value
        value = super().getattr(obj, attribute)
        if type(value) in _PLAIN and not is_mapping and self.is_safe_attribute(obj, attribute, value):
            self._safe.add((kind, attribute))
        return _revealed(value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _revealed(super().getitem(obj, argument))


_PLAIN = frozenset({str, int, float, bool})


def _revealed(value: Any) -> Any:
    return value.reveal() if type(value) is Secret else value


def _make_environment(loader: BaseLoader | None, autoescape: Callable[[str | None], bool] | bool) -> Environment:
    environment = _Environment(
        undefined=Undefined, loader=loader, autoescape=autoescape, finalize=_revealed, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, auto_reload=False, cache_size=-1,
    )
    environment.filters.update(FILTERS)
    return environment


@dataclass(frozen=True, slots=True)
class Compiled:
    """A value from a runbook, ready to be rendered for any number of items."""

    render: Callable[[Context], Any]
    """Gives the value. Raises ``InvalidInput`` at the place it was written, or ``DependsOnLaterError``."""
    is_constant: bool = False
    references: References = NONE


@dataclass(frozen=True, slots=True)
class Condition:
    """A ``when`` or ``where``."""

    holds: Callable[[Context], bool]
    """Raises as ``Compiled.render`` does."""
    references: References


@dataclass(frozen=True, slots=True)
class Operand:
    """A condition, or a part of one that is joined with others. ``joined``: ``and``, ``or``, ``not``; empty for what is not
    taken apart any further."""

    words: str
    condition: Condition
    joined: str = ""
    parts: tuple[Operand, ...] = ()


_JOINS: Mapping[type[nodes.Node], str] = {nodes.And: "and", nodes.Or: "or", nodes.Not: "not"}


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A template file: its text, the names it takes from outside, the files it includes or extends (each with the line), and the
    names it sets, which those see."""

    display: str
    text: str
    references: References
    includes: tuple[tuple[str, int], ...]
    assigned: frozenset[str]


@dataclass(slots=True)
class Templates:
    """All templates of a run. ``folders``: where template files are, the first that has a name wins; ``display``: how
    errors name a file. Safe to use from several threads."""

    folders: Sequence[Path] = ()
    display: Callable[[Path], str] = str
    _values: Environment = field(init=False, repr=False)
    _files: Environment = field(init=False, repr=False)
    _compiled: dict[str, Template] = field(default_factory=dict, init=False, repr=False)
    _ready: dict[str, tuple[Callable[[Context], Any], References]] = field(default_factory=dict, init=False, repr=False)
    """Text of a value -> what renders it: a runbook is checked before it is worked, and each compiling is a millisecond."""
    _taken_apart: dict[str, TemplateFile] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._values = _make_environment(None, False)
        self._files = _make_environment(_FileLoader(self), _is_escaped)

    def beside(self, folders: Sequence[Path], display: Callable[[Path], str]) -> Templates:
        """Those of another revision: files of their own, but a value that both have is compiled once."""
        other = Templates(folders, display)
        other._values, other._ready = self._values, self._ready  # of the same class
        return other

    # ------------------------------------------------------------ values

    def compile_value(self, raw: object, source: SourceMap, path: DataPath) -> Compiled:
        """Prepares a value of any depth that stands at ``path`` in ``source``. Raises ``InvalidInput`` for a syntax error."""
        if isinstance(raw, str):
            return self._text(raw, source, path) if has_template(raw) else Compiled(lambda _: raw, is_constant=True)
        if isinstance(raw, Mapping):
            return _mapping({key: self.compile_value(value, source, (*path, key)) for key, value in raw.items()}, raw)
        if isinstance(raw, list | tuple):
            return _sequence([self.compile_value(value, source, (*path, index)) for index, value in enumerate(raw)], raw)
        return Compiled(lambda _: raw, is_constant=True)

    def compile_condition(self, expression: str, source: SourceMap, path: DataPath) -> Condition:
        """Prepares a ``when`` or ``where``: an expression without braces. Raises ``InvalidInput`` for a syntax error."""
        if has_template(expression):
            words = Words("Braces in a condition", "A condition is an expression already. Write it without {{ }}.", "", "{{")
            raise InvalidInput([yaml_diagnostic(words, source, path, 1)])
        # One line keeps Jinja's line numbers; block scalars may have several.
        tree = self._parse("{{ " + expression.rstrip("\n") + " }}", source, path)
        evaluate = self._native(tree, source, path)
        if evaluate is None:
            words = Words("Template syntax error", "A condition is one expression, such as: item.vendor == 'yealink'.")
            raise InvalidInput([yaml_diagnostic(words, source, path, 1)])
        references = references_in(tree)
        return Condition(_at_yaml(lambda context: bool(evaluate(context)), source, path, references), references)

    def compile_operands(self, expression: str, source: SourceMap, path: DataPath) -> Operand:
        """A ``when`` or ``where`` taken apart, each part of it a condition of its own. Raises as ``compile_condition`` does."""
        tree = self._parse("{{ " + expression.rstrip("\n") + " }}", source, path)
        node = whole_expression(tree)
        if node is None:
            return Operand(expression.strip(), self.compile_condition(expression, source, path))
        return replace(self._operand(node, source, path), words=expression.strip())

    def _operand(self, node: nodes.Expr, source: SourceMap, path: DataPath) -> Operand:
        tree = nodes.Template([nodes.Output([node], lineno=node.lineno)], lineno=1)
        tree.set_environment(self._values)
        evaluate, references = self._native(tree, source, path), references_in(tree)
        assert evaluate is not None  # noqa: S101  # it is one whole expression
        run = evaluate
        condition = Condition(_at_yaml(lambda context: bool(run(context)), source, path, references), references)
        joined = _JOINS.get(type(node), "")
        inner = [node.node] if isinstance(node, nodes.Not) else _flattened(node, type(node)) if joined else []
        return Operand(spelled(node), condition, joined, tuple(self._operand(part, source, path) for part in inner))

    def _text(self, raw: str, source: SourceMap, path: DataPath) -> Compiled:
        ready = self._ready.get(raw)
        if ready is None:
            tree = self._parse(raw, source, path)
            native = self._native(tree, source, path) or _joined(self._compile(tree, source, path))
            ready = self._ready[raw] = native, references_in(tree)
        return Compiled(_at_yaml(ready[0], source, path, ready[1]), references=ready[1])

    def _parse(self, text: str, source: SourceMap, path: DataPath) -> nodes.Template:
        try:
            return self._values.parse(text)
        except Exception as error:  # noqa: BLE001  # whatever Jinja's parser raises, the text is at fault
            raise InvalidInput([yaml_diagnostic(describe(error, {}), source, path, template_line(error)[1])]) from None

    def _native(self, tree: nodes.Template, source: SourceMap, path: DataPath) -> Callable[[Context], Any] | None:
        """For a whole ``{{ expression }}``: gives its value as it is. None for anything else."""
        expression = whole_expression(tree)
        if expression is None:
            return None
        assign = nodes.Assign(nodes.Name("result", "store"), expression, lineno=expression.lineno)
        body = nodes.Template([assign], lineno=1)
        body.set_environment(self._values)
        run = _evaluated(self._compile(body, source, path))
        names = path_of(tree)
        return _looked_up(names, run) if names else run

    def _compile(self, tree: nodes.Template, source: SourceMap, path: DataPath) -> Template:
        try:
            return self._template(tree)
        except Exception as error:  # noqa: BLE001  # an unknown filter or test shows only now
            raise InvalidInput([yaml_diagnostic(describe(error, {}), source, path, template_line(error)[1])]) from None

    def _template(self, tree: nodes.Template) -> Template:
        code = self._values.compile(tree)
        return Template.from_code(self._values, code, self._values.make_globals(None))

    # ------------------------------------------------------------ files

    def render_file(self, name: str, context: Context) -> str:
        """The text of a template file. ``name`` is relative to a template folder. Raises ``InvalidInput`` pointing at the
        file and line at fault, ``DependsOnLaterError`` when it needs what is not known yet."""
        try:
            template = self._compiled.get(name)
            if template is None:
                template = self._compiled[name] = self._files.get_template(name)
            return "".join(template.root_render_func(_bound(template, context)))
        except (InvalidInput, DependsOnLaterError):
            raise
        except Exception as error:  # noqa: BLE001  # anything a template does wrong is the template's
            raise InvalidInput([self._in_file(error, name, context)]) from None

    def has(self, name: str) -> bool:
        """Whether a template file of this name exists."""
        return self.find(name) is not None

    def find(self, name: str) -> Path | None:
        """The file a name stands for; None when there is none, or when it leads out of the folders."""
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/"):
            return None
        return next((path for folder in self.folders if (path := folder.joinpath(*parts)).is_file()), None)

    def names(self) -> list[str]:
        """Every template file, sorted."""
        found = {path.relative_to(folder).as_posix() for folder in self.folders for path in _files_below(folder)}
        return sorted(found)

    def digest(self) -> str:
        """Identifies names and contents of all template files."""
        return digest([(name, path.read_bytes().hex()) for name in self.names() if (path := self.find(name)) is not None])

    def check_file(self, name: str) -> list[Diagnostic]:
        """Syntax errors of a template file; nothing when it is fine."""
        try:
            self._files.get_template(name)
        except InvalidInput as error:
            return list(error.diagnostics)
        except Exception as error:  # noqa: BLE001  # as in render_file
            return [self._in_file(error, name, {})]
        return []

    def file(self, name: str) -> TemplateFile | None:
        """A template file taken apart, once; None when there is none of this name. Raises ``InvalidInput`` for a syntax error."""
        known = self._taken_apart.get(name)
        path = self.find(name) if known is None else None
        if known is not None or path is None:
            return known
        try:
            text, _, _ = _FileLoader(self).get_source(self._files, name)
            tree = self._files.parse(text, name)
        except InvalidInput:
            raise
        except Exception as error:  # noqa: BLE001  # as in render_file
            raise InvalidInput([self._in_file(error, name, {})]) from None
        found = TemplateFile(self.display(path), text, references_in(tree), included_in(tree), assigned_in(tree))
        self._taken_apart[name] = found
        return found

    def meaning(self, name: str) -> str:
        """The same for template files that differ in Jinja's comments, or in spaces inside its braces, alone; empty when there is
        none. Raises ``InvalidInput`` for a syntax error."""
        file = self.file(name)
        return "" if file is None else meaning_of(self._files.parse(file.text, name))

    def _in_file(self, error: Exception, name: str, context: Context) -> Diagnostic:
        file, line = template_line(error)
        text = _content(Path(file)) if file is not None else ""
        words = describe(error, context, self._references_on(text, line))
        if file is None:
            hint = did_you_mean(name, self.names()) if isinstance(error, TemplateNotFound) else ""
            return Diagnostic(words.summary, words.detail, None, "", hint or words.hint)
        return file_diagnostic(words, self.display(Path(file)), text, line)

    def _references_on(self, text: str, line: int) -> References:
        try:
            found = references_in(self._files.parse(text))
        except TemplateSyntaxError:
            return NONE
        return References(tuple(reference for reference in found.all if reference.line == line))


class _FileLoader(BaseLoader):
    """Reads template files the way every other file is read: UTF-8, bounded, with a diagnostic when that fails."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        path = self._templates.find(template)
        if path is None:
            raise TemplateNotFound(template)
        display = self._templates.display(path)
        return decode(read_bytes(path, display), display), str(path), None


def has_template(text: str) -> bool:
    """Whether a text holds anything to render."""
    return "{{" in text or "{%" in text


def _flattened(node: nodes.Node, kind: type[nodes.Node]) -> list[nodes.Expr]:
    """``a and b and c`` as three, though it is written as two in two."""
    if isinstance(node, kind) and isinstance(node, nodes.And | nodes.Or):
        return [*_flattened(node.left, kind), *_flattened(node.right, kind)]
    return [node] if isinstance(node, nodes.Expr) else []


def _is_escaped(name: str | None) -> bool:
    return name is not None and name.endswith(_ESCAPED)


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _bound(template: Template, context: Context) -> JinjaContext:
    """What ``Template.new_context`` gives. That copies Jinja's own names one by one, for each rendering, from a chain of mappings
    that for us has a single link."""
    environment = template.environment
    names = {**environment.globals, **context}
    return new_context(environment, template.name, template.blocks, names, shared=True, globals=environment.globals)


def _joined(template: Template) -> Callable[[Context], Any]:
    def run(context: Context) -> Any:
        return "".join(template.root_render_func(_bound(template, context)))

    return run


def _evaluated(template: Template) -> Callable[[Context], Any]:
    def run(context: Context) -> Any:
        bound = _bound(template, context)
        for _ in template.root_render_func(bound):
            pass
        return _settled(bound.vars["result"])

    return run


def _settled(value: Any) -> Any:
    """The value, once it is sure that it exists. Secrets inside come out in clear."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is Undefined:
        str(value)  # fails, and says why
    if kind is dict:
        return {key: _settled(inner) for key, inner in value.items()}
    if kind is list or kind is tuple:
        return [_settled(inner) for inner in value]
    return _revealed(value)


def _looked_up(names: tuple[str, ...], otherwise: Callable[[Context], Any]) -> Callable[[Context], Any]:
    root, *fields = names

    def run(context: Context) -> Any:
        value: Any = context
        try:
            value = value[root]
            for name in fields:
                if type(value) is not dict:
                    return otherwise(context)
                value = value[name]
        except KeyError:
            # The template itself knows best how to fail.
            return otherwise(context)
        return _settled(value)

    return run


def _at_yaml(
    run: Callable[[Context], Any], source: SourceMap, path: DataPath, references: References
) -> Callable[[Context], Any]:
    """``run``, whose failures point at where the text stands."""

    def guarded(context: Context) -> Any:
        try:
            return run(context)
        except (InvalidInput, DependsOnLaterError):
            raise
        except Exception as error:  # noqa: BLE001  # anything a template does wrong is the template's
            words = describe(error, context, references)
            raise InvalidInput([yaml_diagnostic(words, source, path, template_line(error)[1])]) from None

    return guarded


def _mapping(parts: Mapping[str, Compiled], raw: Mapping[str, object]) -> Compiled:
    if all(part.is_constant for part in parts.values()):
        return Compiled(lambda _: raw, is_constant=True)
    renderers = [(key, part.render) for key, part in parts.items()]
    references = sum((part.references for part in parts.values()), NONE)
    return Compiled(lambda context: {key: render(context) for key, render in renderers}, references=references)


def _sequence(parts: Sequence[Compiled], raw: Sequence[object]) -> Compiled:
    if all(part.is_constant for part in parts):
        return Compiled(lambda _: raw, is_constant=True)
    renderers = [part.render for part in parts]
    references = sum((part.references for part in parts), NONE)
    return Compiled(lambda context: [render(context) for render in renderers], references=references)
