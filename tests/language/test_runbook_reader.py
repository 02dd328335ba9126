"""Runbooks from file to model."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from engine.language.runbook_reader import limit_of, load_runbook, read_runbook
from engine.model.diagnostic import InvalidInput
from engine.model.runbook import Limit, Retry, Runbook
from engine.model.window import Window

HEAD = "switchover: 1\nname: r\n"


def load(folder: Path, text: str) -> Runbook:
    path = folder / "r.yml"
    path.write_text(text, encoding="utf-8")
    return load_runbook(path, "r.yml")


def problems(folder: Path, text: str) -> list[tuple[str, str]]:
    """(summary, place) of each problem."""
    path = folder / "r.yml"
    path.write_text(text, encoding="utf-8")
    return [(d.summary, str(d.span)) for d in read_runbook(path, "r.yml").problems]


def phases(*phases: str) -> str:
    return HEAD + "phases:\n" + "".join(phases)


def phase(name: str, *steps: str, needs: str = "") -> str:
    """A phase of steps; a step is a name, or a name and more keys."""
    full = [step if "," in step else f"{step}, action: a.b" for step in steps]
    lines = "".join(f"      - {{name: {step}}}\n" for step in full)
    return f"  - name: {name}\n{f'    needs: {needs}' if needs else '    title: t'}\n    steps:\n{lines}"


def test_a_lane_group_and_all_its_settings(tmp_path: Path) -> None:
    """Everything a group can say arrives, in seconds, limits and addresses."""
    runbook = load(tmp_path, phases("""  - name: phones
    steps:
      - name: move
        for_each: phones
        where: item.vendor != 'analog'
        parallel: 16
        rate: 20
        batches: [1, 10%, 100%]
        max_failures: 5%
        steps:
          - name: config
            action: phone.config
            title: Publish
            with: {mac: "{{ item.mac }}"}
            retry: {attempts: 3, backoff: 500ms, max_backoff: 1m}
            timeout: 30
          - {name: registered, action: phone.registered, settle: 2m, when: false}
"""))
    (block,) = runbook.blocks()
    config, registered = block.steps
    assert (block.address, [step.address for step in block.steps]) == ("phones/move", ["phones/config", "phones/registered"])
    assert (block.fan_out.batches, block.fan_out.max_failures) == ((Limit(1), Limit(10, True), Limit(100, True)), Limit(5, True))
    assert (block.fan_out.for_each, block.fan_out.parallel, block.fan_out.rate) == ("phones", 16, 20)
    assert (config.retry, config.timeout_s, config.settle_s, config.title) == (Retry(3, 0.5, 60.0), 30.0, None, "Publish")
    assert (registered.timeout_s, registered.settle_s, registered.when, registered.retry) == (60.0, 120.0, "false", Retry())
    assert str(runbook.document.source.value((*config.path, "action"))) == "r.yml:15:21"


def test_a_block_waits_for_the_one_before_and_a_phase_for_the_phase_before(tmp_path: Path) -> None:
    """The order things stand in is the order they are done in, unless somebody says otherwise."""
    runbook = load(tmp_path, phases(phase("one", "a", "b"), phase("two", "c", "d")))
    assert {block.address: block.needs for block in runbook.blocks()} == {
        "one/a": (), "one/b": ("one/a",), "two/c": ("one/a", "one/b"), "two/d": ("two/c",),
    }


def test_needs_loosen_the_order_but_never_let_a_step_slip_out_of_its_phase(tmp_path: Path) -> None:
    """``needs: []`` in a phase that waits still waits for what the phase needs."""
    runbook = load(tmp_path, phases(
        phase("one", "a"), phase("two", "b", "c, action: a.b, needs: []", "d, action: a.b, needs: [b, one/a]"),
        phase("three", "e", needs="[]"), phase("four", "f", needs="[one, three]"),
    ))
    assert {block.address: block.needs for block in runbook.blocks()} == {
        "one/a": (), "two/b": ("one/a",), "two/c": ("one/a",), "two/d": ("one/a", "two/b"), "three/e": (),
        "four/f": ("one/a", "three/e"),
    }


def test_an_unquoted_time_in_a_window_is_a_time(tmp_path: Path) -> None:
    """``until: 21:00`` is nine in the evening, not 1260; a step's own window replaces the phase's."""
    runbook = load(tmp_path, HEAD + """windows:
  evening: {days: [mon, fri], from: 17:00, until: 21:00, timezone: America/New_York, calendar: company}
  night: {days: [sat], from: 22:00, until: 04:30, timezone: Europe/Berlin}
phases:
  - name: p
    window: evening
    steps:
      - {name: a, action: a.b}
      - {name: b, action: a.b, window: night}
""")
    first, second = runbook.blocks()
    assert first.window == Window("evening", ("mon", "fri"), time(17), time(21), "America/New_York", "company")
    assert second.window is not None and (second.window.name, second.window.closes) == ("night", time(4, 30))


def test_inputs_have_the_type_they_say(tmp_path: Path) -> None:
    """A default like ``1.10`` for text is the text that was written."""
    runbook = load(tmp_path, HEAD + """inputs:
  firmware: {type: string, default: 1.10}
  count: {type: integer, default: 3, choices: [1, 3]}
  sure: {type: boolean, required: true, description: Really?}
phases:
  - {name: p, steps: [{name: a, action: a.b}]}
""")
    firmware, count, sure = runbook.inputs.values()
    assert (firmware.default, count.default, count.choices) == ("1.10", 3, (1, 3))
    assert (sure.required, sure.description) == (True, "Really?")


def test_the_digest_is_of_the_meaning(tmp_path: Path) -> None:
    """Comments, order of keys and layout do not make a plan stale; another word does."""
    plain = load(tmp_path, phases(phase("one", "a")))
    other_way = "# hi\nname: r\nphases:\n- {steps: [{action: a.b, name: a}],\n   title: t, name: one}\nswitchover: 1\n"
    laid_out = load(tmp_path, other_way)
    other = load(tmp_path, phases(phase("one", "b")))
    assert (plain.digest == laid_out.digest, plain.digest == other.digest) == (True, False)


@pytest.mark.parametrize(("text", "expected"), [
    (phases(phase("one", "a", "a")), [("Duplicate name", "r.yml:8:16")]),
    (phases(phase("one", "a"), phase("one", "b")), [("Duplicate name", "r.yml:8:11")]),
    (phases(phase("one", "g, for_each: x, steps: [{name: g, action: a.b}]")), [("Duplicate name", "r.yml:7:47")]),
    (phases(phase("one", "a", needs="[tow]")), [("Unknown phase", "r.yml:5:13")]),
    (phases(phase("one", "a, action: a.b, window: night")), [("Unknown window", "r.yml:7:40")]),
    (HEAD + "windows:\n  w: {days: [mon], from: 01:00, until: 02:00, timezone: Amerika/New_York}\nphases:\n" + phase("one", "a"),
     [("Unknown time zone", "r.yml:4:57")]),
    (HEAD + "inputs:\n  n: {type: integer, default: x}\nphases:\n" + phase("one", "a"), [("Wrong type", "r.yml:4:31")]),
    (HEAD + "inputs:\n  n: {type: string, default: x, choices: [y]}\nphases:\n" + phase("one", "a"),
     [("Not one of the choices", "r.yml:4:30")]),
    (HEAD + "inputs:\n  n: {type: string, default: x, required: true}\nphases:\n" + phase("one", "a"),
     [("Default without effect", "r.yml:4:30")]),
])
def test_names_that_clash_or_lead_nowhere_are_found(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    """Each with the place of the name itself."""
    assert problems(tmp_path, text) == expected


def test_a_runbook_with_problems_is_never_handed_out_as_good(tmp_path: Path) -> None:
    """``load_runbook`` raises with all of them, though the draft behind it can be read on."""
    with pytest.raises(InvalidInput) as refused:
        load(tmp_path, phases(phase("one", "a", "a", needs="[x]")))
    assert len(refused.value.diagnostics) == 2


def test_limits() -> None:
    """A count, or a share that rounds down."""
    assert (limit_of(5), limit_of("12.5%"), limit_of("10%").of(55)) == (Limit(5), Limit(12.5, percent=True), 5)
