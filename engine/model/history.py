"""What a repository's history says of a change: who wrote it, who says to have reviewed it, how it is signed."""

from __future__ import annotations

from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. Mail addresses in lower case; ``authors``: the author and whoever a ``Co-authored-by:`` names; ``reviewers``:
    whoever a ``Reviewed-by:`` or ``Approved-by:`` names; ``files``: those it changed, from the repository's top, of a merge those
    that are as no parent had them."""

    id: str
    parents: tuple[str, ...]
    authors: frozenset[str]
    reviewers: frozenset[str]
    files: tuple[str, ...]
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of verifying a commit's signature. ``good``: made by a key that is known and allowed; ``why``: what is wrong
    otherwise, in words that follow 'the commit'."""

    good: bool
    signer: str = ""
    why: str = ""
