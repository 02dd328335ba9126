"""The lab's platform behaves as the real one where it hurts: asynchronous writes, pages, errors, a real registrar."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.lab import phone_sip as sip
from engine.lab.board import Board, Fault, write_faults
from engine.lab.platform import Platform
from engine.lab.web_server import LabServer
from engine.model.errors import Permanent
from engine.model.secret import Secret
from engine.transports.http import HttpPool, HttpSession
from tests.support.phone_lab import DOMAIN, PHONES, TOKEN, seed_of


class Lab:
    """A platform in this process, and a session to it."""

    def __init__(self, folder: Path, server: LabServer, platform: Platform) -> None:
        self.folder = folder
        self.platform = platform
        self.pool = HttpPool()
        self.url = f"{server.url}/ns-api/v2"

    def session(self, token: str = TOKEN, domain: str = DOMAIN) -> HttpSession:
        settings: dict[str, object] = {"url": self.url, "token": Secret(token), "domain": domain}
        return self.pool.session(f"{token}@{domain}", "netsapiens", settings, False, lambda: 5.0)

    def get(self, path: str) -> Any:
        reply = self.session().request("GET", f"/domains/{{domain}}{path}")
        return reply.data if reply.status == 200 else reply.status

    def fail(self, name: str, match: str = "", value: float | None = None) -> None:
        write_faults(self.folder, [Fault("1", "platform", name, match, None, value)])


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    board = Board(tmp_path, "platform")
    numbers = [{"number": f"+1202555{n:04}", "temporary_did": f"+1303555{n:04}", "routes_to": "102"} for n in range(230)]
    seed = seed_of()
    platform = Platform(board, {**seed, "numbers": [*seed["numbers"], *numbers]})
    platform.registrar.start()
    with LabServer(board, platform.app()) as server:
        lab = Lab(tmp_path, server, platform)
        yield lab
        lab.pool.close()
    platform.registrar.stop()


def test_the_domain_is_built_from_the_inventory(lab: Lab) -> None:
    """Users, a device per phone, the phones by MAC, and the temporary numbers with their targets."""
    assert lab.get("/users/101")["name-first-name"] == "Ada"
    assert lab.get("/users/102")["caller-id-number"] == "13035550000"
    (device,) = lab.get("/users/106/devices")
    assert device["device"] == "106"
    assert device["device-sip-registration-state"] == "unregistered"
    assert lab.get(f"/phones/{PHONES[0]['mac']}")["device-provisioning-last-retrieved-datetime"] is None
    assert lab.get("/phonenumbers/12025550151")["dial-rule-translation-destination-user"] == "101"
    assert lab.get("/phonenumbers/count") == {"total": 231}


def test_lists_are_cut_at_a_hundred_and_paged(lab: Lab) -> None:
    """A caller that does not page sees only the beginning."""
    numbers = {record["phonenumber"] for start in (0, 100, 200) for record in lab.get(f"/phonenumbers?start={start}&limit=500")}
    assert len(lab.get("/phonenumbers")) == 100
    assert len(numbers) == 231
    assert lab.get("/phonenumbers?start=x") == 400


def test_a_write_shows_late_unless_it_is_synchronous(lab: Lab) -> None:
    """202 and an empty body first; with synchronous the record comes back and is there at once."""
    session = lab.session()
    lab.fail("late", value=3600.0)
    reply = session.request("PUT", "/domains/{domain}/users/101", json={"caller-id-number": "12025550101"})
    assert (reply.status, reply.body) == (202, b"")
    assert lab.get("/users/101")["caller-id-number"] == "12025550151"
    body = {"caller-id-number": "12025550101", "synchronous": "yes"}
    reply = session.request("PUT", "/domains/{domain}/users/101", json=body)
    assert (reply.status, reply.data["caller-id-number"]) == (200, "12025550101")
    assert lab.get("/users/101")["caller-id-number"] == "12025550101"
    assert "synchronous" not in lab.get("/users/101")


def test_an_asynchronous_write_does_show_in_the_end(lab: Lab) -> None:
    """Late is not never."""
    lab.fail("late", value=0.0)
    lab.session().request("PUT", "/domains/{domain}/users/101", json={"department": "Front"})
    assert lab.get("/users/101")["department"] == "Front"


def test_records_are_created_and_deleted(lab: Lab) -> None:
    """With what the specification requires, and only once."""
    session, path = lab.session(), "/domains/{domain}/phonenumbers"
    body = {"phonenumber": "12025550199", "synchronous": "yes"}
    assert session.request("POST", path, json=body).status == 200
    assert session.request("POST", path, json=body).status == 409
    assert session.request("POST", path, json={"enabled": "yes"}).data["message"] == "Missing required: phonenumber"
    assert session.request("DELETE", f"{path}/12025550199", json={"synchronous": "yes"}).status == 200
    assert lab.get("/phonenumbers/12025550199") == 404


def test_what_the_platform_alone_knows_cannot_be_written(lab: Lab) -> None:
    """A registration is not made by writing that there is one."""
    body = {"device-sip-registration-state": "registered", "synchronous": "yes"}
    reply = lab.session().request("PUT", "/domains/{domain}/users/101/devices/101", json=body)
    assert (reply.status, reply.data["message"]) == (400, "Read-only: device-sip-registration-state")


@pytest.mark.parametrize("path", ["/users/999", "/users/999/devices", "/phones/000000000000", "/phonenumbers/1"])
def test_what_is_not_there_is_a_404_in_the_apis_form(lab: Lab, path: str) -> None:
    """Code and message, as everywhere."""
    reply = lab.session().request("GET", f"/domains/{{domain}}{path}")
    assert (reply.status, reply.data["code"]) == (404, 404)
    assert "does not exist" in reply.data["message"]


def test_strangers_other_domains_and_read_only_keys_are_refused(lab: Lab) -> None:
    """401, 404 and 403; a tilde is one's own domain."""
    with pytest.raises(Permanent, match="401"):
        lab.session(token="nsd_wrong").request("GET", "/domains/{domain}/users")
    assert lab.session(domain="other.example").request("GET", "/domains/{domain}/users").status == 404
    assert lab.session(domain="~").request("GET", "/domains/{domain}").status == 200
    lab.fail("read_only")
    with pytest.raises(Permanent, match="403"):
        lab.session().request("PUT", "/domains/{domain}/users/101", json={})
    assert lab.session().request("GET", "/domains/{domain}/users").status == 200


def register(lab: Lab, user: str, password: str, expires: str = "300") -> int:
    """A phone's REGISTER, answering one challenge; the status of the final answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(5)
        login, status = "", 0
        for number in (1, 2):
            headers = [
                ("via", f"SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{user}{number}{login[-9:-1]}"), ("from", f"<sip:{user}@x>;tag=1"),
                ("to", f"<sip:{user}@x>"), ("call-id", user), ("cseq", f"{number} REGISTER"),
                ("contact", f"<sip:{user}@127.0.0.1>"),
                ("expires", expires), ("user-agent", "Test 1.0"), *([("authorization", login)] if login else []),
            ]
            phone.sendto(sip.request("REGISTER", "sip:x", headers), ("127.0.0.1", lab.platform.registrar.port))
            answer = sip.parse(phone.recv(65535))
            assert answer is not None
            status = answer.status
            if status != 401:
                break
            login = sip.digest_answer(answer.header("www-authenticate"), "REGISTER", "sip:x", user, password)
        return status


def test_a_registration_with_the_right_password_shows_in_the_api(lab: Lab) -> None:
    """State, user agent and expiry; and it goes away when the phone takes it back."""
    lab.fail("late", "REGISTER", 0.0)
    assert register(lab, "101", str(PHONES[0]["line_password"])) == 200
    (device,) = lab.get("/users/101/devices")
    assert device["device-sip-registration-state"] == "registered"
    assert device["device-sip-registration-user-agent"] == "Test 1.0"
    assert device["device-sip-registration-expires-datetime"] > device["device-sip-registration-datetime"]
    assert register(lab, "101", str(PHONES[0]["line_password"]), expires="0") == 200
    assert lab.get("/users/101/devices")[0]["device-sip-registration-state"] == "unregistered"


@pytest.mark.parametrize(("user", "password", "status"), [("101", "wrong", 403), ("999", "x", 404)])
def test_a_registration_that_should_fail_fails(lab: Lab, user: str, password: str, status: int) -> None:
    """A wrong password is 403 after the challenge, an unknown user 404."""
    assert register(lab, user, password) == status


def test_a_password_changed_in_the_api_is_the_one_that_counts(lab: Lab) -> None:
    """The registrar and the API know the same devices."""
    body = {"device-sip-registration-password": "fresh-pw", "synchronous": "yes"}
    assert lab.session().request("PUT", "/domains/{domain}/users/101/devices/101", json=body).status == 200
    assert register(lab, "101", "fresh-pw") == 200
    assert register(lab, "101", str(PHONES[0]["line_password"])) == 403


def test_reads_and_writes_are_counted_apart(lab: Lab) -> None:
    """What may alter something is a write in the log; no value of a body is in it."""
    lab.get("/users/101")
    lab.session().request("PUT", "/domains/{domain}/users/101/devices/101", json={"device-sip-registration-password": "s3cret-x"})
    log = (lab.folder / "platform.jsonl").read_text()
    assert [line.split('"kind": "')[1].split('"')[0] for line in log.splitlines()] == ["read", "write"]
    assert "s3cret-x" not in log
