"""The sessions that tests of actions are given behave as the engine's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.diagnostic import InvalidInput
from engine.model.errors import Permanent, WriteRefused
from engine.ports import Sessions
from engine.transports.local import LocalSession
from tests.support.clock import FakeClock
from tests.support.sessions import Opened, TestSessions, make_sessions


def sessions(folder: Path) -> TestSessions:
    """One local connection called ``provisioning``, one template, one secret."""
    root = folder / "root"
    root.mkdir()
    (folder / "phone.cfg.j2").write_text("mac = {{ item.mac }}, {{ extra }}\n")
    local = Opened("local", lambda read_only, host: LocalSession({"root": str(root)}, read_only, lambda: 10.0), {"root": "r"})
    return make_sessions(
        {"provisioning": local}, context={"item": {"mac": "001565aabbcc"}}, template_folders=[folder], secrets=["hunter22"],
    )


def test_a_plan_reads_what_an_apply_wrote_and_cannot_write(tmp_path: Path) -> None:
    """``reading()`` opens the same connections read-only."""
    at = sessions(tmp_path)
    at.files("provisioning").write("a.cfg", b"x")
    plan: Sessions = at.reading()
    assert plan.files("provisioning").read("a.cfg") == b"x"
    with pytest.raises(WriteRefused):
        plan.files("provisioning").write("a.cfg", b"y")


def test_connections_are_checked_as_the_engine_checks_them(tmp_path: Path) -> None:
    """A wrong name or type is permanent, never an AttributeError."""
    at = sessions(tmp_path)
    assert (at.connection_type("provisioning"), at.setting("provisioning", "port", 69)) == ("local", 69)
    with pytest.raises(Permanent, match="is of type local, not http"):
        at.http("provisioning")
    with pytest.raises(Permanent, match="no connection 'nowhere'"):
        at.files("nowhere")


def test_templates_secrets_and_time(tmp_path: Path) -> None:
    """Real templates with the item's context; a keep in memory; a clock that only moves when asked."""
    at = sessions(tmp_path)
    assert at.render("phone.cfg.j2", {"extra": 1}) == "mac = 001565aabbcc, 1\n"
    with pytest.raises(InvalidInput):
        at.render("phone.cfg.j2")
    assert (at.has_template("x"), at.redact("pass hunter22")) == (False, "pass ***")
    assert at.keep.get(at.keep.put(b"before")) == b"before"
    clock = FakeClock()
    before = clock.now()
    clock.sleep(2.5)
    assert ((clock.now() - before).total_seconds(), clock.monotonic(), clock.slept) == (2.5, 2.5, [2.5])
