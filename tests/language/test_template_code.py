"""Our shorter code against Jinja's own: the same text, or the same error, for whatever a template may say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from jinja2.compiler import CodeGenerator

from engine.language import templates
from engine.language.templates import Templates
from engine.model.diagnostic import InvalidInput
from engine.model.secret import Secret

CONTEXT: Mapping[str, Any] = {
    "item": {
        "mac": "001565aabbcc", "label": "A & B", "items": "a column", "port": 5060, "empty": None, "on": True, "tags": ["x", "y"],
        "keys": [{"type": 16, "value": "101"}, {"type": 15, "value": "102"}], "site": {"name": "Main", "sub": {"deep": "er"}},
    },
    "frozen": MappingProxyType({"name": "kept", "secret": Secret("hunter22")}),
    "password": Secret("hunter22"), "vars": {"password": Secret("hunter22")}, "words": [Secret("hunter22"), "plain"],
    "loops": {"index": "not a loop"},
}

SOUND = {
    "fields": "{{ item.mac }} {{ item['label'] }} {{ item.port }} {{ item.empty }} {{ item.on }} {{ item.site.sub.deep }}",
    "columns named like methods": "{{ item.items }} {{ item['keys'][1].value }} {{ item.keys[0]['type'] }}",
    "methods": "{{ item.mac.upper() }} {{ item.site.keys() | join }} {{ item.get('mac') }} {{ item.mac[0] }} {{ item.tags[1] }}",
    "mappings that are no dict": "{{ frozen.name }} {{ frozen['name'] }} {{ frozen.secret }} {{ frozen['secret'] }}",
    "secrets": "{{ password }} {{ vars.password }} {{ vars['password'] }} {% for w in words %}{{ w }} {% endfor %}{{ words[0] }}",
    "secrets past filters": "{{ none | default(password, true) }} {{ vars.nope | default(password) }} {{ words | first }}",
    "sums": "{{ item.port + 1 }} {{ item.port - 1 }} {{ item.mac ~ '.cfg' }} {{ item.port * 2 }} {{ 'a' + 'b' }}",
    "loops": "{% for k in item['keys'] %}{{ loop.index }}{{ loop.index0 + 1 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}"
             "{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.cycle('a', 'b') }}{{ k.value }}\n"
             "{% endfor %}",
    "loops over some": "{% for k in item['keys'] if k.type == 15 %}{{ loop.index }} {{ k.value }}{% else %}none{% endfor %}",
    "loops in loops": "{% for a in item.tags %}{% set outer = loop %}{% for b in item.tags %}{{ outer.index }}{{ loop.index }} "
                      "{% endfor %}{% endfor %}",
    "another thing called loop": "{% with loop = loops %}{{ loop.index }} {{ loop.index | upper }}{% endwith %}",
    "recursion": "{% for k in [[1, 2], 3] recursive %}{{ k if k is number else loop(k) }}-{{ loop.depth }} {% endfor %}",
    "macros": "{% macro m(a, b=item.mac) %}<{{ a.name }}{{ b }}{{ caller() if caller is defined else '' }}>{% endmacro %}"
              "{{ m(item.site) }}{% call m(item.site, 'b') %}in{{ item.mac }}{% endcall %}",
    "blocks of text": "{% set t %}a {{ item.mac }} b{% endset %}{{ t }}{% filter upper %}x {{ item.mac }}{% endfilter %}",
    "defaults": "{{ item.nope | default('x') }} {{ item.nope is defined }} {{ nope is defined }} {{ item.site.nope | d('y') }}",
    "includes": "a {{ item.mac }}{% include 'part.j2' %}{% include ['nope.j2', 'part.j2'] without context %} {{ item.mac }} b",
    "inheritance": "{% extends 'base.j2' %}{% block body %}own {{ item.mac }} {{ super() }}{% endblock %}",
    "inheritance, perhaps": "{% if item.on %}{% extends 'base.j2' %}{% endif %}{{ item.mac }} {{ item.label }}",
    "imports": "{% from 'macros.j2' import twice %}{{ twice(item.mac) }} {{ item.mac }}",
    "escaping": "{% autoescape true %}{{ item.label }} {{ item.label | safe }} {{ item.site.name ~ '<' }}{% endautoescape %}"
                "{{ item.label }}",
    "nothing but text": "a\nb\n",
}
BROKEN = {
    "a field that is missing": "line 1\n{{ item.mac }} {{ item.nope }}\n",
    "a field of a missing field": "{{ item.mac }}\n{{ item.nope.deeper }} {{ item.mac }}",
    "a name that is missing": "{{ item.mac }}\n\n{{ nope.field }} {{ item.mac }}",
    "a key that is missing": "{{ item.mac }} {{ item['nope'] }}",
    "what the sandbox forbids": "{{ item.mac }} {{ item.mac.__class__ }}",
    "what the sandbox forbids by key": "{{ item.mac }} {{ item['__class__'] }}",
    "changing what all share": "{{ item.mac }} {{ item.tags.append('z') }}",
    "a loop's own things": "{% for t in item.tags %}{{ t }} {{ loop._iterable }}{% endfor %}",
}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "part.j2").write_text("part {{ (item | default({})).mac | default('without') }} end\n")
    base = "top {{ item.mac }}\n{% block body %}base {{ item.label }} end{% endblock %} bottom {{ item.mac }}\n"
    (tmp_path / "base.j2").write_text(base)
    (tmp_path / "macros.j2").write_text("{% macro twice(x) %}{{ x }} {{ x }}{% endmacro %}")
    return tmp_path


def outcome(folder: Path, name: str) -> str:
    """The text, or what is said to be wrong with it, and where."""
    try:
        return Templates([folder]).render_file(name, CONTEXT)
    except InvalidInput as invalid:
        return "\n".join(f"{d.span} {d.line} {d.summary} {d.detail}" for d in invalid.diagnostics)


def in_jinjas_own_code(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(templates._Environment, "code_generator_class", CodeGenerator)
        return outcome(folder, name)


@pytest.mark.parametrize("what", SOUND)
def test_the_text_is_the_one_jinjas_own_code_gives(what: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the template does, in a text file and in one whose values are escaped."""
    for name in ("a.j2", "a.xml.j2"):
        (folder / name).write_text(SOUND[what])
        text = Templates([folder]).render_file(name, CONTEXT)
        assert text == in_jinjas_own_code(monkeypatch, folder, name)
        assert "***" not in text


@pytest.mark.parametrize("what", BROKEN)
def test_an_error_is_the_one_jinjas_own_code_makes(what: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same words, at the same line."""
    (folder / "a.j2").write_text(BROKEN[what])
    with pytest.raises(InvalidInput):
        Templates([folder]).render_file("a.j2", CONTEXT)
    assert outcome(folder, "a.j2") == in_jinjas_own_code(monkeypatch, folder, "a.j2")
