"""``switchover diff``: what a change in git means."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.options import characters_option, inventory_option
from engine.cli.output import data, data_json, wants_color
from engine.project import find_project
from engine.reporting.review_markdown import review_markdown
from engine.reporting.review_sarif import review_sarif
from engine.reporting.review_text import format_review, review_data
from engine.wiring.reviewing import review


class _Revisions(click.Command):
    """Tells revisions from runbooks by the ``--`` between them, which click alone would take away."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            args, named = args[:at], args[at + 1:]
            # Options may follow the runbooks, too.
            options = [index for index, one in enumerate(named) if one.startswith("-")]
            first = options[0] if options else len(named)
            ctx.meta["runbooks"] = tuple(Path(one) for one in named[:first])
            args += named[first:]
        return super().parse_args(ctx, args)


@click.command("diff", cls=_Revisions)
@click.argument("revisions", nargs=-1, metavar="[REV_A [REV_B]] [-- RUNBOOK]...")
@inventory_option(required=False)
@click.option(
    "--output", "--format", type=click.Choice(["human", "json", "markdown", "sarif"]), default="human", show_default=True,
    help="What stdout gets; markdown is a comment for a pull request, sarif is for code scanning.",
)
@characters_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are differences, with 0 when there are none.")
@click.option("-v", "--verbose", is_flag=True, help="Show every item and every line.")
@click.pass_context
def command(
    ctx: click.Context, revisions: tuple[str, ...], inventory: Path | None, output: str, characters: int, detailed_exitcode: bool,
    verbose: bool,
) -> int:
    """Show what the change from REV_A to REV_B of the project's runbooks means: scope, safety, approvals, times, texts.

    Without REV_B the working tree is compared, without any the newest commit with it. A..B is understood. With -i the customer's
    folder is compared, too, each side as it stood. What changes no meaning, such as layout or comments, is no difference.
    """
    old, new = _named(revisions)
    runbooks: tuple[Path, ...] = ctx.meta.get("runbooks", ())
    found = review(find_project(runbooks[0] if runbooks else None), old, new, runbooks, inventory)
    if output == "json":
        data_json(review_data(found))
    elif output == "markdown":
        data(review_markdown(found, characters, [path.as_posix() for path in runbooks]).rstrip("\n"))
    elif output == "sarif":
        data_json(review_sarif(found))
    else:
        data(format_review(found, color=wants_color(), verbose=verbose))
    return 2 if detailed_exitcode and found.differences else 0


def _named(revisions: tuple[str, ...]) -> tuple[str, str | None]:
    """Raises ``UsageError`` for more than two."""
    if len(revisions) == 1 and ".." in revisions[0]:
        first, _, second = revisions[0].partition("..")
        if second.startswith("."):
            raise click.UsageError("A...B is not understood. Name the two revisions: git merge-base A B tells the first.")
        return first or "HEAD", second or "HEAD"
    if len(revisions) > 2:
        raise click.UsageError("Name two revisions at most; runbooks follow after '--'.")
    return (*revisions, "HEAD")[0], revisions[1] if len(revisions) == 2 else None
