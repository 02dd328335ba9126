"""``switchover lab``: simulated systems on this machine, real servers on loopback, to rehearse against."""

from __future__ import annotations

import os
from pathlib import Path

import click

from engine.cli.options import inventory_option
from engine.cli.output import data, data_json, say
from engine.cli.planning import print_warnings
from engine.lab.control import LabStatus, add_fault, clear_faults, lab_down, lab_reset, lab_status, lab_up
from engine.lab.seed import seed_from
from engine.language.inventory_reader import load_inventory
from engine.language.secrets import SecretResolver
from engine.project import Project, find_project
from engine.wiring.loading import existing
from engine.wiring.secrets import KnownSecrets


@click.group("lab")
def command() -> None:
    """Simulated systems: TFTP, mail, carrier, platform, ticket desk, any REST API, phones, SSH. On loopback only."""


@command.command("up")
@inventory_option()
def up(inventory: Path) -> int:
    """Start the lab with a customer's phones, numbers and users in it, and what the APIs of its inventory hold."""
    project = find_project()
    status = start_lab(project, inventory)
    if status.already_up:
        say("The lab is already up. To start over with fresh state: switchover lab reset")
    print_status(status)
    return 0


@command.command("down")
def down() -> int:
    """Stop the lab's servers."""
    lab_down(find_project().lab)
    say("The lab is down.")
    return 0


@command.command("reset")
def reset() -> int:
    """Start over: state as seeded, logs and faults cleared, same ports."""
    print_status(lab_reset(find_project().lab))
    return 0


@command.command("status")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
def status(output: str) -> int:
    """Which servers run, and how often each was read and written."""
    found = lab_status(find_project().lab)
    if output == "json":
        data_json(status_data(found))
    else:
        print_status(found)
    return 0


@command.command("fault")
@click.argument("server")
@click.argument("name")
@click.option("--match", default="", metavar="TEXT", help="Only requests about this: a number, a file name, an extension.")
@click.option("--count", type=int, help="How often; without it, until cleared.")
@click.option("--value", type=float, help="Its size: seconds for slow, a status for status.")
def fault(server: str, name: str, match: str, count: int | None, value: float | None) -> int:
    """Have SERVER misbehave: slow, refuse, drop, status, late, lost_reply, deaf, stale, die_midway ..."""
    add_fault(find_project().lab, server, name, match=match, count=count, value=value)
    say(f"{server} now has the fault {name}. To end it: switchover lab heal")
    return 0


@command.command("heal")
@click.argument("server", required=False)
def heal(server: str | None) -> int:
    """Clear all faults, or those of SERVER."""
    cleared = clear_faults(find_project().lab, server)
    say(f"{len(cleared)} faults cleared.")
    return 0


def start_lab(project: Project, inventory_path: Path) -> LabStatus:
    """Brings the lab up with an inventory's items in it. Raises ``InvalidInput``, ``SwitchoverError``."""
    inventory, warnings = load_inventory(existing(inventory_path, "inventory"), project.display(inventory_path))
    print_warnings(warnings)
    secrets = KnownSecrets(SecretResolver(inventory_path, os.environ))
    project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return lab_up(project.lab, seed_from(inventory, secrets.resolve))


def print_status(status: LabStatus) -> None:
    """A table on stdout."""
    data(f"{'server':<10} {'state':<6} {'ports':<28} {'reads':>7} {'writes':>7}  faults")
    for server in status.servers:
        ports = " ".join(f"{name}:{port}" for name, port in server.ports.items())
        faults = ", ".join(f.name for f in server.faults) or "-"
        state = "up" if server.alive else "down"
        data(f"{server.name:<10} {state:<6} {ports:<28} {server.reads:>7} {server.writes:>7}  {faults}")


def status_data(status: LabStatus) -> dict[str, object]:
    """The lab's state for machines."""
    return {
        "format": "switchover.lab/1", "folder": str(status.folder),
        "servers": [
            {
                "name": s.name, "alive": s.alive, "pid": s.pid, "ports": dict(s.ports), "reads": s.reads, "writes": s.writes,
                "faults": [f.name for f in s.faults],
            }
            for s in status.servers
        ],
    }
