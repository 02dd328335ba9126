"""``switchover demo``: a whole cutover against the lab, in a minute."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import click

from engine.cli.apply import command as apply_command
from engine.cli.init import close_secrets
from engine.cli.lab import start_lab
from engine.cli.output import say
from engine.cli.plan import command as plan_command
from engine.cli.report import write_report
from engine.lab.control import LabStatus, lab_down, lab_status
from engine.model.errors import SwitchoverError
from engine.project import Project, shipped
from engine.wiring.journals import open_journal, read_run

_REASON = "a rehearsal against the lab"


@click.command("demo")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to work; default: a new folder in /tmp.")
@click.option("--keep-lab", is_flag=True, help="Leave the lab up afterwards, to look around.")
def command(folder: Path | None, keep_lab: bool) -> int:
    """Bring a lab up, plan, apply, plan again (no change), report. Touches nothing but its own folder and loopback."""
    folder = (folder or Path(tempfile.mkdtemp(prefix="switchover-demo-"))).resolve()  # before we move into it
    project = _enter(folder)
    runbook, inventory = Path("runbooks/hosted-pbx-cutover.yml"), Path("inventories/example-dental")
    started = time.monotonic()
    try:
        _step(1, "The lab: TFTP, mail, carrier, platform, REST, phones and SSH, as processes on loopback")
        start_lab(project, inventory)
        _step(2, "Plan: what would change, read from these systems")
        _run(plan_command, [str(runbook), "-i", str(inventory), "--lab", "--out", "cutover.plan"])
        writes = _writes(lab_status(project.lab))
        _step(3, "Apply exactly that plan")
        _run(apply_command, ["cutover.plan", "--ignore-window", _REASON])
        _step(4, "Plan again: nothing is left to do")
        _run(plan_command, [str(runbook), "-i", str(inventory), "--lab", "--detailed-exitcode"])
        _report(project, started, writes)
    finally:
        if not keep_lab:
            lab_down(project.lab)
    return 0


def _enter(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("runbooks", "inventories"):
        shutil.copytree(shipped(name), folder / name, dirs_exist_ok=True)
    close_secrets(folder)
    os.chdir(folder)
    return Project(folder)


def _step(number: int, what: str) -> None:
    say(f"\n── {number}. {what} " + "─" * max(0, 90 - len(what)))


def _run(command: click.Command, arguments: list[str]) -> None:
    say(f"$ switchover {command.name} {' '.join(arguments)}")
    code = command.main(args=arguments, prog_name=f"switchover {command.name}", standalone_mode=False)
    if code:
        raise SwitchoverError(f"The demo stopped: {command.name} exited with {code}", "Nothing but the lab was touched.")


def _writes(status: LabStatus) -> int:
    writes = sum(server.writes for server in status.servers)
    if writes:
        raise SwitchoverError("The plan wrote to the lab", f"{writes} writing requests were counted. That is a bug.")
    return writes


def _report(project: Project, started: float, writes: int) -> None:
    with open_journal(project, read_only=True) as journal:
        state = read_run(journal, None)
        records = list(journal.read(state.run))
    page = project.root / "report.html"
    write_report("html", page, records)
    status = lab_status(project.lab)
    applied = sum(server.writes for server in status.servers)
    say(f"\n── Done in {time.monotonic() - started:.0f} s " + "─" * 78)
    say(f"The plan made {writes} writing requests, the apply {applied}; the second plan found nothing to change.")
    say(f"Report:  {page}")
    say(f"Project: {project.root}   (switchover status, switchover report, ... work in there)")
