"""Values given with ``--set``, made into what the runbook's inputs declare."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from engine.language.nearest import did_you_mean, listed
from engine.language.secret_names import is_reference
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.runbook import Input, Runbook


def resolve_inputs(
    runbook: Runbook, given: Mapping[str, str], kept: Mapping[str, object] | None = None, *, all_given: bool = True
) -> Mapping[str, object]:
    """Every input of the runbook with its value: as given, else as ``kept`` from an earlier revision, else its default, else
    None. Of a secret, the reference to it.

    Raises ``InvalidInput`` with all problems: unknown names, wrong types, values outside the choices, and, when ``all_given``,
    missing ones.
    """
    problems = list(_unknown(runbook, given))
    values: dict[str, object] = {}
    for name, declared in runbook.inputs.items():
        if not all_given and name not in given:
            continue
        try:
            earlier = None if name in given or kept is None else kept.get(name)
            values[name] = _value(declared, given) if earlier is None else _fitting(declared, earlier)
        except ValueError as error:
            problems.append(Diagnostic("Wrong input", str(error)))
    if problems:
        raise InvalidInput(problems)
    return values


def _unknown(runbook: Runbook, given: Mapping[str, str]) -> Iterator[Diagnostic]:
    known = listed(runbook.inputs)
    for name in given:
        if name not in runbook.inputs:
            detail = f"The runbook {runbook.name} asks for no input {name!r} (--set {name}=...). " + (
                f"It asks for {known}." if known else "It asks for none."
            )
            yield Diagnostic("Unknown input", detail, hint=did_you_mean(name, runbook.inputs))


def _value(declared: Input, given: Mapping[str, str]) -> object:
    text = given.get(declared.name)
    if text is None:
        if declared.required and declared.type == "secret":
            return f"ask:{declared.name}"
        if declared.required:
            about = f" {declared.description}" if declared.description else ""
            raise ValueError(f"{declared.name!r} must be given: --set {declared.name}=VALUE.{about}")
        return declared.default
    value = _CONVERT[declared.type](declared.name, text)
    if declared.choices and value not in declared.choices:
        raise ValueError(f"{declared.name}={text} is given, but it must be one of {', '.join(map(str, declared.choices))}.")
    return value


def _fitting(declared: Input, value: object) -> object:
    """A value kept from an earlier revision. Raises ``ValueError`` when this revision would not take it."""
    types: tuple[type, ...] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}.get(declared.type, (str,))
    if type(value) not in types:
        raise ValueError(f"{declared.name!r} was given as {value!r}, and is of type {declared.type} now.")
    if declared.choices and value not in declared.choices:
        raise ValueError(f"{declared.name!r} was given as {value!r}, and must be one of {', '.join(map(str, declared.choices))}.")
    return value


def _string(_name: str, text: str) -> object:
    return text


def _integer(name: str, text: str) -> object:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}={text} is given, but it must be a whole number.") from None


def _number(name: str, text: str) -> object:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name}={text} is given, but it must be a number.")
    return value


def _boolean(name: str, text: str) -> object:
    found = {"true": True, "yes": True, "false": False, "no": False}.get(text.lower())
    if found is None:
        raise ValueError(f"{name}={text} is given, but it must be true or false.")
    return found


def _secret(name: str, text: str) -> object:
    if not is_reference(text):
        # Not a word of what was given: it may be the secret.
        raise ValueError(
            f"{name!r} is a secret, and a value given with --set would stay in the shell's history and show in the list of "
            f"processes. Give a reference to it (--set {name}=env:NAME), or leave it out if it is required, to be asked for it. "
            "Change the secret, if this was it."
        )
    return text


_CONVERT: Mapping[str, Callable[[str, str], object]] = {
    "string": _string, "integer": _integer, "number": _number, "boolean": _boolean, "secret": _secret,
}
