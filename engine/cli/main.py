"""The entry point and the one border where every failure becomes words and an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import sys
from collections.abc import Sequence

import click

from engine import __version__

# name -> (module, one line). Kept here so that --help imports nothing but this file.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("engine.cli.init", "Start a project folder of your own."),
    "validate": ("engine.cli.validate", "Check a runbook and an inventory; print every problem at once."),
    "lint": ("engine.cli.lint", "Hold runbooks to rules beyond being valid, such as an order that is proved."),
    "fmt": ("engine.cli.fmt", "Lay out runbooks, inventories and scenarios alike; the meaning stays."),
    "graph": ("engine.cli.graph", "Draw a runbook: its steps, gates and lanes, as Mermaid or SVG."),
    "plan": ("engine.cli.plan", "Read the real systems and show what would change. Writes nothing."),
    "explain": ("engine.cli.explain", "What an address comes to, and which file and line set each value."),
    "diff": ("engine.cli.diff", "What a change of runbooks in git means, with its risks."),
    "show": ("engine.cli.show", "Show a saved plan."),
    "apply": ("engine.cli.apply", "Do what a plan shows, prove each change, journal everything."),
    "status": ("engine.cli.status", "How runs stand."),
    "resume": ("engine.cli.resume", "Go on with a run that stopped or died."),
    "retry": ("engine.cli.retry", "Try again what failed in a run, and only that."),
    "amend": ("engine.cli.amend", "Go over to a new revision of a run's runbook; what is done stays."),
    "policy": ("engine.cli.policy", "What the policy would decide now, without applying anything."),
    "inbox": ("engine.cli.inbox", "What waits for people: since when, until when, and what to type."),
    "approve": ("engine.cli.approve", "Agree to what a run asks for."),
    "reject": ("engine.cli.reject", "Refuse what a run asks for."),
    "answer": ("engine.cli.answer", "Fill in a form that a run waits for."),
    "done": ("engine.cli.done", "Say that manual work is done, blocked or skipped."),
    "choose": ("engine.cli.choose", "Choose the time of an appointment."),
    "decline": ("engine.cli.decline", "Decline the times proposed for an appointment; others are."),
    "reschedule": ("engine.cli.reschedule", "Move an appointment that was chosen."),
    "delegate": ("engine.cli.delegate", "Hand what you are asked to somebody else."),
    "token": ("engine.cli.token", "Let somebody without an account act once."),
    "redeem": ("engine.cli.redeem", "Act by a token."),
    "signal": ("engine.cli.signal", "Tell a run that something has happened outside."),
    "hold": ("engine.cli.hold", "Keep a run, a phase or a step from starting anything."),
    "release": ("engine.cli.release", "End a hold."),
    "pause": ("engine.cli.pause", "Let a run stand still until somebody takes it up."),
    "skip": ("engine.cli.skip", "Leave out an item, a step or an open gate of a run."),
    "cancel": ("engine.cli.cancel", "End a run for good, and do what its runbook says then."),
    "watch": ("engine.cli.watch", "Stay, and go on with each waiting run when it is due."),
    "rollback": ("engine.cli.rollback", "Take back what a run did, previewed first."),
    "drift": ("engine.cli.drift", "What has changed since a run, in the real systems."),
    "report": ("engine.cli.report", "What a run did: console, HTML, CSV, JUnit."),
    "comment": ("engine.cli.comment", "Post a plan or a review as the one comment on a pull request."),
    "test": ("engine.cli.test", "Run scenarios against a private lab, in virtual time."),
    "certify": ("engine.cli.certify", "Kill a run at every boundary, and prove that it ends as if nothing had happened."),
    "lsp": ("engine.cli.lsp", "Serve an editor: problems as one types, values on hovering."),
    "doc": ("engine.cli.doc", "What an action does and takes, with an example that works."),
    "schema": ("engine.cli.schema", "Print or write the JSON Schemas that editors complete from."),
    "lab": ("engine.cli.lab", "Simulated systems on this machine, to rehearse against."),
    "demo": ("engine.cli.demo", "A whole cutover against the lab, in a minute."),
}
ALSO_CALLED = {"event": "signal"}
"""What people say for a command where the house has another word: a signal is an outside event."""


class Commands(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(ALSO_CALLED.get(cmd_name, cmd_name))
        if entry is None:
            return None
        command = importlib.import_module(entry[0]).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in (*COMMANDS, *ALSO_CALLED) and not args[0].startswith("-"):
            self._refuse(ctx, args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def _refuse(self, ctx: click.Context, name: str) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  # only for a mistyped command

        near = get_close_matches(name, [*COMMANDS, *ALSO_CALLED], 1)
        ctx.fail(f"There is no command '{name}'." + (f" Did you mean '{near[0]}'?" if near else ""))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 error, 2 changes present (--detailed-exitcode, fmt --check), 3 invalid input, 4 stale plan "
    "or lock held, 5 some items failed, 6 waiting, 7 guard tripped, 70 bug, 130 interrupted.",
)
@click.version_option(__version__, prog_name="switchover")
def cli() -> None:
    """Plan, apply and prove migrations from runbooks in YAML."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits."""
    # Until everything is loaded there is no garbage, and afterwards hardly any: ``wiring.loading`` sets the collector to work.
    gc.disable()
    sys.exit(_flushed(run(arguments)))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        result = cli.main(args=None if arguments is None else list(arguments), prog_name="switchover", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):  # the latter where click does not look, as while a command is loaded
        click.echo("Interrupted.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        # What a person typed wrongly is invalid input, whoever notices it.
        return 3 if isinstance(error, click.UsageError) else error.exit_code
    except Exception as error:  # noqa: BLE001  # the border: explained, or reported as our bug
        code: int = importlib.import_module("engine.cli.border").explain(error)
        return code
    return result if isinstance(result, int) else 0


def _flushed(code: int) -> int:
    """The exit code, once stdout took everything. Left to the interpreter's end, a full disk would be a traceback there."""
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = None  # or the interpreter tries once more
        if error.errno == errno.EPIPE:  # its reader has had enough
            return code
        click.echo(f"error: what was to be printed could not be written: {error.strerror}", err=True)
        return code or 1
    return code


if __name__ == "__main__":
    main()
