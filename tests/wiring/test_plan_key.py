"""The key of a project: made once, for its owner alone, and asked for wherever a plan is held against what is there."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.model.errors import StalePlan, SwitchoverError
from engine.model.plan import digest
from engine.planning.plan_file import read_plan
from engine.project import Project
from engine.wiring.plan_key import check_key, kept_key, key_of, passing_key
from tests.support.project import NAMED, Folder, inodes, project_at, served_here

PHONES = (*NAMED, "--limit", "phones/config")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = project_at(tmp_path / "project")
    served_here(made, tmp_path / "served")
    return made


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert key_of(project) is None
    key = kept_key(project)
    assert kept_key(project) == key
    assert project.plan_key.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in project.state.iterdir()] == ["plan.key"]
    assert key.raw.hex() not in repr(key) and key.id not in key.raw.hex()


def test_many_that_need_the_first_key_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = {key.id for key in pool.map(lambda _: kept_key(Project(tmp_path)), range(16))}
    assert len(ids) == 1


def test_a_digest_says_nothing_without_the_key() -> None:
    """All PINs are tried: none leads to what the plan holds, with another key or without."""
    key, other = passing_key(), passing_key()
    sealed = key.seal(digest("pin 4711"))
    guesses = [digest(f"pin {pin:04}") for pin in range(10_000)]
    assert [guess for guess in guesses if key.seal(guess) == sealed] == [digest("pin 4711")]
    assert sealed not in guesses
    assert all(other.seal(guess) != sealed for guess in guesses)


def test_a_damaged_key_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path)
    kept_key(project)
    project.plan_key.write_bytes(b"short")
    with pytest.raises(SwitchoverError, match=r"damaged.*has 5"):
        kept_key(project)


def test_another_key_or_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(StalePlan, match="has none yet"):
        check_key(project, "0123", "The plan")
    with pytest.raises(StalePlan, match=r"has another.*copy plan.key"):
        check_key(project, passing_key().id, f"The plan of {kept_key(project).id}")
    check_key(project, kept_key(project).id, "The plan")


def test_looking_at_a_plan_makes_no_key(folder: Folder) -> None:
    """It writes nothing anywhere."""
    folder.quick("plan", *PHONES).must(0)
    assert list(folder.state.iterdir()) == []


def test_a_plan_is_applied_where_its_key_is(folder: Folder, tmp_path: Path) -> None:
    """Elsewhere it is refused before anything is written; with the key copied there it is applied."""
    folder.quick("plan", *PHONES, "--out", "c.plan").must(0)
    assert all(re.fullmatch("[0-9a-f]{32}", item.observed) for item in read_plan(folder.root / "c.plan").items)
    key = folder.state / "plan.key"
    away = key.rename(tmp_path / "plan.key")
    told = folder.quick("apply", "c.plan").must(4).err
    assert "key of another project folder" in told and ".switchover" in told
    assert inodes(tmp_path / "served") == {} and folder.runs() == []
    away.rename(key)
    folder.quick("apply", "c.plan").must(0)
    assert set(folder.fold().counts()) == {"changed"}


def test_a_run_goes_on_only_with_the_key_it_began_with(folder: Folder, tmp_path: Path) -> None:
    served = tmp_path / "served"
    folder.quick("plan", *PHONES, "--out", "c.plan").must(0)
    served.rename(tmp_path / "gone")
    folder.quick("apply", "c.plan").must(5, 7)
    (tmp_path / "gone").rename(served)
    away = (folder.state / "plan.key").rename(tmp_path / "plan.key")
    assert "key of another project folder" in folder.quick("retry").must(4).err
    away.rename(folder.state / "plan.key")
    folder.quick("retry").must(0)
