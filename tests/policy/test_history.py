"""What a real repository tells of a change: branches, files by content, authors and reviewers, signatures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.transports.git import NoRevision
from engine.transports.git_history import History
from tests.policy.place import ANN, LENA, Place, git, place


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return place(tmp_path)


def history(at: Place) -> History:
    return History(History.open(at.home).top)


def reviewed(at: Place) -> str | None:
    found = history(at).reviewed()
    return None if found is None else found.ref


def key(folder: Path, name: str) -> Path:
    """A signing key of somebody."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def signed(at: Place, by: Path, subject: str = "Signed") -> str:
    setting = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={by}")
    at.git("add", "-A")
    at.git(*setting, "commit", "--quiet", "--allow-empty", "-S", "-m", subject)
    return at.git("rev-parse", "HEAD")


def signer(by: Path, mail: str, options: str = "") -> bytes:
    public = by.with_suffix(".pub").read_text()
    return f"{mail} {options}{' ' if options else ''}{public}".encode()


# ---------------------------------------------------------------- branches


def test_the_reviewed_branch_is_the_one_that_was_fetched(at: Place) -> None:
    """Not the local one, which anybody commits to."""
    assert reviewed(at) == "refs/remotes/origin/main"
    git(at.home, "push", "--quiet", "origin", "HEAD:trunk")
    git(at.home, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert reviewed(at) == "refs/remotes/origin/trunk"


def test_a_setting_outside_the_tree_names_another(at: Place) -> None:
    git(at.home, "push", "--quiet", "origin", "HEAD:trunk")
    git(at.home, "config", "switchover.reviewed", "origin/trunk")
    assert reviewed(at) == "refs/remotes/origin/trunk"
    git(at.home, "config", "switchover.reviewed", "origin/trnk")
    with pytest.raises(NoRevision, match="'origin/trnk' is not here"):
        history(at).reviewed()


def test_without_a_remote_the_local_main_counts_and_without_that_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main")
    assert reviewed(Place(tmp_path, tmp_path)) is None
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "Begin")
    assert reviewed(Place(tmp_path, tmp_path)) == "refs/heads/main"


def test_neither_a_tag_nor_a_local_branch_passes_for_one_that_was_fetched(at: Place) -> None:
    """refs/heads/origin/main and refs/tags/main are easily made."""
    commit = at.commit("Not pushed")
    at.git("branch", "origin/main")
    at.git("tag", "main", "HEAD")
    at.git("tag", "origin/main", "HEAD")
    assert history(at).branches("origin/main", commit) == ()
    assert history(at).branches("main", commit) == ("main",)
    assert history(at).branches("origin/ma*", commit) == ()
    at.push()
    assert history(at).branches("origin/*", commit) == ("origin/main",)
    assert history(at).branches("origin/nothing") == ()


# ---------------------------------------------------------------- files


def files(at: Place) -> list[Path]:
    return [at.home / "runbooks" / "move.yml", at.home / "inventories" / "acme" / "inventory.yml"]


def differing(at: Place, *more: Path) -> tuple[str, ...]:
    head = at.git("rev-parse", "HEAD")
    return history(at).differing(head, [*files(at), *more], [at.home / "inventories" / "acme"])


def test_a_changed_file_differs_also_where_git_was_told_to_overlook_it(at: Place) -> None:
    assert differing(at) == ()
    at.git("update-index", "--assume-unchanged", "runbooks/move.yml")
    at.change("runbooks/move.yml", "title: Move", "title: Other")
    assert at.git("status", "--porcelain") == ""
    assert differing(at) == ("runbooks/move.yml",)


def test_an_ignored_file_that_no_commit_has_differs(at: Place) -> None:
    extra = at.write("out/phones.csv", "mac\n")
    assert at.git("status", "--porcelain") == ""
    assert differing(at, extra) == ("out/phones.csv",)


def test_a_file_that_is_gone_differs_and_one_elsewhere_too(at: Place) -> None:
    at.write("inventories/acme/users.csv", "extension\n")
    at.commit()
    (at.home / "inventories" / "acme" / "users.csv").unlink()
    elsewhere = at.home.parent / "other.yml"
    elsewhere.write_text("")
    assert differing(at, elsewhere) == (str(elsewhere), "inventories/acme/users.csv")


def test_line_ends_that_git_converts_are_no_difference_and_others_are(at: Place) -> None:
    at.write(".gitattributes", "*.yml text\n")
    at.commit()
    path = at.home / "runbooks" / "move.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert differing(at) == ()
    at.write(".gitattributes", "*.yml -text\n")
    assert differing(at) == ("runbooks/move.yml",)


def test_a_link_differs_when_it_points_elsewhere_or_what_it_points_to_changed(at: Place) -> None:
    link = at.home / "runbooks" / "latest.yml"
    link.symlink_to("move.yml")
    at.commit()
    assert differing(at, link) == ()
    link.unlink()
    link.symlink_to("../inventories/acme/inventory.yml")
    assert differing(at, link) == ("runbooks/latest.yml",)
    at.change("inventories/acme/inventory.yml", "Acme Dental", "Other")
    assert differing(at, link) == ("inventories/acme/inventory.yml", "runbooks/latest.yml")


def test_a_replaced_object_shows_the_one_it_replaced(at: Place) -> None:
    """git replace would show a reviewed commit with other files in it."""
    before = at.git("rev-parse", "HEAD")
    at.change("runbooks/move.yml", "title: Move", "title: Other")
    other = at.commit()
    at.git("replace", before, other)
    assert history(at).differing(before, files(at), []) == ("runbooks/move.yml",)


# ---------------------------------------------------------------- who


def test_authors_and_reviewers_are_told_by_their_addresses(at: Place) -> None:
    base = at.git("rev-parse", "HEAD")
    at.change("runbooks/move.yml", "title: Move", "title: Other")
    at.commit(
        "Other title", "Reviewed-by: Lena Lead <LENA@example.net>", "Approved-by: Olga <olga@example.net>",
        "Co-authored-by: Bob <bob@example.net>", "Signed-off-by: Eve <eve@example.net>",
    )
    commit, = history(at).commits(base, "HEAD")
    assert commit.reviewers == {"lena@example.net", "olga@example.net"}
    assert commit.authors == {"ann@example.net", "bob@example.net"}
    assert (commit.files, commit.subject, commit.parents) == (("runbooks/move.yml",), "Other title", (base,))


@pytest.mark.parametrize("text", [
    "Reviewed-by: Lena <lena@example.net>\n\nand some more text",
    "A change\n\nI asked Reviewed-by: Lena <lena@example.net> for it",
    "A change\n\nReviewed-by: Lena", "A change\n\n> Reviewed-by: Lena <lena@example.net>",
    "A\x01\x1f\x1eReviewed-by: Lena <lena@example.net>",
])
def test_only_a_trailer_with_an_address_says_that_somebody_reviewed(at: Place, text: str) -> None:
    base = at.git("rev-parse", "HEAD")
    at.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", text)
    assert [commit.reviewers for commit in history(at).commits(base, "HEAD")] == [frozenset()]


def test_a_mailmap_of_the_tree_makes_nobody_another(at: Place) -> None:
    base = at.git("rev-parse", "HEAD")
    at.write(".mailmap", "Lena Lead <lena@example.net> <ann@example.net>\n")
    at.commit()
    assert history(at).commits(base, "HEAD")[0].authors == {"ann@example.net"}


def test_a_merge_is_told_with_the_files_it_changed_itself(at: Place) -> None:
    base = at.git("rev-parse", "HEAD")
    at.git("checkout", "--quiet", "-b", "side")
    at.write("runbooks/side.yml", "side\n")
    side = at.commit("Side")
    at.git("checkout", "--quiet", "main")
    at.write("README.md", "main\n")
    at.commit("Main")
    at.git("merge", "--quiet", "--no-ff", "--no-commit", "side")
    at.change("runbooks/move.yml", "title: Move", "title: Slipped in")
    at.commit("Merge", "Reviewed-by: Lena <lena@example.net>", who=LENA)
    told = {commit.subject: commit for commit in history(at).commits(base, "HEAD")}
    assert told["Merge"].files == ("runbooks/move.yml",)
    assert told["Merge"].parents[1] == side
    assert {subject: commit.files for subject, commit in told.items() if subject != "Merge"} == {
        "Side": ("runbooks/side.yml",), "Main": ("README.md",),
    }


def test_a_file_named_as_a_commit_hides_nothing(at: Place) -> None:
    base = at.git("rev-parse", "HEAD")
    first = at.commit("Empty")
    at.write(first, "x\n")
    at.change("runbooks/move.yml", "title: Move", "title: Other")
    second = at.commit("Both")
    told = {commit.id: set(commit.files) for commit in history(at).commits(base, "HEAD")}
    assert told == {first: set(), second: {first, "runbooks/move.yml"}}


def test_the_whole_history_is_told_without_a_base(at: Place) -> None:
    at.commit("More", who=ANN)
    assert [commit.subject for commit in history(at).commits("", "HEAD")] == ["More", "Begin"]


# ---------------------------------------------------------------- signatures


def test_a_commit_signed_by_an_allowed_key_is_good(at: Place, tmp_path: Path) -> None:
    lena = key(tmp_path, "lena")
    found = history(at).verify(signed(at, lena), signer(lena, "lena@example.net"))
    assert (found.good, found.signer) == (True, "lena@example.net")


def test_a_key_that_is_not_allowed_is_not(at: Place, tmp_path: Path) -> None:
    lena, eve = key(tmp_path, "lena"), key(tmp_path, "eve")
    commit = signed(at, eve)
    assert history(at).verify(commit, signer(lena, "lena@example.net")).why == "is signed by a key that nobody here vouches for"
    assert not history(at).verify(commit, b"").good


def test_a_key_counts_only_within_its_time(at: Place, tmp_path: Path) -> None:
    lena = key(tmp_path, "lena")
    commit = signed(at, lena)
    assert history(at).verify(commit, signer(lena, "lena@example.net", 'valid-after="20200101"')).good
    assert not history(at).verify(commit, signer(lena, "lena@example.net", 'valid-before="20200101"')).good


def test_an_unsigned_commit_has_no_signature(at: Place) -> None:
    assert history(at).verify(at.commit(), b"").why == "has no signature"
    text = at.commit("gpgsig -----BEGIN SSH SIGNATURE-----")
    assert history(at).verify(text, b"").why == "has no signature"


def test_a_signature_of_another_commit_is_bad(at: Place, tmp_path: Path) -> None:
    """Its text is taken over by a commit with other files in it."""
    lena = key(tmp_path, "lena")
    raw = git(at.home, "cat-file", "commit", signed(at, lena))
    forged = raw.replace("Signed", "Forged")
    assert forged != raw
    commit = subprocess.run(
        ["git", "-C", str(at.home), "hash-object", "-t", "commit", "-w", "--stdin"], input=forged + "\n", text=True,
        capture_output=True, check=True,
    ).stdout.strip()
    found = history(at).verify(commit, signer(lena, "lena@example.net"))
    assert (found.good, found.why) == (False, "has a bad signature: it is not what was signed")


def test_without_a_list_of_its_own_what_git_is_told_counts(at: Place, tmp_path: Path) -> None:
    lena = key(tmp_path, "lena")
    commit = signed(at, lena)
    assert history(at).verify(commit, None).why == "has a signature, and git knows no allowed signers to check it by"
    (tmp_path / "allowed").write_bytes(signer(lena, "lena@example.net"))
    git(at.home, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))
    assert history(at).verify(commit, None).good
    git(at.home, "config", "gpg.ssh.program", "/bin/true")
    assert not history(at).verify(commit, signer(key(tmp_path, "eve"), "eve@example.net")).good
