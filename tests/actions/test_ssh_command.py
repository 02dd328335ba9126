"""``ssh.command``: its decisions as data, and against the lab's device and a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.ssh.command import CommandSeen, Guard, SshCommand, SshCommandArgs
from engine.lab.board import Fault
from engine.model.args import BadArgument, builder_of, schema_of
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change, Unpredictable
from engine.transports.ssh import SshPool
from tests.support.ssh_device import SshDevice, ssh_device
from tests.support.ssh_sessions import SshBench, ssh_bench
from tests.support.sshd import require_sshd, sshd

CASES = yaml.safe_load((Path(__file__).parent / "ssh_command" / "cases.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    with ssh_device(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[SshPool]:
    opened = SshPool(lambda name: {})
    yield opened
    opened.close()


def _args(**given: object) -> SshCommandArgs:
    return builder_of(SshCommandArgs)({"connection": "pbx", **given})


def _bench(device: SshDevice, pool: SshPool, *secrets: str, **given: object) -> SshBench:
    device.have()
    return ssh_bench(pool, device.settings(), SshCommand(), _args(**given), secrets)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_plans(case: dict[str, Any]) -> None:
    """The guards decide; a change is proved by asking them again."""
    args = _args(**case["args"])

    planned = SshCommand().diff(args, CommandSeen(Guard(case["guard"]), args.command, args.unless or ""))

    if "nothing" in case:
        assert planned is None
    elif "unpredictable" in case:
        assert isinstance(planned, Unpredictable)
        assert planned.summary == case["unpredictable"]
    else:
        assert isinstance(planned, Change)
        fields = [[field.name, field.before, field.after] for field in planned.fields]
        assert {"summary": planned.summary, "fields": fields} == case["change"]
        assert not planned.reversible


def test_a_plan_changes_nothing_and_a_second_apply_has_nothing_to_do(device: SshDevice, pool: SshPool) -> None:
    """With a file that tells."""
    bench = _bench(device, pool, command="echo made > made-it", creates="made-it")
    before = len(device.requests("write"))

    assert isinstance(bench.plan(), Change)
    assert len(device.requests("write")) == before
    receipt = bench.apply()

    assert bench.plan() is None
    assert (device.root / "made-it").read_text() == "made\n"
    assert len(device.requests("write")) == before + 1
    assert receipt.data["status"] == 0


def test_a_command_that_tells_guards_too(device: SshDevice, pool: SshPool) -> None:
    """It is asked with its own variables, and what it prints is nobody's business."""
    bench = _bench(
        device, pool, command='echo "$FLAG" >> flags', unless='echo noise; echo noise >&2; grep -q "$FLAG" flags',
        env={"FLAG": "it's on"},
    )

    bench.apply()

    assert bench.plan() is None
    assert (device.root / "flags").read_text() == "it's on\n"


def test_onlyif_holds_a_command_back(device: SshDevice, pool: SshPool) -> None:
    """While it fails there is nothing to do."""
    assert _bench(device, pool, command="touch never", onlyif="test -e wanted").plan() is None
    (device.root / "wanted").touch()
    assert isinstance(_bench(device, pool, command="touch never", onlyif="test -e wanted").plan(), Unpredictable)


def test_a_bare_command_asks_nothing_beforehand(device: SshDevice, pool: SshPool) -> None:
    """A device's own prompt may know no ``test``: nothing is sent to it before the command itself."""
    bench = _bench(device, pool, command="echo bare >> log; cat >> log", stdin="from stdin\n")
    before = len(device.requests())

    assert isinstance(bench.plan(), Unpredictable)
    assert len(device.requests()) == before
    bench.apply()

    assert (device.root / "log").read_text() == "bare\nfrom stdin\n"


def test_a_guard_that_is_not_there_is_an_error_and_not_a_no(device: SshDevice, pool: SshPool) -> None:
    """A typing error in a guard must not run the command again and again."""
    with pytest.raises(Permanent, match="a guard command cannot be carried out"):
        _bench(device, pool, command="touch x", unless="is-enabeld").plan()


def test_values_cannot_become_commands(device: SshDevice, pool: SshPool) -> None:
    """Whatever stands in a path or variable."""
    awkward = "it's; touch pwned; $(touch pwned) `touch pwned`\n-x"
    bench = _bench(device, pool, command='printf %s "$NAME" > named', creates=f"dir/{awkward}", env={"NAME": awkward})

    assert isinstance(bench.plan(), Change)
    bench.apply()

    assert (device.root / "named").read_text() == awkward
    assert not (device.root / "pwned").exists()


def test_a_status_that_does_not_count_as_success_is_permanent_with_the_last_words(device: SshDevice, pool: SshPool) -> None:
    """Status, and the end of what it printed, masked."""
    bench = _bench(device, pool, "sesame-open", command="echo one; echo 'two: sesame-open' >&2; exit 3")

    with pytest.raises(Permanent) as caught:
        bench.apply()
    assert "ended with status 3: two: ***" in caught.value.why
    assert "sesame" not in caught.value.why
    assert _bench(device, pool, command="exit 3", ok_status=[0, 3]).apply().data["status"] == 3


def test_a_command_may_ask_to_be_tried_again(device: SshDevice, pool: SshPool) -> None:
    """EX_TEMPFAIL, 75."""
    with pytest.raises(Temporary):
        _bench(device, pool, command="exit 75").apply()


def test_secrets_are_shown_nowhere(device: SshDevice, pool: SshPool) -> None:
    """Neither in the plan nor in the receipt; two different ones are two different changes."""
    bench = _bench(device, pool, "sesame-open", command="echo sesame-open", creates="no", unless="test sesame-open = no")
    planned = bench.plan()

    assert isinstance(planned, Change)
    assert "sesame" not in repr(planned)
    assert "sesame" not in repr(bench.apply())
    other = _bench(device, pool, "sesame-shut", command="echo sesame-shut", creates="no", unless="test sesame-shut = no").plan()
    assert other is not None
    assert (planned.summary, planned.digest() == other.digest()) == (other.summary, False)


def test_a_lost_reply_is_resolved_by_asking_the_guard(device: SshDevice, pool: SshPool) -> None:
    """The device did as told and hung up: nothing is left to do."""
    bench = _bench(device, pool, command="echo once >> counted", creates="counted")
    device.have(Fault("lost", "ssh", "die", match="echo once", count=1))

    with pytest.raises(Temporary) as caught:
        bench.apply()
    assert not caught.value.nothing_done
    assert bench.plan() is None
    assert (device.root / "counted").read_text() == "once\n"


@pytest.mark.real
def test_on_a_real_sshd(pool: SshPool, tmp_path: Path) -> None:
    """Guard, command and proof over one connection."""
    require_sshd()
    with sshd(tmp_path / "sshd") as server:
        args = _args(command=f"date > {tmp_path}/made", creates=f"{tmp_path}/made")
        bench = ssh_bench(pool, server.settings(), SshCommand(), args)

        bench.apply()

        assert bench.plan() is None
        assert server.connections() == 1
        pool.close()


def test_arguments_are_checked_and_described() -> None:
    """A variable's name that no shell takes; every argument has its sentence."""
    with pytest.raises(BadArgument, match="no name of a variable"):
        _args(command="x", env={"A B": "1"})
    schema = schema_of("ssh.command", SshCommand.doc, SshCommandArgs)
    assert all(entry["description"] for entry in schema["properties"].values())  # type: ignore[attr-defined]
