"""mail.send, with the product's own sessions, against the lab's mail server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.actions.mail.send import MailSend, MailSendArgs
from engine.language.templates import Templates
from engine.model.args import builder_of, schema_of
from engine.model.diagnostic import InvalidInput
from engine.model.errors import InDoubt, Permanent, Temporary
from engine.model.plan import Receipt, Unpredictable
from engine.project import shipped
from tests.support.mail import NOON, MailScene, MailServer, running_mail_server

GOLDEN = Path(__file__).parent / "mail_send"
ACTION = MailSend()
KEY = "run-1/notify/partner"
CONTEXT: Mapping[str, Any] = {
    "customer": {"name": "example-dental", "title": "Example Dental <Group> & Co", "timezone": "America/New_York"},
    "people": {
        "partner": {"name": "Pat Quill", "email": "pat@partner.example"},
        "project_manager": {"name": "Robin Vale", "email": "robin@example.net", "phone": "+1 202 555 0142"},
    },
    "inputs": {"ticket": "CHG-1042"},
    "vars": {},
    "run": SimpleNamespace(counts=SimpleNamespace(changed=65, unchanged=0, failed=1)),
    "known_gaps": (
        "Call recordings stay behind unless they are exported before the old system is switched off",
        "Fax history is not carried over",
    ),
}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with running_mail_server(tmp_path_factory.mktemp("mail") / "lab") as server:
        yield server


@pytest.fixture
def server(_server: MailServer) -> Iterator[MailServer]:
    _server.mark()
    yield _server
    _server.behave()


@pytest.fixture
def scene(server: MailServer, tmp_path: Path) -> MailScene:
    return MailScene(tmp_path / "outbox", server.settings(), CONTEXT)


def args(**values: object) -> MailSendArgs:
    given = {"connection": "mail", "to": "pat@partner.example", "subject": "Phone cutover", "text": "Tonight.", **values}
    return builder_of(MailSendArgs)({name: value for name, value in given.items() if value is not None})


def plan(scene: MailScene, wanted: MailSendArgs) -> Unpredictable | None:
    change = ACTION.diff(wanted, ACTION.observe(wanted, scene.sessions(read_only=True)))
    assert change is None or isinstance(change, Unpredictable)
    return change


def apply(scene: MailScene, wanted: MailSendArgs, key: str = KEY) -> Receipt | None:
    """Looks, and sends when there is something to send: what one attempt of a run does."""
    change = plan(scene, wanted)
    return None if change is None else ACTION.apply(change, wanted, scene.sessions(read_only=False), key=key)


def test_plan_shows_the_mail_and_writes_nothing(server: MailServer, scene: MailScene) -> None:
    """Neither the server nor the outbox hears of a plan."""
    change = plan(scene, args(cc=["robin@example.net"]))
    assert change is not None
    assert change.summary == 'will send "Phone cutover" to 2 recipients: pat@partner.example, robin@example.net'
    assert not change.reversible
    assert change.not_yet_done
    assert [(f.name, f.after) for f in change.fields] == [
        ("from", "Cutover Desk <cutover@example.net>"), ("to", "pat@partner.example"), ("cc", "robin@example.net"),
        ("subject", "Phone cutover"),
    ]
    assert change.texts[0].after == "Tonight.\n"
    assert server.requests("read") == server.requests("write") == []
    assert not scene.outbox_folder.exists()


def test_a_mail_arrives_once_and_a_second_apply_changes_nothing(server: MailServer, scene: MailScene) -> None:
    """The outbox knows what was sent, also to a later run."""
    receipt = apply(scene, args())
    assert receipt is not None
    assert receipt.summary.startswith('sent "Phone cutover" to 1 recipient: pat@partner.example: 250 ')
    (mail,) = server.messages()
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "Cutover Desk <cutover@example.net>", "pat@partner.example", "Phone cutover",
    )
    assert mail["Date"].datetime == NOON
    assert mail["Message-ID"] == receipt.data["message_id"]
    assert mail.get_content().strip() == "Tonight."
    assert apply(scene, args(), key="another run") is None
    assert len(server.messages()) == 1


def test_text_and_html_come_from_templates(server: MailServer, scene: MailScene) -> None:
    """One name stands for both; the HTML is the alternative of the text, with values escaped."""
    apply(scene, args(template="mail/cutover-start", text=None))
    (mail,) = server.messages()
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Example Dental <Group> & Co" in text.get_content()
    assert "Example Dental &lt;Group&gt; &amp; Co" in html.get_content()


def test_a_template_without_html_makes_a_plain_mail(server: MailServer, scene: MailScene, tmp_path: Path) -> None:
    """The HTML file is optional."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/note.txt.j2").write_text("For {{ customer.title }}\n", encoding="utf-8")
    scene.templates = (tmp_path / "templates",)
    apply(scene, args(template="note", text=None))
    assert server.messages()[0].get_content_type() == "text/plain"


def test_a_missing_template_is_named(scene: MailScene) -> None:
    """The plan fails with the file that was looked for."""
    with pytest.raises(InvalidInput) as missing:
        plan(scene, args(template="mail/nonesuch", text=None))
    assert "mail/nonesuch.txt.j2" in missing.value.diagnostics[0].detail


def test_the_message_id_follows_from_the_mail(scene: MailScene) -> None:
    """Same mail, same id; another address, recipient, text or occasion, another id."""

    def identifier(**changed: object) -> str:
        address = str(changed.pop("address", "notify/partner"))
        wanted = args(**changed)
        return ACTION.observe(wanted, scene.sessions(read_only=True, address=address)).message_id

    first = identifier()
    assert first.endswith("@example.net>")
    assert first == identifier()
    others = [
        identifier(address="notify/other"), identifier(to="x@partner.example"), identifier(text="Tomorrow."),
        identifier(subject="Moved"), identifier(occasion="second"), identifier(cc="x@partner.example"),
    ]
    assert len({first, *others}) == len(others) + 1


def test_another_occasion_sends_again(server: MailServer, scene: MailScene) -> None:
    """A repeat that is meant says so."""
    for occasion in ("", "reminder", "reminder"):
        apply(scene, args(occasion=occasion), key=f"key {occasion}")
    assert len(server.messages()) == 2


def test_bcc_is_in_the_envelope_and_not_in_the_message(server: MailServer, scene: MailScene) -> None:
    """Each recipient stands once in the envelope."""
    to = ["pat@partner.example", "Pat <pat@partner.example>"]
    apply(scene, args(to=to, bcc="audit@example.net", reply_to="desk@example.net"))
    assert server.requests("write")[0]["to"] == ["pat@partner.example", "audit@example.net"]
    assert b"audit@" not in server.raw()[0]
    assert server.messages()[0]["Reply-To"] == "desk@example.net"


def test_text_beyond_ascii_travels_in_seven_bits(server: MailServer, scene: MailScene) -> None:
    """Any server can take it; names and subject come out as they went in."""
    apply(scene, args(to="Jürgen Groß <pat@partner.example>", subject="Umstellung heute Abend – Größe", text="Grüße 📞\n" * 30))
    assert server.raw()[0].isascii()
    mail = server.messages()[0]
    assert mail["To"] == "Jürgen Groß <pat@partner.example>"
    assert mail["Subject"] == "Umstellung heute Abend – Größe"
    assert mail.get_content().replace("\r\n", "\n") == "Grüße 📞\n" * 30


def test_an_international_domain_becomes_ascii(server: MailServer, scene: MailScene) -> None:
    """So that servers without SMTPUTF8 take it."""
    apply(scene, args(to="pat@bücher.example"))
    assert server.requests("write")[0]["to"] == ["pat@xn--bcher-kva.example"]


def test_an_address_beyond_ascii_uses_smtputf8(server: MailServer, scene: MailScene) -> None:
    """Such an address has no other form."""
    apply(scene, args(to="jürgen@partner.example"))
    assert server.requests("write")[0]["to"] == ["jürgen@partner.example"]
    assert server.messages()[0]["To"] == "jürgen@partner.example"


# ---------------------------------------------------------------- failures


def test_a_temporary_refusal_sends_nothing_and_the_next_attempt_does(server: MailServer, scene: MailScene) -> None:
    """Greylisting: the outbox says unsent in between, with the server's words."""
    server.fault("greylist", count=1)
    with pytest.raises(Temporary, match="Greylisted"):
        apply(scene, args())
    entry = scene.outbox.of_attempt(KEY)
    assert entry is not None
    assert entry.status == "unsent"
    assert "451 4.7.1 Greylisted" in entry.detail
    assert apply(scene, args()) is not None
    assert len(server.messages()) == 1


def test_a_lost_reply_is_in_doubt_until_a_person_says_it_was_sent(server: MailServer, scene: MailScene) -> None:
    """Neither this run nor another sends again by itself; the answer `done` ends it."""
    server.fault("lost_reply", count=1)
    with pytest.raises(InDoubt) as doubt:
        apply(scene, args())
    (mail,) = server.messages()
    assert mail["Message-ID"] in doubt.value.why
    assert "--done 'notify/partner'" in doubt.value.why
    for key in (KEY, "another run"):
        with pytest.raises(InDoubt, match="may or may not have been sent"):
            apply(scene, args(), key=key)
    assert [e.status for e in scene.outbox.settle("example-dental", "notify/partner", done=True)] == ["sent"]
    assert apply(scene, args()) is None
    assert len(server.messages()) == 1


def test_a_person_who_says_again_gets_it_sent_again(server: MailServer, scene: MailScene) -> None:
    """The answer `again` makes it unsent; the same key sends it."""
    server.fault("drop", count=1)
    big = args(text="x" * 70)
    with pytest.raises((InDoubt, Temporary)):
        apply(scene, big)
    scene.outbox.settle("example-dental", "notify/partner", done=False)
    assert apply(scene, big) is not None
    assert len(server.messages()) == 1


def test_an_answer_settles_nothing_elsewhere(server: MailServer, scene: MailScene) -> None:
    """Only the address and the customer that were asked about."""
    server.fault("lost_reply", count=1)
    with pytest.raises(InDoubt):
        apply(scene, args())
    assert scene.outbox.settle("example-dental", "notify/other", done=True) == ()
    assert scene.outbox.settle("example-dental@lab", "notify/partner", done=True) == ()


def test_a_mail_worded_anew_is_not_sent_twice_by_one_run(server: MailServer, scene: MailScene) -> None:
    """Counts in a report change when a run is taken up again; the attempt's key tells that it was said already."""
    first = apply(scene, args(text="65 changed"))
    second = apply(scene, args(text="66 changed"))
    assert first is not None
    assert second is not None
    assert second.data["message_id"] == first.data["message_id"]
    assert len(server.messages()) == 1


def test_a_mail_worded_anew_stays_in_doubt(server: MailServer, scene: MailScene) -> None:
    """The same for a first attempt whose end is not known."""
    server.fault("lost_reply", count=1)
    with pytest.raises(InDoubt):
        apply(scene, args(text="65 changed"))
    with pytest.raises(InDoubt):
        apply(scene, args(text="66 changed"))
    assert len(server.messages()) == 1


SENDER_SCRIPT = """
import sys
from pathlib import Path
from engine.actions.mail.send import MailSend, MailSendArgs
from tests.support.mail import MailScene
settings = dict(zip(("host", "port", "username", "password", "ca_file", "from"), sys.argv[2:]))
scene = MailScene(Path(sys.argv[1]), {**settings, "port": int(settings["port"])})
args = MailSendArgs(connection="mail", to="pat@partner.example", subject="Phone cutover", text="Tonight.")
action = MailSend()
change = action.diff(args, action.observe(args, scene.sessions(read_only=True)))
print("sending", flush=True)
action.apply(change, args, scene.sessions(read_only=False, seconds=30), key="run-1/notify/partner")
print("sent", flush=True)
"""


@pytest.mark.parametrize(("fault", "match", "logged"), [("late_reply", "DATA", "write"), ("slow", "RCPT", "read")])
def test_an_engine_killed_while_sending_leaves_the_mail_in_doubt(
    server: MailServer, scene: MailScene, fault: str, match: str, logged: str
) -> None:
    """kill -9 after the server took the mail, and before: both look the same from here, and neither is sent again."""
    server.fault(fault, match=match, value=10.0, count=1)
    settings = server.settings(password=server.password)
    words = [str(settings[name]) for name in ("host", "port", "username", "password", "ca_file", "from")]
    with subprocess.Popen(
        [sys.executable, "-c", SENDER_SCRIPT, str(scene.outbox_folder), *words],
        stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True,
    ) as process:
        until = time.monotonic() + 15.0
        while not server.requests(logged) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        assert process.stdout.read() == "sending\n"
    with pytest.raises(InDoubt, match="the attempt at it ended without an answer"):
        plan(scene, args())
    with pytest.raises(InDoubt):
        apply(scene, args())


# ---------------------------------------------------------------- rehearsals


def test_an_allow_list_refuses_others_while_planning(server: MailServer, scene: MailScene) -> None:
    """Every recipient counts, bcc too; nothing is sent to those that are allowed either."""
    scene.settings = server.settings(allow=["*@Example.net", "pat@partner.example"])
    assert plan(scene, args(cc="robin@example.net")) is not None
    with pytest.raises(Permanent, match=r"^eve@elsewhere.example is not among .*\(`allow`: \*@Example.net, pat@"):
        plan(scene, args(bcc="eve@elsewhere.example"))


def test_an_empty_allow_list_allows_nobody(server: MailServer, scene: MailScene) -> None:
    """Empty is not the same as absent."""
    scene.settings = server.settings(allow=[])
    with pytest.raises(Permanent, match="nobody"):
        plan(scene, args())


def test_a_redirected_mail_goes_to_one_address_and_names_the_others(server: MailServer, scene: MailScene) -> None:
    """The plan says so, the subject says so, and only the rehearsal's address is in envelope and headers."""
    scene.settings = server.settings(redirect_all="rehearsal@example.net", allow=["*@example.net"])
    wanted = args(to=["pat@partner.example"], cc="robin@other.example", bcc="audit@other.example")
    change = plan(scene, wanted)
    assert change is not None
    assert change.summary == (
        'will send "[rehearsal] Phone cutover" to 1 recipient: rehearsal@example.net '
        "(redirected, instead of pat@partner.example, robin@other.example, audit@other.example)"
    )
    apply(scene, wanted)
    assert server.requests("write")[0]["to"] == ["rehearsal@example.net"]
    mail = server.messages()[0]
    assert (mail["To"], mail["Cc"], mail["Subject"]) == ("rehearsal@example.net", None, "[rehearsal] Phone cutover")
    assert mail.get_all("X-Original-To") == ["pat@partner.example", "robin@other.example", "audit@other.example"]


def test_a_rehearsal_does_not_count_as_the_real_mail(server: MailServer, scene: MailScene) -> None:
    """After the rehearsal the partner still gets his mail."""
    scene.settings = server.settings(redirect_all="rehearsal@example.net")
    apply(scene, args(), key="rehearsal")
    scene.settings = server.settings()
    assert apply(scene, args(), key="the real one") is not None
    assert [m["To"] for m in server.messages()] == ["rehearsal@example.net", "pat@partner.example"]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"to": "pat"}, "`to`: 'pat' is not a mail address"),
        ({"to": "Pat <pat@partner.example"}, "is not a mail address"),
        ({"to": "pat@"}, "is not a mail address"),
        ({"to": "a@b.example; c@d.example"}, "is not a mail address"),
        ({"to": ""}, "`to` is empty"),
        ({"to": []}, "`to` is empty"),
        ({"cc": "a@b.example\r\nBcc: eve@elsewhere.example"}, "`cc` must be one line"),
        ({"to": "Pat\nBcc: eve@elsewhere.example <a@b.example>"}, "`to` must be one line"),
        ({"subject": "Hi\r\nBcc: eve@elsewhere.example"}, "`subject` must be one line"),
        ({"subject": "Hi\x00"}, "`subject` must be one line"),
        ({"subject": " "}, "`subject` is empty"),
        ({"text": None}, "one of `template` and `text` is needed"),
        ({"template": "mail/cutover-start"}, "not both"),
        ({"template": "mail/cutover-start", "text": None, "html": "<p>"}, "`html` stands beside `text`"),
    ],
)
def test_a_mail_that_cannot_be_is_refused_while_planning(scene: MailScene, values: dict[str, object], words: str) -> None:
    """Each error names the argument; no line break ever becomes a header."""
    with pytest.raises(Permanent) as refused:
        plan(scene, args(**values))
    assert words in refused.value.why


@pytest.mark.parametrize("sender", ["", "nobody", "a@example.net, b@example.net"])
def test_a_connection_must_say_who_mails_are_from(server: MailServer, scene: MailScene, sender: str) -> None:
    """Exactly one address."""
    scene.settings = server.settings(**{"from": sender})
    with pytest.raises(Permanent, match="from"):
        plan(scene, args())


def test_the_arguments_make_a_schema() -> None:
    """Editors complete them: an address or a list of addresses."""
    schema = schema_of(ACTION.name, ACTION.doc, MailSendArgs)
    assert schema["required"] == ["connection", "to", "subject"]


def test_a_secret_in_the_text_is_masked_in_the_plan(server: MailServer, scene: MailScene) -> None:
    """It is sent, since somebody wrote it there, and not shown."""
    at = scene.sessions(read_only=True)
    at.setting("mail", "from")  # opens the connection's secrets
    wanted = args(text=f"The password is {server.password}")
    change = ACTION.diff(wanted, ACTION.observe(wanted, at))
    assert change is not None
    assert change.texts[0].after == "The password is ***\n"


# ---------------------------------------------------------------- the shipped templates


@pytest.mark.parametrize("name", ["cutover-start.txt", "cutover-start.html", "cutover-report.txt", "cutover-report.html"])
def test_a_shipped_template_renders_as_its_golden_file(name: str) -> None:
    """Word for word; values are escaped in HTML only."""
    rendered = Templates((shipped("templates"),)).render_file(f"mail/{name}.j2", CONTEXT)
    assert rendered == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_report_of_a_clean_run_speaks_of_no_failure() -> None:
    """Without failures, gaps, ticket and phone number their sentences are absent."""
    people = {**CONTEXT["people"], "project_manager": {"name": "Robin Vale", "email": "robin@example.net"}}
    counts = SimpleNamespace(changed=65, unchanged=2, failed=0)
    context = {
        **CONTEXT, "people": people, "run": SimpleNamespace(counts=counts), "known_gaps": (), "inputs": {"ticket": ""},
    }
    rendered = Templates((shipped("templates"),)).render_file("mail/cutover-report.txt.j2", context)
    assert rendered == (GOLDEN / "cutover-report-clean.txt").read_text(encoding="utf-8")
