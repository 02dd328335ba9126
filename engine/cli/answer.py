"""``switchover answer``: fills in a form that a run waits for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli.acting import account_of, as_option, at_run, override_of, told
from engine.cli.options import override_option, parse_given
from engine.cli.output import data, say, wants_color
from engine.cli.prompt import ask
from engine.language.yaml_reader import parse_yaml
from engine.model.diagnostic import InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.gate import GateState
from engine.reporting.diagnostics import format_diagnostics
from engine.wiring.clock import SystemClock
from engine.wiring.gates import answer, answer_from, answer_problems, gate_at
from engine.wiring.order import Guarded
from engine.wiring.runs import load_pinned


@click.command("answer")
@click.argument("run")
@click.argument("address")
@as_option
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="One field of the form. May be repeated.")
@click.option("--file", type=click.Path(path_type=Path), help="The whole answer, YAML or JSON.")
@click.option("--correct", is_flag=True, help="Correct an answer given before: a new version, the old one stays on record.")
@click.option("--reason", default="", help="Why the order may be gone against; with --override.")
@override_option
def command(
    run: str, address: str, person: str, given: tuple[str, ...], file: Path | None, correct: bool, reason: str,
    override: str | None,
) -> int:
    """Answer the form of RUN at ADDRESS: from --file, from --set, or asked field by field at a terminal."""
    account, clock = account_of(person), SystemClock()
    with at_run(run) as (project, journal, state):
        gate = gate_at(state, address)
        allowed: list[Event] = []
        if correct and not gate.is_open:
            loaded = load_pinned(project, state, templates=False)
            allowed = Guarded(loaded.runbook, loaded.inventory, override_of(override, reason)).corrected(address)
        values = values_of(gate, given, file)
        told(journal, state.run, lambda found: [
            *allowed, *answer(found, address, account, clock.now(), values, correct=correct)
        ])
        data(f"Answered: {address} of run {state.run}")
    return 0


def values_of(gate: GateState, given: tuple[str, ...], file: Path | None) -> Mapping[str, Any]:
    """The answer: from a file, from single fields, or asked at the terminal. Raises ``InvalidInput`` pointing into the file."""
    if file is not None:
        document = answer_from(file)
        problems = answer_problems(gate, document)
        if problems:
            raise InvalidInput(problems)  # with their places in that file
        found: Mapping[str, Any] = document.data  # type: ignore[assignment]  # looked at by ``answer_from``
        return {**found, **_typed(gate, parse_given(given))}
    if given:
        return _typed(gate, parse_given(given))
    if not sys.stdin.isatty():
        raise SwitchoverError("Nobody is there to answer", "stdin is no terminal. Give --file FILE or --set NAME=VALUE.")
    return _asked(gate)


def _typed(gate: GateState, given: Mapping[str, str]) -> dict[str, Any]:
    """Text as what the form asks for: a number where a number is wanted, text where text is."""
    properties = gate.opened.ask.get("schema", {}).get("properties", {})
    return {name: _value(properties.get(name, {}), text) for name, text in given.items()}


def _value(schema: Mapping[str, Any], text: str) -> Any:
    kinds = schema.get("type", "string" if "enum" not in schema and "const" not in schema else None)
    if kinds == "string":
        return text
    return parse_yaml(text or '""', "the answer").data


def _asked(gate: GateState) -> dict[str, Any]:
    """Field by field, and again from the start with all that is wrong: a wrong answer fails nothing."""
    schema = gate.opened.ask.get("schema", {})
    answers: dict[str, str] = {}
    if gate.opened.ask.get("message"):
        say(str(gate.opened.ask["message"]))
    while True:
        for name, field in schema.get("properties", {}).items():
            answers[name] = ask(_question(name, field, name in schema.get("required", ())), answers.get(name, ""))
        values = _typed(gate, {name: text for name, text in answers.items() if text})
        problems = answer_problems(gate, parse_yaml(_yaml(values), "your answer"))
        if not problems:
            return values
        say(format_diagnostics(problems, color=wants_color(err=True)))


def _question(name: str, field: Mapping[str, Any], required: bool) -> str:
    about = str(field.get("description") or field.get("title") or "")
    choices = f" ({', '.join(map(str, field['enum']))})" if "enum" in field else ""
    return f"{name}{'' if required else ', optional'}{choices}{': ' + about if about else ''}"


def _yaml(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
