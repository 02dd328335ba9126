"""``number.caller_id`` against a platform and the lab's carrier, over sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.number.caller_id import NumberCallerId
from engine.actions.number.netsapiens import as_e164
from engine.actions.number.provider import Line, Seen
from engine.lab.board import Board, Fault, write_faults
from engine.lab.carrier import build
from engine.lab.web_server import LabServer, Refused, Route, WebApp, WebReply, WebRequest
from engine.model.args import builder_of
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change
from engine.model.secret import Secret
from engine.transports.http import HttpPool
from tests.support.carrier_shapes import undeclared
from tests.support.rest_bench import CARRIER_SEED, Bench, carrier_connections, opened, pairs_of, requests_of
from tests.support.sessions import make_sessions

CALLER_ID = NumberCallerId()
SHOWN = "+12025550100"
CASES = yaml.safe_load((Path(__file__).parent / "number_caller_id" / "cases.yml").read_text(encoding="utf-8"))


class Platform:
    """As much of NetSapiens as there is to one user: GET and PUT, 202 without ``synchronous``."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = {
            "user": "101", "caller-id-number": "[*]", "caller-id-number-emergency": "12025550190", "name-first-name": "Ann",
        }
        self.app = WebApp(
            (Route("GET", "/ns-api/v2/domains/{domain}/users/{user}", self._read),
             Route("PUT", "/ns-api/v2/domains/{domain}/users/{user}", self._write)),
            guard=self._guard,
        )

    def _guard(self, request: WebRequest) -> WebReply | None:
        if request.headers.get("authorization") != "Bearer nsd_token":
            raise Refused(401, "Unauthorized")
        return None

    def _read(self, request: WebRequest) -> WebReply:
        if (request.params["domain"], request.params["user"]) != ("example.net", "101"):
            raise Refused(404, "Resource not found")
        return WebReply(200, self.user)

    def _write(self, request: WebRequest) -> WebReply:
        body = request.json()
        synchronous = body.pop("synchronous", "no")
        self.user |= body
        return WebReply(200, self.user) if synchronous == "yes" else WebReply(202)


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    made = HttpPool()
    yield made
    made.close()


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def bench(tmp_path: Path, pool: HttpPool, platform: Platform) -> Iterator[Bench]:
    board = Board(tmp_path, "carrier")
    with LabServer(board, build(board, CARRIER_SEED)) as carrier, LabServer(Board(tmp_path, "platform"), platform.app) as core:
        netsapiens = opened(
            pool, "platform", "netsapiens", url=f"{core.url}/ns-api/v2", token=Secret("nsd_token"), domain="example.net",
        )
        yield Bench(make_sessions({**carrier_connections(pool, carrier.url), "platform": netsapiens}))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    """What it says of what it sees stands in the case file."""
    args = builder_of(CALLER_ID.Args)({"connection": "platform", "show_as": SHOWN})
    change = CALLER_ID.diff(args, Seen(Line("1", case["fields"]), case["wanted"], "show"))
    assert pairs_of(change) == case["change"]


@pytest.mark.parametrize(("read", "meant"), [
    ("12025550100", SHOWN), ("2025550100", SHOWN), (2025550100, SHOWN), (12025550100, SHOWN), ("442079460000", "+442079460000"),
    ("[*]", "[*]"), ("", None), (None, None), ("101", "101"),
])
def test_the_platforms_numbers_are_understood(read: object, meant: str | None) -> None:
    """Ten digits, eleven, as text or number; what is no number stays what it is."""
    assert as_e164(read) == meant


def test_a_users_calls_show_the_original_number(tmp_path: Path, bench: Bench, platform: Platform) -> None:
    """One synchronous write; a second apply finds nothing; the emergency caller ID is not touched."""
    asked = {"connection": "platform", "line": "101", "show_as": SHOWN}
    assert bench.plan(CALLER_ID, **asked) is not None
    assert requests_of(tmp_path, "platform", "write") == []
    bench.apply(CALLER_ID, **asked)
    assert bench.attempt(CALLER_ID, **asked) is None
    (write,) = requests_of(tmp_path, "platform", "write")
    assert write["names"] == ["caller-id-number", "synchronous"]
    assert (platform.user["caller-id-number"], platform.user["caller-id-number-emergency"]) == ("12025550100", "12025550190")


@pytest.mark.parametrize("before", ["[*]", "12025550177", ""])
def test_undo_shows_what_was_shown_before(bench: Bench, platform: Platform, before: str) -> None:
    """A number, nothing, or the domain's own."""
    platform.user["caller-id-number"] = before
    asked = {"connection": "platform", "line": "101", "show_as": SHOWN}
    receipt = bench.apply(CALLER_ID, **asked)
    bench.undo(CALLER_ID, receipt, **asked)
    assert platform.user["caller-id-number"] == before


def test_a_lost_reply_of_the_platform_is_resolved_by_reading(tmp_path: Path, bench: Bench) -> None:
    """The platform had acted, so there is nothing left to do."""
    asked = {"connection": "platform", "line": "101", "show_as": SHOWN}
    write_faults(tmp_path, [Fault("f", "platform", "lost_reply", "PUT", 1)])
    with pytest.raises(Temporary):
        bench.attempt(CALLER_ID, **asked)
    assert bench.attempt(CALLER_ID, **asked) is None


@pytest.mark.parametrize(("asked", "why"), [
    ({"connection": "platform", "line": "199", "show_as": SHOWN}, "no user 199"),
    ({"connection": "platform", "show_as": SHOWN}, "'line' is needed"),
    ({"connection": "platform", "line": "101", "show_as": "0100"}, "show_as: '0100'"),
    ({"connection": "telnyx", "show_as": SHOWN}, "'line' .* or 'number' .* is needed"),
    ({"connection": "telnyx", "line": "799", "show_as": SHOWN}, "no SIP connection 799"),
    ({"connection": "telnyx", "line": "703", "show_as": SHOWN}, "703 is a texml_application"),
    ({"connection": "telnyx", "line": "702", "show_as": SHOWN}, r"shows \+12025550177 for all of its calls already"),
    ({"connection": "telnyx", "line": "700", "show_as": "+12025550999"}, "Telnyx does not know .* before its calls are"),
    ({"connection": "twilio", "show_as": "+12025550999"}, "Twilio does not know .*Verified caller IDs"),
])
def test_what_cannot_work_is_explained(tmp_path: Path, bench: Bench, asked: dict[str, object], why: str) -> None:
    """Each with what to do, and nothing written."""
    with pytest.raises(Permanent, match=why):
        bench.plan(CALLER_ID, **asked)
    assert requests_of(tmp_path, "carrier", "write") == []


@pytest.mark.parametrize("line", ["700", "701"])
def test_a_sip_connection_shows_one_number_for_all_its_calls(tmp_path: Path, bench: Bench, line: str) -> None:
    """Set, read back, taken back; the plan says how far it reaches; all in published shapes."""
    asked = {"connection": "telnyx", "line": line, "show_as": SHOWN}
    before = bench.plan(CALLER_ID, **asked)
    assert isinstance(before, Change)
    assert before.notes == (f"holds for every call through SIP connection {line}",)
    receipt = bench.apply(CALLER_ID, **asked)
    assert bench.attempt(CALLER_ID, **asked) is None
    bench.undo(CALLER_ID, receipt, **asked)
    assert bench.plan(CALLER_ID, **asked) == before
    assert undeclared(requests_of(tmp_path, "carrier")) == []


def test_the_sip_connection_of_a_number_is_found(bench: Bench) -> None:
    """Naming the temporary number is enough."""
    bench.apply(CALLER_ID, connection="telnyx", number="+12025550190", show_as=SHOWN)
    assert bench.plan(CALLER_ID, connection="telnyx", line="700", show_as=SHOWN) is None


def test_two_numbers_do_not_fight_over_one_sip_connection(bench: Bench) -> None:
    """The second would undo the first: it is refused, unless that is what is asked for."""
    bench.apply(CALLER_ID, connection="telnyx", line="700", show_as=SHOWN)
    with pytest.raises(Permanent, match="replace: true"):
        bench.plan(CALLER_ID, connection="telnyx", line="700", show_as="+12025550101")
    bench.apply(CALLER_ID, connection="telnyx", line="700", show_as="+12025550101", replace=True)


@pytest.mark.parametrize("shown", ["+12025550150", SHOWN])
@pytest.mark.parametrize("carrier", ["telnyx", "twilio"])
def test_a_verified_or_own_number_may_be_shown(bench: Bench, carrier: str, shown: str) -> None:
    """Verified at the carrier, or on the account."""
    assert (bench.plan(CALLER_ID, connection=carrier, line="700", show_as=shown) is None) == (carrier == "twilio")


def test_ownership_can_be_waived(bench: Bench) -> None:
    """Explicitly, in the runbook, where a reviewer sees it."""
    assert bench.plan(CALLER_ID, connection="telnyx", line="700", show_as="+12025550999", require_ownership=False) is not None


def test_a_carrier_that_drops_neighbouring_settings_is_noticed(tmp_path: Path, pool: HttpPool) -> None:
    """If a partial write wipes the rest of the object, the operator hears it at once, by name."""
    stored = {"id": "9", "record_type": "ip_connection", "outbound": {"ani_override": "", "channel_limit": 10}}

    def replace(request: WebRequest) -> WebReply:
        stored["outbound"] = request.json()["outbound"]
        return WebReply(200, {"data": stored})

    def read(request: WebRequest) -> WebReply:
        return WebReply(200, {"data": stored})

    app = WebApp((Route("GET", "/v2/connections/9", read), Route("GET", "/v2/ip_connections/9", read),
                  Route("PATCH", "/v2/ip_connections/9", replace)))
    with LabServer(Board(tmp_path, "odd"), app) as server:
        bench = Bench(make_sessions({"odd": opened(pool, "odd", "telnyx", url=server.url)}))
        with pytest.raises(Permanent, match="changed channel_limit beside it"):
            bench.attempt(CALLER_ID, connection="odd", line="9", show_as=SHOWN, require_ownership=False)
