"""What the lab is given of a customer's inventory, and what takes the place of the customer's systems."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engine.lab.control import lab_down, lab_up
from engine.lab.overlay import TWINS, lab_connections
from engine.lab.seed import SECRETS, read_seed, seed_from, write_seed
from engine.model.errors import SwitchoverError
from engine.model.inventory import Collection, Connection, Inventory, Item
from engine.model.secret import Secret
from engine.model.source import Document, SourceMap
from tests.support.mail import lab_seed

NOWHERE = Document({}, SourceMap("inventory.yml", "", dict))
REAL: Mapping[str, Mapping[str, object]] = {
    "local": {"root": "/srv/tftp"},
    "tftp": {"host": "prov.real.example", "port": 69, "blksize": 512, "root": "boot"},
    "ssh": {
        "host": "pbx.real.example", "port": 22, "username": "root", "password": "env:REAL", "jump": "bastion", "agent": True,
        "key_file": "~/.ssh/id_ed25519", "known_hosts": "~/.ssh/known_hosts", "host_keys": "accept-new", "root": "/srv/tftp",
    },
    "sftp": {"host": "prov.real.example", "username": "prov", "password": "env:REAL"},
    "smtp": {
        "host": "mail.real.example", "port": 587, "security": "starttls", "username": "u", "password": "env:REAL",
        "from": "cutover@example.net", "redirect_all": "rehearsal@example.net", "allow": ["*@example.net"], "verify": False,
    },
    "telnyx": {"url": "https://api.real.example", "api_key": "env:REAL"},
    "twilio": {"url": "https://api.real.example", "account_sid": "AC1", "auth_token": "env:REAL", "forward_url": "https://f.example"},
    "netsapiens": {"url": "https://core.real.example/ns-api/v2", "token": "env:REAL", "domain": "dental"},
    "http": {
        "url": "https://doors.real.example/v1", "token": "env:REAL", "username": "u", "password": "env:REAL", "verify": False,
        "headers": {"X-Api-Key": "real.example key", "Accept": "application/vnd.doors+json"},
        "lab": {"objects": {"/doors/front": {"label": "Front door"}}, "id": "door"},
    },
    "rt": {"url": "https://rt.real.example", "token": "env:REAL", "withdraw_as": "rejected"},
    "servicenow": {"url": "https://now.real.example", "token": "env:REAL", "close_code": "Done"},
    "jira": {"url": "https://jira.real.example", "username": "u", "token": "env:REAL", "withdraw_as": "Dropped"},
    "sip": {"host": "pbx.real.example", "port": 5060, "username": "u", "password": "env:REAL", "domain": "dental"},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("overlay") / "lab"
    seed = seed_from(replace(inventory(), connections=connections("http")), resolver({"env:LINE": "x"}))
    lab_up(folder, {**lab_seed(), "rest": seed["rest"]})
    yield folder
    lab_down(folder)


def connections(*types: str) -> dict[str, Connection]:
    return {f"my-{kind}": Connection(f"my-{kind}", kind, REAL.get(kind, {"host": "real.example"})) for kind in types}


def test_every_connection_leads_to_loopback_and_keeps_its_name_and_type(lab: Path) -> None:
    """No host, login, key or jump host of the real system is left anywhere."""
    real = connections(*TWINS)
    twins = lab_connections(real, lab)
    assert {name: c.type for name, c in twins.items()} == {name: c.type for name, c in real.items()}
    assert "real.example" not in str(twins)
    assert "env:REAL" not in str(twins)
    for twin in twins.values():
        where = twin.settings.get("host") or twin.settings.get("url") or twin.settings["root"]
        assert str(where).startswith(("127.0.0.1", "http://127.0.0.1:", f"{lab}/local-root/")), twin
        assert not {"jump", "agent", "key_file"} & twin.settings.keys()


def test_what_is_no_secret_and_no_place_is_kept(lab: Path) -> None:
    """A rehearsal writes mails from the same sender and asks for the same domain."""
    twins = lab_connections(connections(*TWINS), lab)
    smtp = twins["my-smtp"].settings
    kept = {name: smtp[name] for name in ("from", "redirect_all", "allow")}
    assert kept == {
        "from": "cutover@example.net", "redirect_all": "rehearsal@example.net", "allow": ["*@example.net"],
    }
    assert (smtp["security"], smtp["ca_file"], "verify" in smtp) == ("starttls", str(lab / "ca.pem"), False)
    assert twins["my-netsapiens"].settings["domain"] == "dental"
    assert twins["my-tftp"].settings["blksize"] == 512
    assert twins["my-ssh"].settings["root"] == "/srv/tftp"
    assert (twins["my-ssh"].settings["host_keys"], twins["my-ssh"].settings["fixed_host"]) == ("strict", True)


def test_mail_over_tls_is_rehearsed_over_tls(lab: Path) -> None:
    """The way in is the real one."""
    tls = Connection("mail", "smtp", {**REAL["smtp"], "security": "tls"})
    assert lab_connections({"mail": tls}, lab)["mail"].settings["security"] == "tls"


def test_secrets_are_references_to_files_of_the_lab(lab: Path) -> None:
    """As an inventory gives them, so that they are resolved and masked like any other."""
    twins = lab_connections(connections(*TWINS), lab)
    secrets = read_seed(lab / "seed.json")["secrets"]
    wanted = (
        ("my-telnyx", "api_key", "telnyx_api_key"), ("my-ssh", "password", "ssh_password"),
        ("my-smtp", "password", "smtp_password"),
    )
    for name, setting, secret in wanted:
        reference = str(twins[name].settings[setting])
        assert reference.startswith("file:")
        assert Path(reference.removeprefix("file:")).read_text(encoding="utf-8") == secrets[secret]


def test_a_type_without_a_twin_is_refused(lab: Path) -> None:
    """A rehearsal must never touch a real system; all such connections are named."""
    with pytest.raises(SwitchoverError, match=r"my-ftp \(type ftp\), my-imap \(type imap\) would reach a real system"):
        lab_connections(connections("tftp", "ftp", "imap"), lab)


def test_an_api_the_lab_did_not_come_up_with_is_refused(lab: Path) -> None:
    """Nothing plays it; better said before the plan than by 404 for each item."""
    newer = {"crm": Connection("crm", "http", REAL["http"])}
    with pytest.raises(SwitchoverError, match=r"crm \(type http\) was not in the inventory .* switchover lab down"):
        lab_connections(newer, lab)


def test_an_api_is_rehearsed_with_its_own_way_to_log_in(lab: Path) -> None:
    """And below its own name, so that two APIs are never one; what the lab alone needs to know is not handed on."""
    twin = lab_connections(connections("http"), lab)["my-http"].settings
    port = read_seed(lab / "seed.json")["ports"]["rest"]["http"]
    key = f"file:{lab / 'secrets' / 'rest_key'}"
    assert twin == {
        "url": f"http://127.0.0.1:{port}/my-http", "token": key, "username": "lab",
        "password": f"file:{lab / 'secrets' / 'rest_password'}",
        "headers": {"X-Api-Key": key, "Accept": "application/vnd.doors+json"},
    }


def test_without_a_lab_nothing_is_handed_out(tmp_path: Path) -> None:
    """Not up, never up, or half up: no connection at all."""
    with pytest.raises(SwitchoverError, match=r"The lab is not up.*switchover lab up"):
        lab_connections(connections("tftp"), tmp_path / "nothing")


# ---------------------------------------------------------------- the seed


def inventory(domain: str = "dental") -> Inventory:
    phone = Item("001565a0b0c1", {"mac": "001565a0b0c1", "extension": "0101", "line_password": "env:LINE", "site": None}, 0)
    phones = Collection("phones", (phone,), NOWHERE, secret_fields=frozenset({"line_password"}))
    numbers = Collection("numbers", (Item("+12025550101", {"number": "+12025550101"}, 0),), NOWHERE)
    settings = {"domain": domain} if domain else {}
    return Inventory(
        "example-dental", "Example Dental", "America/New_York", ".", NOWHERE,
        connections={"platform": Connection("platform", "netsapiens", {**settings, "token": "env:TOKEN"})},
        collections={"phones": phones, "numbers": numbers},
    )


def resolver(values: Mapping[str, str]) -> Callable[[str], Secret]:
    return lambda reference: Secret(values[reference])


def test_a_seed_holds_the_items_with_their_secrets_resolved() -> None:
    """A lab phone registers with the password its configuration carries; other columns stay as they are."""
    seed = seed_from(inventory(), resolver({"env:LINE": "s3cret-line"}))
    assert seed["phones"] == [{"mac": "001565a0b0c1", "extension": "0101", "line_password": "s3cret-line", "site": None}]
    assert seed["numbers"] == [{"number": "+12025550101"}]
    assert (seed["users"], seed["customer"], seed["domain"]) == ([], "example-dental", "dental")
    assert "env:TOKEN" not in json.dumps(seed)


def test_a_seed_holds_what_an_api_is_to_have_at_first_and_no_credential_of_it() -> None:
    """Which headers are asked for, but not what is in them."""
    seed = seed_from(replace(inventory(), connections=connections("http", "telnyx")), resolver({"env:LINE": "x"}))
    assert seed["rest"] == {"my-http": {
        "login": {"scheme": "bearer", "headers": ["X-Api-Key"]}, "id": "door",
        "objects": {"/doors/front": {"label": "Front door"}},
    }}


def test_objects_that_cannot_all_be_are_refused_before_anything_starts() -> None:
    """Two of one name in a list: said with the connection's name, not by a server that does not come up."""
    twice = Connection("doors", "http", {"lab": {"objects": {"/badges": [{"id": "7"}, {"id": 7}]}}})
    with pytest.raises(SwitchoverError, match=r"There is an object with id 7 already\. .* of connection 'doors'"):
        seed_from(replace(inventory(), connections={"doors": twice}), resolver({"env:LINE": "x"}))


def test_without_a_domain_the_customer_names_one() -> None:
    """The platform needs some domain to hold its records in."""
    assert seed_from(inventory(domain=""), resolver({"env:LINE": "x"}))["domain"] == "example-dental.example"


def test_credentials_are_new_each_time_and_in_the_form_of_the_real_ones() -> None:
    """Two labs never share a password."""
    first, second = (seed_from(inventory(), resolver({"env:LINE": "x"}))["secrets"] for _ in range(2))
    assert first.keys() == SECRETS.keys()
    same = {name for name in SECRETS if first[name] == second[name]}
    assert same == {"ssh_username", "smtp_username", "rest_username", "jira_username"}
    assert len(first["twilio_account_sid"]) == 34
    assert first["twilio_account_sid"].startswith("AC")


def test_a_missing_secret_stops_the_seed() -> None:
    """Rather than phones that cannot register."""

    def refuse(reference: str) -> Secret:
        raise SwitchoverError("Secret not found", reference)

    with pytest.raises(SwitchoverError, match="env:LINE"):
        seed_from(inventory(), refuse)


def test_a_seed_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    """And what is read back is what was written."""
    seed = seed_from(inventory(), resolver({"env:LINE": "x"}))
    write_seed(tmp_path / "seed.json", seed)
    assert (tmp_path / "seed.json").stat().st_mode & 0o777 == 0o600
    assert read_seed(tmp_path / "seed.json") == seed
