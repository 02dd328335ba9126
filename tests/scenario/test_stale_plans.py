"""A plan is what somebody looked at. What is no longer that is refused, with the reason, before anything is written."""

from __future__ import annotations

import pytest

from tests.support.project import INVENTORY, NAMED, RUNBOOK, Folder, Lab, statuses


def refused(folder: Folder, lab: Lab, *fragments: str) -> None:
    writes = lab.writes()
    told = folder.run("apply", "c.plan").must(4).err
    for fragment in fragments:
        assert fragment in told, told
    assert lab.writes() == writes
    assert folder.runs() == []


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        ((RUNBOOK, "settle: 3s", "settle: 4s"), "the runbook"),
        ((f"{INVENTORY}/numbers.csv", "+12125550163", "+12125550169"), "the inventory"),
        ((f"{INVENTORY}/inventory.yml", "time.example.net", "time2.example.net"), "the inventory"),
    ],
)
def test_a_plan_made_from_something_else_says_what_changed(
    folder: Folder, lab: Lab, edit: tuple[str, str, str], word: str
) -> None:
    folder.plan()
    folder.edit(*edit)
    refused(folder, lab, "The plan is stale", word, "new plan")


def test_a_template_that_changed_makes_a_plan_stale(folder: Folder, lab: Lab) -> None:
    folder.plan()
    own = folder.root / "templates" / "provisioning" / "yealink" / "phone.cfg.j2"
    own.parent.mkdir(parents=True)
    own.write_text("#!version:1.0.0.1\n", encoding="utf-8")
    refused(folder, lab, "the templates changed")


def test_comments_and_layout_do_not_make_a_plan_stale(folder: Folder, lab: Lab) -> None:
    """The digest is over what the runbook means."""
    folder.plan("--limit", "numbers/forward")
    folder.edit(RUNBOOK, "phases:\n", "\n# A note for the reviewer.\nphases:\n")
    folder.run("apply", "c.plan").must(0)


def test_a_plan_edited_by_hand_is_refused(folder: Folder, lab: Lab) -> None:
    folder.plan()
    folder.edit("c.plan", "+12125550163", "+19005550163")
    refused(folder, lab, "is not as it was written", "switchover plan")
    assert "is not as it was written" in folder.quick("show", "c.plan").must(4).err


def test_a_plan_cut_short_is_refused(folder: Folder, lab: Lab) -> None:
    folder.plan()
    path = folder.root / "c.plan"
    path.write_bytes(path.read_bytes()[:-400])
    refused(folder, lab, "c.plan")


def test_an_item_that_moved_since_the_plan_is_refused_and_the_rest_goes_on(folder: Folder, lab: Lab) -> None:
    """Another engineer forwarded one of the numbers elsewhere in the meantime."""
    folder.plan("--limit", "numbers/forward")
    folder.edit(f"{INVENTORY}/numbers.csv", "+12125550162", "+12125550199")
    folder.plan("--limit", "numbers/forward[+12125550112]", out="other.plan")
    folder.run("apply", "other.plan").must(0)
    folder.edit(f"{INVENTORY}/numbers.csv", "+12125550199", "+12125550162")

    failed = folder.run("apply", "c.plan").must(5)
    assert "numbers/forward[+12125550112]" in failed.out
    assert "Plan again" in failed.out
    assert statuses(folder.fold()) == {
        "numbers/forward[+12125550111]": "changed", "numbers/forward[+12125550112]": "failed",
        "numbers/forward[+12125550113]": "changed",
    }
    assert "switchover plan runbooks/cutover.yml -i inventories/kestrel --lab" in failed.out
    assert "switchover retry" not in failed.out
    told = folder.quick("retry").must(1).err
    assert "Trying again would not help" in told and "1 item not as the plan showed" in told


def test_a_limited_plan_touches_only_what_it_names(folder: Folder, lab: Lab) -> None:
    folder.plan("--limit", "[c074ad3cc003]", "--limit", "numbers/*[+12125550113]")
    folder.run("apply", "c.plan").must(0)
    assert list(lab.files_written()) == ["cfgc074ad3cc003.xml"]
    assert len(lab.patches()) == 2
    assert lab.mails() == []
    assert "changed" in set(statuses(folder.fold()).values())


def test_a_limit_that_names_nothing_is_told(folder: Folder, lab: Lab) -> None:
    """A mistyped address must not read as: nothing to do."""
    told = folder.quick("plan", *NAMED, "--lab", "--limit", "phones/confg").must(3)
    assert "--limit phones/confg fits nothing" in told.err
    assert "phones/config" in told.err
    assert "[nobody]" in folder.quick("plan", *NAMED, "--lab", "--limit", "[nobody]").must(3).err


def test_inputs_given_on_the_command_line_are_part_of_the_plan(folder: Folder, lab: Lab) -> None:
    folder.plan("--set", "ticket=T-4711", "--limit", "announce")
    folder.run("apply", "c.plan").must(0)
    (mail,) = lab.mails()
    assert mail["Subject"] == "Kestrel Optical: your phones move now (T-4711)"


def test_a_plan_knows_its_own_inputs_and_takes_no_others(folder: Folder) -> None:
    folder.plan()
    assert "saved plan" in folder.quick("apply", "c.plan", "--set", "ticket=T-1").must(3).err
