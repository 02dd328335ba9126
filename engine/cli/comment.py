"""``switchover comment``: the one comment on a pull request, posted or brought up to date."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from engine.cli.output import data, data_json, say, warn
from engine.model.errors import SwitchoverError
from engine.model.secret import Redactor
from engine.transports.forge import Forge, GitHub, GitLab
from engine.transports.forge_client import Client, RightsMissing
from engine.wiring.ci import Asked, Place, place_of
from engine.wiring.commenting import Body, Published, Publisher, body_of

_DONE = {"posted": "Posted", "rewritten": "Brought up to date", "unchanged": "Up to date already"}


@click.command("comment")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--provider", type=click.Choice(["github", "gitlab"]), help="Default: where this runs in CI.")
@click.option("--repository", default="", metavar="NAME", help="OWNER/NAME, or GitLab's path or number. Default: CI's own.")
@click.option("--number", type=click.IntRange(min=1), help="Of the pull request. Default: the one this run of CI is about.")
@click.option("--key", default="", metavar="NAME", help="Tells it from other comments of its kind, as of a second customer.")
@click.option("--account", default="", metavar="LOGIN", help="Whose comments to look through. Default: the token's own.")
@click.option("--token-env", default="", metavar="VARIABLE", help="Holds the token. Default: GITHUB_TOKEN or GITLAB_TOKEN.")
@click.option("--wait", "patience_s", type=click.IntRange(min=0), default=300, show_default=True, metavar="SECONDS",
              help="For how long in all to wait when the server asks to.")
@click.option("--output", "--format", type=click.Choice(["human", "json"]), default="human", show_default=True,
              help="What stdout gets.")
def command(
    file: Path, provider: str | None, repository: str, number: int | None, key: str, account: str, token_env: str,
    patience_s: int, output: str,
) -> int:
    """Post FILE (- for stdin), made by --output markdown, as a comment on a pull request, or bring the earlier one up to date.

    It is found again by the hidden marker in its first line, among the comments of the token's own account. In GitHub Actions a
    pull request from a fork has a token that may only read: the comment then goes to the summary of the run.
    """
    place = place_of(os.environ, Asked(provider or "", repository, number, token_env))
    text = Redactor([place.token.reveal()])(_read(file))
    body = body_of(text, key, GitHub.limit if place.provider == "github" else GitLab.limit)
    if place.is_closed:
        warn("The pull request is closed; its comment is brought up to date all the same.")
    with _client(place) as client:
        publisher = Publisher(_forge(place, client), time.sleep, patience_s, say)
        try:
            published = publisher.publish(body, account)
        except RightsMissing as refused:
            return _summarised(place, body, refused)
    _report(published, output)
    return 0


def _read(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SwitchoverError("The comment cannot be read", f"{file} is not UTF-8: {error}") from None


def _client(place: Place) -> Client:
    made = GitHub.client if place.provider == "github" else GitLab.client
    return made(place.api, place.token, place.ca_file)


def _forge(place: Place, client: Client) -> Forge:
    if place.provider == "github":
        return GitHub(client, place.repository, place.number)
    return GitLab(client, place.repository, place.number, place.web)


def _summarised(place: Place, body: Body, refused: RightsMissing) -> int:
    """Puts the comment where the run can be looked at. It fails all the same, unless nobody could have given the rights."""
    if place.summary is None:
        raise refused
    with place.summary.open("a", encoding="utf-8") as summary:
        summary.write(f"{body.text}\n")
    if not place.from_fork:
        warn("The comment was not posted; it stands in the summary of this run.")
        raise refused
    say(refused.detail)
    say("The pull request is from a fork, whose runs may only read. The comment stands in the summary of this run.")
    return 0


def _report(published: Published, output: str) -> None:
    if published.others:
        where = ", ".join(comment.url or str(comment.id) for comment in published.others)
        warn(f"There are more comments with this marker, which are left as they are; delete them by hand: {where}")
    comment = published.comment
    if output == "json":
        others = [{"id": other.id, "url": other.url} for other in published.others]
        data_json({
            "format": "switchover.comment/1", "how": published.how, "id": comment.id, "url": comment.url, "others": others,
        })
        return
    say(f"{_DONE[published.how]}: comment {comment.id}")
    data(comment.url or str(comment.id))
