"""``switchover test``: runs scenarios against a private lab, in virtual time."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from engine.cli.output import data, data_json, say, wants_color
from engine.model.diagnostic import InvalidInput
from engine.model.errors import SwitchoverError
from engine.project import find_project
from engine.reporting.diagnostics import as_json, format_diagnostics
from engine.reporting.junit import junit_of_scenarios
from engine.wiring.rehearsal.scenarios import Verdict, run_scenario, scenario_files

_FAILED = 5
_DEFAULT = Path("tests") / "scenarios"


@click.command("test")
@click.argument("named", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|FOLDER]...")
@click.option("-k", "wanted", metavar="TEXT", help="Only scenarios with this in their name.")
@click.option("--output", type=click.Choice(["human", "json"]), default="human", show_default=True, help="What stdout gets.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JUnit XML, too.")
@click.option("--hash", "with_hash", is_flag=True, help="Print each journal's hash: the same seed gives the same.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what happened also where all is as expected.")
def command(
    named: tuple[Path, ...], wanted: str | None, output: str, junit: Path | None, with_hash: bool, verbose: bool
) -> int:
    """Run scenarios (default: tests/scenarios/ of the project) against a private lab, in virtual time: weeks in seconds."""
    project = find_project(named[0] if named else None)
    files = scenario_files(named or [project.root / _DEFAULT])
    if wanted:
        files = [file for file in files if wanted in file.stem or wanted in _name_in(file)]
    if not files:
        raise SwitchoverError("There is no scenario to run", "Files with 'switchover_scenario: 1' in them are looked for.")
    verdicts: list[Verdict] = []
    with interrupted_by_signals():
        for file in files:
            verdicts.append(_judged(file))
            if output == "human":
                _show(verdicts[-1], with_hash=with_hash, verbose=verbose)
    _finish(verdicts, output, junit)
    return _FAILED if any(not verdict.passed for verdict in verdicts) else 0


def _judged(file: Path) -> Verdict:
    """One scenario; what a person wrote wrongly in its files fails it, and not those after it."""
    try:
        return run_scenario(find_project(file), file)
    except InvalidInput as invalid:
        return Verdict(str(file), file.stem, file.stem, "invalid", tuple(d for d in invalid.diagnostics if d.is_error))


def _name_in(file: Path) -> str:
    """The scenario's name, as far as a glance tells."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("name:")), "")


def _show(verdict: Verdict, *, with_hash: bool, verbose: bool) -> None:
    mark = click.style("ok", fg="green") if verdict.passed else click.style("FAILED", fg="red", bold=True)
    mark = mark if wants_color() else click.unstyle(mark)
    kills = f", killed {verdict.kills} times" if verdict.kills > 1 else ", killed once" if verdict.kills else ""
    spent = f"{spelled(verdict.span)} in {verdict.took_s:.1f} s{kills}" if verdict.took_s else verdict.status
    data(f"{mark:<6}  {verdict.name}  {spent}" + (f"  {verdict.hash}" if with_hash else ""))
    if verdict.failures:
        click.echo(format_diagnostics(verdict.failures, color=wants_color()), color=wants_color())
    if verdict.story and (verbose or not verdict.passed):
        data("\n".join(f"  {line}" for line in verdict.story) + "\n")


def spelled(span: timedelta) -> str:
    """A span of virtual time for people."""
    if span.days:
        return f"{span.days} day{'' if span.days == 1 else 's'}"
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "no time"


def _finish(verdicts: Sequence[Verdict], output: str, junit: Path | None) -> None:
    failed = sum(not verdict.passed for verdict in verdicts)
    if junit is not None:
        junit.write_text(junit_of_scenarios(verdicts), encoding="utf-8")
    if output == "json":
        data_json({"format": "switchover.scenarios/1", "failed": failed, "scenarios": [_as_json(v) for v in verdicts]})
    else:
        say(f"{len(verdicts)} scenario{'' if len(verdicts) == 1 else 's'}, {failed} failed.")


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "file": verdict.file, "name": verdict.name, "title": verdict.title, "passed": verdict.passed, "status": verdict.status,
        "span_s": verdict.span.total_seconds(), "took_s": round(verdict.took_s, 3), "kills": verdict.kills, "hash": verdict.hash,
        "failures": [as_json(failure) for failure in verdict.failures], "story": list(verdict.story),
    }


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """TERM and a lost terminal end a rehearsal as Ctrl-C does: its servers are taken down."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
