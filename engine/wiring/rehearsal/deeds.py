"""What other people do in the lab while a run waits: any action, carried out there as the engine would, apart from the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from engine.actions.catalog import catalog
from engine.lab.overlay import lab_connections
from engine.language.secrets import SecretResolver
from engine.language.templates import Templates
from engine.model.args import BadArgument, builder_of
from engine.model.errors import ActionFailure, SwitchoverError
from engine.model.plan import split_address
from engine.model.run import RunState
from engine.model.scenario import Deed, Scenario
from engine.ports import Action, Binding
from engine.transports.keep import MemoryKeep
from engine.transports.outbox import FileOutbox
from engine.wiring.connections import Connections, Stores
from engine.wiring.rehearsal.engine import Inside, Manner, StandingClock, Timekeeper, in_a_process
from engine.wiring.rehearsal.place import Place
from engine.wiring.secrets import KnownSecrets

_LONGEST_S = 30.0


def carry_out(deed: Deed, place: Place, scenario: Scenario, state: RunState, keeper: Timekeeper) -> str:
    """Does it, in a process of its own, for it may leave threads behind; returns what went wrong, empty when nothing did. Raises
    ``SwitchoverError`` for arguments that are none."""

    def work(_inside: Inside) -> str:
        try:
            _do(deed, place, scenario, state, keeper)
        except ActionFailure as failure:
            return failure.why
        return ""

    ended = in_a_process(work, keeper, Manner())
    if ended.trouble is not None:
        raise ended.trouble
    return str(ended.result or "")


def _do(deed: Deed, place: Place, scenario: Scenario, state: RunState, keeper: Timekeeper) -> None:
    templates = Templates(place.project.templates, place.project.display)
    action: Action[Any, Any] = catalog([deed.action])[deed.action]
    context = {"steps": _steps(state)}
    raw = templates.compile_value(deed.args, scenario.document.source, (*deed.path, "with")).render(context)
    try:
        args = builder_of(action.Args)(raw)
    except BadArgument as wrong:
        raise SwitchoverError(f"{deed.action} cannot be done with this", str(wrong)) from wrong
    with_sessions = _sessions(place, scenario, templates, context, keeper)
    change = action.diff(args, action.observe(args, with_sessions(True)))
    if change is not None:
        action.apply(change, args, with_sessions(False), key=f"deed {deed.path}")


def _sessions(
    place: Place, scenario: Scenario, templates: Templates, context: Mapping[str, Any], keeper: Timekeeper
) -> Callable[[bool], Any]:
    secrets = KnownSecrets(SecretResolver(scenario.inventory, os.environ))
    outbox = FileOutbox(place.lab / "outbox-of-others", lambda: keeper.now)
    source = Connections(
        lab_connections(place.inventory.connections, place.lab), templates, secrets, StandingClock(keeper.now),
        Stores(MemoryKeep(), outbox, outbox.reading()), f"{place.inventory.customer}@others",
    )
    return lambda read_only: source.bind(Binding("others", context, secrets.redact, read_only, _LONGEST_S))


def _steps(state: RunState) -> dict[str, Any]:
    """``steps.NAME.outputs``, as runbooks have it; dashes of a name as underscores too."""
    found: dict[str, Any] = {}
    for address, item in state.items.items():
        name = split_address(address)[0].rpartition("/")[2]
        found[name] = found[name.replace("-", "_")] = {"outputs": dict(item.outputs), "status": item.status.value}
    return found
