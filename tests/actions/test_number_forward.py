"""``number.forward`` against the lab's carrier, over sockets, in both carriers' forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.number.forward import NumberForward
from engine.actions.number.provider import Line, Seen
from engine.lab.board import Board, Fault, write_faults
from engine.lab.carrier import build
from engine.lab.web_server import LabServer
from engine.model.args import builder_of
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change
from engine.model.secret import Secret
from engine.transports.http import HttpPool
from tests.support.carrier_shapes import undeclared
from tests.support.rest_bench import CARRIER_SEED, Bench, carrier_connections, opened, pairs_of, requests_of
from tests.support.sessions import make_sessions

FORWARD = NumberForward()
OLD, NEW = "+12025550100", "+12025550190"
CASES = yaml.safe_load((Path(__file__).parent / "number_forward" / "cases.yml").read_text(encoding="utf-8"))
both_carriers = pytest.mark.parametrize("carrier", ["telnyx", "twilio"])


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    made = HttpPool()
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabServer]:
    board = Board(tmp_path, "carrier")
    with LabServer(board, build(board, CARRIER_SEED)) as running:
        yield running


@pytest.fixture
def bench(server: LabServer, pool: HttpPool) -> Bench:
    return Bench(make_sessions(carrier_connections(pool, server.url)))


def fault(folder: Path, name: str, match: str = "", value: float | None = None, count: int | None = 1) -> None:
    write_faults(folder, [Fault("f", "carrier", name, match, count, value)])


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    """What it says of what it sees stands in the case file."""
    args = builder_of(FORWARD.Args)({"connection": "telnyx", "number": OLD, "to": NEW})
    change = FORWARD.diff(args, Seen(Line("1", case["fields"]), case["wanted"], "forward"))
    assert pairs_of(change) == case["change"]


def test_what_is_masked_still_counts() -> None:
    """Two passwords in the same address look alike, and are two different changes."""
    args = builder_of(FORWARD.Args)({"connection": "twilio", "number": OLD, "to": NEW})
    first, second = (
        FORWARD.diff(args, Seen(Line("1", {"voice_url": f"https://a:{word}@h/x"}), {"voice_url": "https://h/"}, "forward"))
        for word in ("one", "two")
    )
    assert first is not None
    assert second is not None
    assert first.fields == second.fields
    assert first.digest() != second.digest()


@both_carriers
def test_a_plan_only_reads(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """Looking at a number leaves no write in the carrier's log."""
    change = bench.plan(FORWARD, connection=carrier, number=OLD, to=NEW)
    assert isinstance(change, Change)
    assert change.summary == f"forward {OLD} to {NEW}"
    assert requests_of(tmp_path, "carrier", "write") == []
    assert len(requests_of(tmp_path, "carrier", "read")) <= 2


@both_carriers
def test_a_second_apply_changes_nothing(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """One write in all, however often it is asked for."""
    bench.apply(FORWARD, connection=carrier, number=OLD, to=NEW)
    assert bench.attempt(FORWARD, connection=carrier, number=OLD, to=NEW) is None
    assert len(requests_of(tmp_path, "carrier", "write")) == 1


@both_carriers
def test_undo_restores_what_was_there(bench: Bench, carrier: str) -> None:
    """The same change is pending again, to the letter; undoing twice does no harm."""
    before = bench.plan(FORWARD, connection=carrier, number=OLD, to=NEW)
    receipt = bench.apply(FORWARD, connection=carrier, number=OLD, to=NEW)
    bench.undo(FORWARD, receipt, connection=carrier, number=OLD, to=NEW)
    assert bench.plan(FORWARD, connection=carrier, number=OLD, to=NEW) == before


@both_carriers
def test_undo_restores_an_earlier_forwarding(bench: Bench, carrier: str) -> None:
    """Not forwarded to the new place means forwarded to the place before."""
    bench.apply(FORWARD, connection=carrier, number=OLD, to="+12025550177")
    receipt = bench.apply(FORWARD, connection=carrier, number=OLD, to=NEW)
    bench.undo(FORWARD, receipt, connection=carrier, number=OLD, to=NEW)
    assert bench.plan(FORWARD, connection=carrier, number=OLD, to="+12025550177") is None


@both_carriers
def test_undo_leaves_alone_what_somebody_changed_since(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """A third state is nobody's to overwrite but a person's."""
    receipt = bench.apply(FORWARD, connection=carrier, number=OLD, to=NEW)
    bench.apply(FORWARD, connection=carrier, number=OLD, to="+12025550177")
    writes = len(requests_of(tmp_path, "carrier", "write"))
    with pytest.raises(Permanent, match="changed since by somebody else"):
        bench.undo(FORWARD, receipt, connection=carrier, number=OLD, to=NEW)
    assert len(requests_of(tmp_path, "carrier", "write")) == writes


@both_carriers
def test_a_lost_reply_is_resolved_by_reading(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """The change had been made: the next look finds nothing left to do, and nothing is written twice."""
    fault(tmp_path, "lost_reply", "PATCH" if carrier == "telnyx" else "POST")
    with pytest.raises(Temporary, match="will be read back"):
        bench.attempt(FORWARD, connection=carrier, number=OLD, to=NEW)
    assert bench.attempt(FORWARD, connection=carrier, number=OLD, to=NEW) is None
    assert len(requests_of(tmp_path, "carrier", "write")) == 1


@both_carriers
def test_a_dropped_request_is_made_again(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """Nothing had happened: the same change is found and applied."""
    fault(tmp_path, "drop", "PATCH" if carrier == "telnyx" else "POST")
    with pytest.raises(Temporary):
        bench.attempt(FORWARD, connection=carrier, number=OLD, to=NEW)
    bench.apply(FORWARD, connection=carrier, number=OLD, to=NEW)


@both_carriers
def test_a_change_that_shows_late_settles(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """The first readings still show the old state; in the action's settle time the new one appears, from one write."""
    fault(tmp_path, "late", value=0.15)
    bench.attempt(FORWARD, connection=carrier, number=OLD, to=NEW)
    assert bench.settle(FORWARD, 5.0, connection=carrier, number=OLD, to=NEW) > 0
    assert len(requests_of(tmp_path, "carrier", "write")) == 1


@both_carriers
def test_too_many_requests_carries_the_wait(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """The wait the carrier asks for reaches whoever decides when to try again."""
    fault(tmp_path, "status", value=429)
    with pytest.raises(Temporary, match="429") as caught:
        bench.plan(FORWARD, connection=carrier, number=OLD, to=NEW)
    assert caught.value.wait_s == 1.0


@both_carriers
def test_an_outage_is_temporary(tmp_path: Path, bench: Bench, carrier: str) -> None:
    """503 is told with the carrier's own words."""
    fault(tmp_path, "status", value=503)
    with pytest.raises(Temporary, match="the lab was told to answer so"):
        bench.plan(FORWARD, connection=carrier, number=OLD, to=NEW)


@both_carriers
def test_a_number_that_is_not_on_the_account_is_explained(bench: Bench, carrier: str) -> None:
    """The classic: it is with another carrier behind a reseller."""
    with pytest.raises(Permanent, match=r"\+12025550999 is not on this .* reseller"):
        bench.plan(FORWARD, connection=carrier, number="+12025550999", to=NEW)


def test_a_wrong_key_is_permanent_and_stays_secret(server: LabServer, pool: HttpPool) -> None:
    """The carrier's own words, the setting to look at, and never the key."""
    key = "KEY-wrong-9b2f41"
    bench = Bench(make_sessions({"telnyx": opened(pool, "telnyx", "telnyx", url=server.url, api_key=Secret(key))}))
    with pytest.raises(Permanent, match=r"401.*10009 Authentication failed.*'api_key'") as caught:
        bench.plan(FORWARD, connection="telnyx", number=OLD, to=NEW)
    assert key not in str(caught.value)


def test_a_number_in_porting_is_not_touched(bench: Bench) -> None:
    """Telnyx lists it already, but its calls still go elsewhere."""
    with pytest.raises(Permanent, match=r"port-pending.*does not route"):
        bench.plan(FORWARD, connection="telnyx", number="+12025550103", to=NEW)


@pytest.mark.parametrize(("number", "to", "why"), [
    (OLD, OLD, "would loop"),
    (OLD, "+1 (202) 555-0100", "would loop"),
    ("2025550100", NEW, "number: '2025550100' is not a number with its country code"),
    (OLD, "12025550100.0", "to: .* is not a number"),
])
def test_numbers_that_make_no_sense_are_refused_unread(tmp_path: Path, bench: Bench, number: str, to: str, why: str) -> None:
    """Before the carrier is asked anything."""
    with pytest.raises(Permanent, match=why):
        bench.plan(FORWARD, connection="telnyx", number=number, to=to)
    assert requests_of(tmp_path, "carrier") == []


def test_a_trunk_is_detached_and_attached_again(bench: Bench) -> None:
    """Twilio ignores VoiceUrl while a trunk is set, so the plan shows it going and undo brings it back."""
    asked = {"connection": "twilio", "number": "+12025550102", "to": "+12025550192"}
    before = bench.plan(FORWARD, **asked)
    assert isinstance(before, Change)
    assert "TK1111" in before.notes[0]
    assert (pairs_of(before) or {})["trunk_sid"] == ["TK" + "1" * 32, None]
    receipt = bench.apply(FORWARD, **asked)
    bench.undo(FORWARD, receipt, **asked)
    assert bench.plan(FORWARD, **asked) == before


def test_twilio_needs_a_page_that_forwards(server: LabServer, pool: HttpPool) -> None:
    """The missing setting is explained with an example."""
    secrets = CARRIER_SEED["secrets"]
    connection = opened(
        pool, "twilio", "twilio", url=server.url, account_sid=secrets["twilio_account_sid"],
        auth_token=Secret(secrets["twilio_auth_token"]),
    )
    with pytest.raises(Permanent, match="'forward_url' of the connection"):
        Bench(make_sessions({"twilio": connection})).plan(FORWARD, connection="twilio", number=OLD, to=NEW)


@both_carriers
def test_the_right_number_is_found_beyond_the_first_page(tmp_path: Path, pool: HttpPool, carrier: str) -> None:
    """Carriers match parts of numbers and page: 300 numbers hold these digits, the last one is meant."""
    longer = [{"number": f"+120255501{n:03}"} for n in range(300)]
    board = Board(tmp_path, "carrier")
    with LabServer(board, build(board, {**CARRIER_SEED, "numbers": [*longer, {"number": "+120255501"}]})) as server:
        bench = Bench(make_sessions(carrier_connections(pool, server.url)))
        receipt = bench.apply(FORWARD, connection=carrier, number="+120255501", to=NEW)
        assert bench.plan(FORWARD, connection=carrier, number="+120255501000", to=NEW) is not None
    assert receipt.summary.startswith("forward +120255501 ")


def test_every_request_has_the_published_shape(tmp_path: Path, bench: Bench) -> None:
    """Paths, content types, query and property names are the carriers' own; the lab alone could be wrong in the same way."""
    for carrier in ("telnyx", "twilio"):
        receipt = bench.apply(FORWARD, connection=carrier, number="+12025550102", to=NEW)
        bench.undo(FORWARD, receipt, connection=carrier, number="+12025550102", to=NEW)
    requests = requests_of(tmp_path, "carrier")
    assert len(requests) > 10
    assert undeclared(requests) == []


def test_an_undeclared_name_would_be_found() -> None:
    """The check of shapes bites."""
    request = {
        "what": "PATCH /v2/phone_numbers/1/voice", "query": [], "content_type": "application/json",
        "names": ["call_forwarding", "call_forwarding.forward_to"],
    }
    assert undeclared([request]) == ["PATCH /v2/phone_numbers/1/voice: call_forwarding.forward_to"]
    assert undeclared([{**request, "names": [], "content_type": "text/plain"}]) != []
    assert undeclared([{**request, "what": "PUT /v2/phone_numbers/1/voice"}]) != []


def test_the_receipt_holds_no_address(bench: Bench) -> None:
    """What was there before is in the keep; the journal gets its name alone."""
    receipt = bench.apply(FORWARD, connection="twilio", number=OLD, to=NEW)
    assert set(receipt.data) == {"kept"}
    assert len(str(receipt.data["kept"])) >= 32
