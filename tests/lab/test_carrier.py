"""The lab's carrier, asked over sockets: as strict as the real ones where that finds mistakes."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.lab.board import Board, Fault, write_faults
from engine.lab.carrier import build
from engine.lab.web_server import LabServer
from tests.support.rest_bench import CARRIER_SEED

SECRETS = CARRIER_SEED["secrets"]
ACCOUNT = f"/2010-04-01/Accounts/{SECRETS['twilio_account_sid']}"
BEARER = f"Bearer {SECRETS['telnyx_api_key']}"
BASIC = "Basic " + base64.b64encode(f"{SECRETS['twilio_account_sid']}:{SECRETS['twilio_auth_token']}".encode()).decode()
MAIN = "12025550100"


class Client:
    """One connection with both carriers' credentials."""

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=5)
        self.headers: Mapping[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, key: str | None = None, kind: str = "") -> tuple[int, Any]:
        headers = {"Authorization": (BEARER if path.startswith("/v2") else BASIC) if key is None else key}
        content = None
        if body is not None:
            is_json = path.startswith("/v2")
            headers["Content-Type"] = kind or ("application/json" if is_json else "application/x-www-form-urlencoded")
            content = json.dumps(body) if is_json else urlencode(body)  # type: ignore[arg-type]  # a form's mapping
        self.http.request(method, path, content, headers)
        reply = self.http.getresponse()
        self.headers = dict(reply.headers.items())
        return reply.status, json.loads(reply.read())

    def number(self, number: str = MAIN) -> dict[str, Any]:
        _, body = self.ask("GET", f"/v2/phone_numbers?filter%5Bphone_number%5D={number}")
        found: dict[str, Any] = body["data"][0]
        return found

    def incoming(self, number: str = MAIN) -> dict[str, Any]:
        _, body = self.ask("GET", f"{ACCOUNT}/IncomingPhoneNumbers.json?PhoneNumber={number}")
        found: dict[str, Any] = body["incoming_phone_numbers"][0]
        return found


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    board = Board(tmp_path, "carrier")
    with LabServer(board, build(board, CARRIER_SEED)) as server:
        made = Client(server.port)
        yield made
        made.http.close()


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic d3Jvbmc="])
@pytest.mark.parametrize(("path", "code"), [("/v2/phone_numbers", "10009"), (f"{ACCOUNT}/IncomingPhoneNumbers.json", 20003)])
def test_strangers_are_refused_in_the_carriers_own_form(client: Client, path: str, code: object, key: str) -> None:
    """401 with each API's error body."""
    status, body = client.ask("GET", path, key=key)
    assert status == 401
    assert (body["errors"][0]["code"] if "errors" in body else body["code"]) == code


def test_one_carriers_key_does_not_open_the_other(client: Client) -> None:
    """They only share the numbers."""
    assert client.ask("GET", "/v2/phone_numbers", key=BASIC)[0] == 401
    assert client.ask("GET", f"{ACCOUNT}/IncomingPhoneNumbers.json", key=BEARER)[0] == 401


def test_telnyx_pages_are_real(client: Client) -> None:
    """Every number once, over as many pages as the size asks for."""
    first = client.ask("GET", "/v2/phone_numbers?page%5Bsize%5D=3")[1]
    pages = first["meta"]["total_pages"]
    rest = [client.ask("GET", f"/v2/phone_numbers?page%5Bsize%5D=3&page%5Bnumber%5D={n}")[1] for n in range(2, pages + 1)]
    numbers = [entry["phone_number"] for page in (first, *rest) for entry in page["data"]]
    assert len(numbers) == len(set(numbers)) == first["meta"]["total_results"] == 7


def test_twilio_pages_are_real(client: Client) -> None:
    """next_page_uri leads through all of them and ends in null."""
    path, numbers = f"{ACCOUNT}/IncomingPhoneNumbers.json?PageSize=3", []
    while path:
        _, body = client.ask("GET", path)
        numbers += [entry["phone_number"] for entry in body["incoming_phone_numbers"]]
        path = body["next_page_uri"]
    assert len(numbers) == len(set(numbers)) == 7


@pytest.mark.parametrize(("wanted", "count"), [(MAIN, 1), ("2025550", 7), ("%2B12025550100", 0), ("20", 0)])
def test_telnyx_filters_by_digits_alone(client: Client, wanted: str, count: int) -> None:
    """A plus, or fewer than three digits, finds nothing, as its documentation says."""
    assert len(client.ask("GET", f"/v2/phone_numbers?filter%5Bphone_number%5D={wanted}")[1]["data"]) == count


@pytest.mark.parametrize(("body", "pointer"), [
    ({"call_forwardng": {}}, "/call_forwardng"),
    ({"call_forwarding": {"forward_to": "+12025550190"}}, "/call_forwarding/forward_to"),
    ({"call_forwarding": {"forwards_to": "2025550190"}}, "/call_forwarding/forwards_to"),
    ({"call_forwarding": {"forwards_to": None}}, "/call_forwarding/forwards_to"),
    ({"call_forwarding": {"forwarding_type": "on_failure"}}, "/call_forwarding/forwarding_type"),
    ({"call_forwarding": {"call_forwarding_enabled": "yes"}}, "/call_forwarding/call_forwarding_enabled"),
    ({"call_forwarding": []}, "/call_forwarding"),
])
def test_telnyx_refuses_what_is_not_declared(client: Client, body: object, pointer: str) -> None:
    """422, pointing at the property; nothing is changed."""
    path = f"/v2/phone_numbers/{client.number()['id']}/voice"
    before = client.ask("GET", path)
    status, answer = client.ask("PATCH", path, body)
    assert (status, answer["errors"][0]["source"]["pointer"]) == (422, pointer)
    assert client.ask("GET", path) == before


@pytest.mark.parametrize(("form", "message"), [
    ({"VoiceURL": "https://x.example"}, "VoiceURL"),
    ({"VoiceUrl": "x.example"}, "VoiceUrl is not a valid URL"),
    ({"VoiceMethod": "PATCH"}, "VoiceMethod is not valid"),
])
def test_twilio_refuses_what_is_not_declared(client: Client, form: object, message: str) -> None:
    """Stricter than the real one, which ignores a misspelt name."""
    status, answer = client.ask("POST", f"{ACCOUNT}/IncomingPhoneNumbers/{client.incoming()['sid']}.json", form)
    assert (status, answer["status"]) == (400, 400)
    assert message in answer["message"]


def test_wrong_content_types_are_refused(client: Client) -> None:
    """JSON at Telnyx, a form at Twilio."""
    assert client.ask("PATCH", f"/v2/phone_numbers/{client.number()['id']}/voice", {}, kind="text/plain")[0] == 415
    path = f"{ACCOUNT}/IncomingPhoneNumbers/{client.incoming()['sid']}.json"
    assert client.ask("POST", path, {"VoiceUrl": ""}, kind="application/json")[0] == 415


def test_a_trunk_and_an_application_exclude_each_other(client: Client) -> None:
    """Setting one deletes the other."""
    path = f"{ACCOUNT}/IncomingPhoneNumbers/{client.incoming('12025550102')['sid']}.json"
    with_application = client.ask("POST", path, {"VoiceApplicationSid": "AP1"})[1]
    with_trunk = client.ask("POST", path, {"TrunkSid": "TK2"})[1]
    assert (with_application["trunk_sid"], with_application["voice_application_sid"]) == (None, "AP1")
    assert (with_trunk["trunk_sid"], with_trunk["voice_application_sid"]) == ("TK2", None)


@pytest.mark.parametrize("path", [
    "/v2/phone_numbers/1/voice", "/v2/nothing", "/v2/verified_numbers/%2B12025550100", "/v2/connections/1",
    "/v2/ip_connections/700", f"{ACCOUNT}/IncomingPhoneNumbers/PN0.json", "/2010-04-01/Accounts/AC0/IncomingPhoneNumbers.json",
])
def test_what_is_not_there_is_404_in_the_carriers_own_form(client: Client, path: str) -> None:
    """A connection of another kind and another account's numbers are not there either."""
    status, body = client.ask("GET", path)
    assert status == 404
    assert ("errors" in body) == path.startswith("/v2")


def test_too_many_requests_have_reset_headers(tmp_path: Path, client: Client) -> None:
    """The third request in a second, when two are allowed."""
    write_faults(tmp_path, [Fault("f", "carrier", "rate_limit", value=2)])
    statuses = [client.ask("GET", "/v2/phone_numbers")[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (client.headers["x-ratelimit-reset"], client.headers["x-ratelimit-remaining"]) == ("1", "0")


def test_a_late_write_answers_with_the_new_and_shows_the_old(tmp_path: Path, client: Client) -> None:
    """The answer to the write is not proof of what is read; later writes build on earlier ones."""
    path = f"/v2/phone_numbers/{client.number()['id']}/voice"
    before = client.ask("GET", path)[1]
    write_faults(tmp_path, [Fault("f", "carrier", "late", "PATCH", value=3600)])
    answered = client.ask("PATCH", path, {"call_forwarding": {"forwards_to": "+12025550190"}})[1]
    assert answered["data"]["call_forwarding"]["forwards_to"] == "+12025550190"
    assert client.ask("GET", path)[1] == before


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    """As the lab starts it: from a seed file, announcing its port, ending cleanly."""
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(CARRIER_SEED))
    command = [sys.executable, "-m", "engine.lab.carrier", "--folder", str(tmp_path), "--seed", str(seed), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        made = Client(json.loads(process.stdout.readline())["ready"]["http"])
        number = made.number()["phone_number"]
        made.http.close()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=10)
    assert (number, status) == ("+12025550100", 0)
