"""CONTRIBUTING's example action works as printed: from a package of its own, through its entry point, against the lab."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.actions.catalog import BUILT_IN, catalog
from engine.model.errors import SwitchoverError
from engine.model.secret import Secret
from engine.transports.http import HttpPool
from tests.house.shell_lines import ROOT, named_file
from tests.support.cli import Ended, in_process, switchover
from tests.support.rest_bench import Bench, opened
from tests.support.sessions import make_sessions

PACKAGE = "switchover-user-voicemail"
STEP = "users/mailbox"


def test_a_package_adds_its_action_to_the_catalog(plugin: Path) -> None:
    """Found by its entry point; those built in stay."""
    found = catalog()
    assert found["user.voicemail"].doc == "A user has a mailbox, or has none."
    assert BUILT_IN.keys() < found.keys()


def test_its_schema_is_made_from_its_arguments(plugin: Path) -> None:
    """The same way as for those built in."""
    schema = in_process(plugin, "schema", "user.voicemail").must(0).json
    assert schema["required"] == ["connection", "extension"]
    assert schema["properties"]["enabled"]["default"] is True


def test_installed_packages_are_not_asked_while_built_in_actions_do(plugin: Path) -> None:
    """Start-up stays quick, and a broken plugin harms only runbooks that need one."""
    (plugin / "user_voicemail.py").write_text("raise RuntimeError('broken')", encoding="utf-8")
    assert catalog(["phone.config"]) is BUILT_IN
    with pytest.raises(SwitchoverError, match="RuntimeError: broken"):
        catalog(["user.voicemail"])


@pytest.mark.parametrize(("change", "why"), [
    ("", "loading it failed: AttributeError"),
    ("class UserVoicemail: pass", "it lacks name, version, effect, doc, settle_s, local, Args, observe, diff, apply"),
    ("class UserVoicemail:\n    def __init__(self): raise OSError('no licence')", "loading it failed: OSError: no licence"),
    ("{good}\nUserVoicemail.name = 'voicemail'", "its name 'voicemail' is not of the form system.noun"),
    ("{good}\nUserVoicemail.name = 'phone.config'", "its name 'phone.config' is taken by engine.actions.phone.config"),
    ("{good}\nUserVoicemail.effect = 'changes'", "its effect is 'changes', not one of engine.model.plan.Effect"),
])
def test_a_wrong_plugin_is_refused_by_name(plugin: Path, change: str, why: str) -> None:
    """What, from which package, why, and what to do."""
    good = named_file("user_voicemail.py").text
    (plugin / "user_voicemail.py").write_text(change.replace("{good}", good), encoding="utf-8")
    with pytest.raises(SwitchoverError) as refused:
        catalog()
    assert refused.value.summary == "The action plugin user_voicemail:UserVoicemail cannot be used"
    assert f"It comes from {PACKAGE}" in refused.value.detail
    assert why in refused.value.detail
    assert "Update or remove that package." in refused.value.detail


@pytest.mark.xdist_group("tour")
def test_it_is_planned_applied_proved_and_taken_back(plugin: Path) -> None:
    """The four things CONTRIBUTING asks of an action, over the platform's API: nothing written by the plan, the lost reply
    resolved by reading, nothing left to do afterwards, and taken back by undo."""
    project = plugin / "project"
    run = _Run(plugin, project)
    switchover(plugin, "init", "project").must(0)
    (project / "runbooks" / "mailboxes.yml").write_text(named_file("runbooks/mailboxes.yml").text, encoding="utf-8")
    named = ("runbooks/mailboxes.yml", "-i", "inventories/example-dental")
    run("validate", *named).must(0)
    run("lab", "up", "-i", "inventories/example-dental").must(0)
    try:
        planned = run("plan", *named, "--lab", "--out", "boxes.plan", "--output", "jsonl").must(0)
        assert _writes(run) == 0
        assert "take the mailbox from 101" in planned.out
        run("lab", "fault", "platform", "lost_reply", "--match", "PUT", "--count", "1").must(0)
        assert run("apply", "boxes.plan").must(5).text.count("mailbox[") > 0
        assert run("retry").must(0).text.count("found in place:") == 1
        made = _writes(run)
        assert made > 0
        run("plan", *named, "--lab", "--detailed-exitcode").must(0)
        run("apply", *named, "--lab", "--yes").must(0)
        assert _writes(run) == made
        _take_back(run, project / ".switchover" / "lab")
    finally:
        run("lab", "down")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as an installed package: its module beside what pip would have written for it."""
    (tmp_path / "user_voicemail.py").write_text(named_file("user_voicemail.py").text, encoding="utf-8")
    project = tomllib.loads(named_file("pyproject.toml").text)["project"]
    assert project["name"] == PACKAGE
    info = tmp_path / "switchover_user_voicemail-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {project['version']}\n", encoding="utf-8")
    points = project["entry-points"]["switchover.actions"]
    (info / "entry_points.txt").write_text(
        "[switchover.actions]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()), encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("user_voicemail", None)


@dataclass(frozen=True, slots=True)
class _Run:
    """``switchover ...`` in a project, with the plugin installed."""

    plugin: Path
    project: Path

    def __call__(self, *arguments: object) -> Ended:
        return switchover(self.project, *arguments, env={"PYTHONPATH": f"{self.plugin}:{ROOT}"})


def _take_back(run: _Run, lab: Path) -> None:
    """Undo is no command; so the action is asked itself, through the product's own transport."""
    action = importlib.import_module("user_voicemail").UserVoicemail()
    pool = HttpPool()
    port = json.loads((lab / "servers.json").read_text(encoding="utf-8"))["platform"]["ports"]["http"]
    token = Secret((lab / "secrets" / "platform_token").read_text(encoding="utf-8"))
    platform = opened(
        pool, "platform", "netsapiens", url=f"http://127.0.0.1:{port}/ns-api/v2", token=token, domain="example-dental",
    )
    bench = Bench(make_sessions({"platform": platform}))
    given = {"connection": "platform", "extension": "105"}
    try:
        receipt = bench.apply(action, **given, enabled=False)
        bench.undo(action, receipt, **given, enabled=False)
        assert bench.plan(action, **given, enabled=True) is None, "undo did not restore the mailbox"
    finally:
        pool.close()


def _writes(run: _Run) -> int:
    servers = run("lab", "status", "--output", "json").must(0).json["servers"]
    return sum(server["writes"] for server in servers)


def test_every_built_in_action_is_called_what_it_is_listed_as() -> None:
    """They are imported one by one, so nothing else would notice a wrong entry before a customer does."""
    assert [action.name for action in BUILT_IN.values()] == list(BUILT_IN)


def test_a_run_imports_only_the_actions_it_uses() -> None:
    """The mail library alone takes longer to import than a small run to be done."""
    script = "import sys; from engine.actions.catalog import catalog; catalog(['phone.config'])['phone.config']; " \
        "sys.exit('email' in sys.modules or 'engine.actions.mail.send' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
