"""A plan to show: every outlook, forty phones, a failure, something final."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.plan import FieldChange, Outlook, PlanHeader, PlannedItem
from tests.support.journals import header

_EDITED = (
    "--- {0}.cfg", "+++ {0}.cfg", "@@ -1,3 +1,3 @@", " account.1.enable = 1", "-account.1.sip_server = old.example.net",
    "+account.1.sip_server = sip.example.net", " account.1.label = Front desk",
)


def plan_header(**values: object) -> PlanHeader:
    """Of a customer with windows and gaps."""
    return PlanHeader(**header(customer="Example Dental Group", **values))


def mixed_plan() -> Iterator[PlannedItem]:
    """Most is done already; three phones differ, one cannot be read."""
    yield PlannedItem(
        "notify/partner", "notify/partner", "notify/partner", None, "mail.send", Outlook.UNPREDICTABLE,
        "mail 'Cutover starts' to 2 people", "a mail cannot be read back", reversible=False,
    )
    for n in range(12):
        yield from _phone(n)
    for n in range(3):
        yield _number(n)


def new_phones(count: int) -> Iterator[PlannedItem]:
    """Nothing is there yet: every configuration is created."""
    for n in range(count):
        key = f"805ec0{n:06x}"
        body = tuple(f"+account.1.setting_{line} = {line}" for line in range(92))
        yield _of_phone(n, "config", Outlook.CHANGE, summary=f"create {key}.cfg", diff=("--- (absent)", f"+++ {key}.cfg", *body))
        yield _of_phone(n, "resync", Outlook.LATER, why=f"phones/config[{key}]")
        yield _of_phone(n, "registered", Outlook.CHECK, summary="not registered yet")


def _of_phone(n: int, step: str, outlook: Outlook, **more: object) -> PlannedItem:
    key = f"805ec0{n:06x}"
    values = {"label": f"{101 + n} Front desk", **more}
    return PlannedItem(f"phones/{step}[{key}]", "phones/move", f"phones/{step}", key, f"phone.{step}", outlook, **values)  # type: ignore[arg-type]  # passed through


def _phone(n: int) -> Iterator[PlannedItem]:
    key = f"805ec0{n:06x}"
    differs = n % 5 == 4
    if differs:
        diff = tuple(line.format(key) for line in _EDITED)
        yield _of_phone(n, "config", Outlook.CHANGE, summary=f"write {key}.cfg: 1 line differs", diff=diff)
    elif n == 7:
        yield _of_phone(
            n, "config", Outlook.ERROR,
            why="prov.example.net:69 did not answer within 5 s. Is it up, and does a firewall let UDP port 69 through?",
        )
    else:
        yield _of_phone(n, "config", Outlook.NOTHING)
    later = {"outlook": Outlook.LATER, "why": f"phones/config[{key}]"}
    skipped = {"outlook": Outlook.SKIP, "why": "when: steps.config.changed"}
    yield _of_phone(n, "resync", **(later if differs else skipped))  # type: ignore[arg-type]  # one of two sets
    yield _of_phone(n, "registered", Outlook.CHECK, summary="not registered yet")


def _number(n: int) -> PlannedItem:
    key = f"+1202555010{n}"
    return PlannedItem(
        f"numbers/forward[{key}]", "numbers/forward", "numbers/forward", key, "number.forward", Outlook.CHANGE,
        f"forward to +1202555019{n}", label=key, reversible=n != 2,
        fields=(
            FieldChange("forward_to", None if n else "+12025550111", f"+1202555019{n}"),
            FieldChange("enabled", None if n else False, True),
        ),
        notes=("the carrier takes up to 60 s to show it",) if n == 1 else (),
    )
