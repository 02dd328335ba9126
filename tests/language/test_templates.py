"""Templates in arguments, conditions and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from engine.language.templates import Compiled, DependsOnLaterError, Templates
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.secret import Secret

ITEM = {"mac": "001565aabbcc", "label": "A & B", "extension": "0101", "tags": ["x", "y"], "items": "a column", "empty": None}
CONTEXT: Mapping[str, Any] = {
    "item": ITEM, "vars": MappingProxyType({"port": 5060}), "people": {"partner": {"name": "Pat"}}, "port": 5060,
    "password": Secret("hunter22"), "deep": {"secret": Secret("hunter22")},
}


class Later:
    """A result that is not known yet."""

    @property
    def changed_at(self) -> str:
        raise DependsOnLaterError("phones/config")


def compiled(text: str, key: str = "a") -> Compiled:
    document = parse_yaml(text, "r.yml")
    assert isinstance(document.data, dict)
    return Templates().compile_value(document.data[key], document.source, (key,))


def problem(text: str, context: Mapping[str, Any] = CONTEXT) -> Diagnostic:
    with pytest.raises(InvalidInput) as refused:
        compiled(text).render(context)
    (diagnostic,) = refused.value.diagnostics
    return diagnostic


def place(text: str) -> tuple[str, str]:
    """Where the problem is said to be, and the rest of the line from there."""
    found = problem(text)
    assert found.span is not None
    return f"{found.span.line}:{found.span.column}", found.line[found.span.column - 1 :]


@pytest.mark.parametrize(("raw", "value"), [
    ("{{ item.mac }}", "001565aabbcc"), ("{{ item.tags }}", ["x", "y"]), ("{{ item['mac'] }}", "001565aabbcc"),
    ("{{ port }}", 5060), ("{{ vars.port }}", 5060), ("{{ port + 1 }}", 5061), ("{{ port > 5000 }}", True),
    ("{{ item.empty }}", None), ("{{ [] }}", []),
    ("{{- item.mac -}}", "001565aabbcc"), ("{{ item.mac }}.cfg", "001565aabbcc.cfg"), (" {{ port }}", " 5060"),
    ("{{ item.mac | mac_colons }}", "00:15:65:aa:bb:cc"),
    ("{% if port %}yes{% endif %}", "yes"), ("{{ item.extension }}", "0101"),
    ("{{ item.nope | default('x') }}", "x"), ("{{ item.nope is defined }}", False), ("{{ item.items }}", "a column"),
    ("{{ {'a': port} }}", {"a": 5060}), ("{{ item.tags | join(',') }}", "x,y"), ("{{ item.label }}", "A & B"),
])
def test_a_whole_expression_gives_its_value_and_anything_else_text(raw: str, value: object) -> None:
    """Types survive, extensions keep their zeros, and nothing is escaped in arguments."""
    assert compiled(f'a: "{raw}"').render(CONTEXT) == value


def test_nested_values_are_rendered_at_every_depth() -> None:
    """Lists and mappings may hold templates beside constants."""
    value = compiled('a: {b: ["{{ item.mac }}", 2, {c: "{{ port }}"}], d: true}')
    assert (value.render(CONTEXT), value.is_constant) == ({"b": ["001565aabbcc", 2, {"c": 5060}], "d": True}, False)


def test_what_holds_no_template_is_constant() -> None:
    """It is handed out as it is, whatever the context."""
    value = compiled("a: {b: [1, x], c: '{ not one }'}")
    assert (value.is_constant, value.render({})) == (True, {"b": [1, "x"], "c": "{ not one }"})


def test_secrets_come_out_in_clear() -> None:
    """A phone cannot register with three asterisks; who shows the result masks it."""
    raws = ("{{ password }}", "p={{ password }}", "{{ deep.secret | upper }}")
    texts = [compiled(f'a: "{raw}"').render(CONTEXT) for raw in raws]
    assert texts == ["hunter22", "p=hunter22", "HUNTER22"]


@pytest.mark.parametrize(("text", "where"), [
    ('a: "{{ item.extention }}"', ("1:13", 'extention }}"')),
    ('b: 1\na: "x {{ itme.mac }}"', ("2:10", 'itme.mac }}"')),
    ("a: |\n  one\n  {{ item.mac }}\n  two {{ item.lable }}\n", ("4:15", "lable }}")),
    ("a: |-\n\n  {% if port %}\n    {{ nothing }}\n  {% endif %}\n", ("4:8", "nothing }}")),
    ("a: >\n  one\n  two {{ item.lable }}\n", ("3:15", "lable }}")),
    ('a: "one\n  two {{ item.lable }}"\n', ("2:15", 'lable }}"')),
    ('a: "{{ item.mac"', ("1:4", '"{{ item.mac"')),
    ("a: |\n  fine\n  {{ item.mac }\n", ("3:3", "{{ item.mac }")),
    ('a: "{{ item.mac | mac_dashs }}"', ("1:19", 'mac_dashs }}"')),
    ('a: [1, {b: "{{ item.lable }}"}]', ("1:21", 'lable }}"}]')),
])
def test_an_error_points_at_the_word_in_the_yaml_file(text: str, where: tuple[str, str]) -> None:
    """Whatever way the text was quoted, wrapped or nested."""
    assert place(text) == where


@pytest.mark.parametrize(("raw", "summary", "said"), [
    ("{{ item.extention }}", "Unknown name", "item has no field 'extention'."),
    ("{{ people.partner.email }}", "Unknown name", "people.partner has no field 'email'."),
    ("{{ item.empty.name }}", "Unknown name", "item.empty is empty, so it has no field 'name'."),
    ("{{ itme }}", "Unknown name", "Nothing is called 'itme' here."),
    ("{{ ''.__class__ }}", "Not allowed in a template", "Templates may only read"),
    ("{{ item.tags.append('z') }}", "Not allowed in a template", "Access to attribute 'append'"),
    ("{{ 1 / 0 }}", "Template failed", "ZeroDivisionError"),
    ("{{ item.label | mac_upper }}", "Template failed", "'A & B' is no MAC address of 12 hex digits."),
    ("{{ item.mac is good }}", "Unknown test", "no test called 'good'"),
])
def test_each_failure_is_said_in_the_operators_words(raw: str, summary: str, said: str) -> None:
    """What is wrong with which value."""
    found = problem(f'a: "{raw}"')
    assert (found.summary, said in found.detail) == (summary, said in found.detail or found.detail)


def test_a_near_name_is_offered() -> None:
    """For fields, top-level names and filters alike."""
    hints = [problem(f'a: "{{{{ {raw} }}}}"').hint for raw in ("item.extention", "itme.mac", "item.mac | mac_uper")]
    assert hints == ["Did you mean 'extension'?", "Did you mean 'item'?", "Did you mean 'mac_upper'?"]


def test_the_sandbox_cannot_change_what_it_is_given() -> None:
    """Neither by method nor by item."""
    with pytest.raises(InvalidInput):
        compiled('a: "{{ item.update({}) }}"').render(CONTEXT)
    assert ITEM["mac"] == "001565aabbcc"


def test_what_is_not_known_yet_is_passed_on() -> None:
    """The plan then says what it waits for, instead of failing."""
    for raw in ("{{ steps.config.changed_at }}", "at {{ steps.config.changed_at }}"):
        with pytest.raises(DependsOnLaterError) as later:
            compiled(f'a: "{raw}"').render({"steps": {"config": Later()}})
        assert later.value.step == "phones/config"


@pytest.mark.parametrize(("expression", "holds"), [
    ("item.mac", True), ("item.empty", False), ("item.extension == '0101'", True), ("not item.tags", False), ("true", True),
    ("'x' in item.tags and port > 5000", True), ("item.nope is defined", False),
])
def test_a_condition_is_an_expression(expression: str, holds: bool) -> None:
    """Written without braces, true by Jinja's rules."""
    document = parse_yaml(f'when: "{expression}"', "r.yml")
    assert Templates().compile_condition(expression, document.source, ("when",)).holds(CONTEXT) is holds


@pytest.mark.parametrize(("expression", "summary"), [
    ("{{ item.mac }}", "Braces in a condition"), ("item.mac ==", "Template syntax error"), ("", "Template syntax error"),
    ("item.mac }} x {{ port", "Braces in a condition"), ("item.mac }} x", "Template syntax error"),
])
def test_a_condition_that_is_none_is_refused_when_compiled(expression: str, summary: str) -> None:
    """Not when the first item comes along."""
    document = parse_yaml(f"when: '{expression}'", "r.yml")
    with pytest.raises(InvalidInput) as refused:
        Templates().compile_condition(expression, document.source, ("when",))
    assert refused.value.diagnostics[0].summary == summary


def test_references_tell_steps_names_and_guards() -> None:
    """What the plan waits for and what the semantic check looks up; loop variables and Jinja's own names are neither."""
    value = compiled("""a: |
  {{ steps.config.changed_at }} {{ steps['old'].ok }} {{ item.x | default(vars.y) }} {{ item.z is defined }}
  {% for tag in item.tags %}{{ tag.name }}{{ range(3) }}{% endfor %}
""")
    references = value.references
    guarded = {".".join([r.root, *r.fields]) for r in references.all if r.is_guarded}
    assert (references.steps, references.names, guarded) == (
        frozenset({"config", "old"}), frozenset({"steps", "item", "vars"}), {"item.x", "item.z"},
    )


# ---------------------------------------------------------------- files


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    files = {
        "phone.cfg.j2": "#!version\n{% for n in range(2) %}\nline {{ n }}\n{% endfor %}\nlabel = {{ item.label }}\n",
        "phone.xml.j2": '<user name="{{ item.label }}" pass="{{ password }}"/>\n',
        "bad.cfg.j2": "one\n{% if port %}\n  {{ item.lable }}\n{% endif %}\n",
        "broken.cfg.j2": "one\n{% if port %}\ntwo\n",
        "outer.cfg.j2": "{% include 'bad.cfg.j2' %}\n",
        "strange.cfg.j2": "{% include 'nowhere.j2' %}\n",
        "later.cfg.j2": "{{ steps.config.changed_at }}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def in_file(folder: Path, name: str) -> Diagnostic:
    with pytest.raises(InvalidInput) as refused:
        Templates([folder], lambda path: path.name).render_file(name, CONTEXT)
    return refused.value.diagnostics[0]


def test_a_file_is_rendered_with_its_last_line_and_without_block_lines(folder: Path) -> None:
    """Statements leave no blank lines behind; the final line break stays, as phones insist on it."""
    assert Templates([folder]).render_file("phone.cfg.j2", CONTEXT) == "#!version\nline 0\nline 1\nlabel = A & B\n"


def test_values_are_escaped_in_xml_files(folder: Path) -> None:
    """An ampersand in a label does not break the phone's parser."""
    assert Templates([folder]).render_file("phone.xml.j2", CONTEXT) == '<user name="A &amp; B" pass="hunter22"/>\n'


@pytest.mark.parametrize(("name", "where", "summary"), [
    ("bad.cfg.j2", "bad.cfg.j2:3:11", "Unknown name"),
    ("outer.cfg.j2", "bad.cfg.j2:3:11", "Unknown name"),
    ("broken.cfg.j2", "broken.cfg.j2:3:1", "Template syntax error"),
    ("strange.cfg.j2", "strange.cfg.j2:1:13", "Template file not found"),
    ("phnoe.cfg.j2", "None", "Template file not found"),
    ("../phone.cfg.j2", "None", "Template file not found"),
])
def test_an_error_points_into_the_template_file(folder: Path, name: str, where: str, summary: str) -> None:
    """The innermost file at its own line, for syntax as for names; a name cannot lead out of the folders."""
    found = in_file(folder, name)
    assert (str(found.span), found.summary) == (where, summary)


def test_a_file_that_is_not_utf8_is_named(folder: Path) -> None:
    """Read like every other file."""
    (folder / "old.cfg.j2").write_bytes(b"a\nb\xe9\n")
    found = in_file(folder, "old.cfg.j2")
    assert (found.summary, str(found.span)) == ("File is not UTF-8", "old.cfg.j2:2:2")


def test_a_file_can_wait_for_a_step(folder: Path) -> None:
    """As arguments can."""
    with pytest.raises(DependsOnLaterError):
        Templates([folder]).render_file("later.cfg.j2", {"steps": {"config": Later()}})
    file = Templates([folder]).file("later.cfg.j2")
    assert file is not None
    assert file.references.steps == {"config"}


def test_the_first_folder_wins_and_the_digest_sees_every_change(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A project's own file replaces the shipped one of the same name."""
    own = tmp_path_factory.mktemp("own")
    before = Templates([own, folder]).digest()
    (own / "phone.cfg.j2").write_text("mine\n")
    templates = Templates([own, folder])
    assert (templates.render_file("phone.cfg.j2", CONTEXT), before == templates.digest()) == ("mine\n", False)
    assert (templates.has("bad.cfg.j2"), templates.has("nowhere"), "phone.xml.j2" in templates.names()) == (True, False, True)


def test_a_files_syntax_can_be_checked_without_an_item(folder: Path) -> None:
    """So that validate finds it at five in the afternoon and not at nine."""
    templates = Templates([folder], lambda path: path.name)
    assert ([str(d.span) for d in templates.check_file("broken.cfg.j2")], templates.check_file("bad.cfg.j2")) == (
        ["broken.cfg.j2:3:1"], [],
    )


def test_a_template_is_read_once(folder: Path) -> None:
    """For any number of items, and a run keeps the text it began with."""
    templates = Templates([folder])
    templates.render_file("phone.cfg.j2", CONTEXT)
    (folder / "phone.cfg.j2").write_text("changed meanwhile\n")
    assert templates.render_file("phone.cfg.j2", CONTEXT).startswith("#!version")
