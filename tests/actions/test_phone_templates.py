"""The shipped provisioning templates, byte for byte against golden files, and as the vendors' own formats."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from engine.actions.phone.config import PhoneConfig, PhoneConfigArgs, phone_facts
from engine.actions.phone.vendors import FAMILIES, model_of
from engine.model.diagnostic import InvalidInput
from engine.transports.local import LocalSession
from tests.support.phone_sessions import ROOT, PhoneSessions

GOLDEN = ROOT / "tests" / "golden"
CASES: list[dict[str, Any]] = yaml.safe_load((GOLDEN / "cases.yml").read_text(encoding="utf-8"))["cases"]
IDS = [case["title"] for case in CASES]


def rendered(case: dict[str, Any]) -> dict[str, bytes]:
    item = case["item"]
    at = PhoneSessions(
        context={"item": item, "customer": case["customer"], **case["vars"]},
        open_files=lambda name: LocalSession({"root": str(GOLDEN)}, True, lambda: 10.0),
    )
    seen = PhoneConfig().observe(PhoneConfigArgs("prov", item["mac"], item["vendor"], item["model"]), at)
    return {file.path: file.after for file in seen.files}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_rendering_is_the_golden_file_byte_for_byte(case: dict[str, Any]) -> None:
    """Each phone gets exactly the files its vendor asks for, with exactly the golden contents."""
    files = rendered(case)
    assert list(files) == list(case["files"])
    for path, golden in case["files"].items():
        assert files[path] == (GOLDEN / golden).read_bytes(), f"{path} differs from {golden}"


@pytest.mark.parametrize("case", [c for c in CASES if c["item"]["vendor"] != "yealink"], ids=lambda c: c["title"])
def test_xml_is_well_formed_and_carries_the_password_whole(case: dict[str, Any]) -> None:
    """Markup in labels and passwords survives: what the phone reads is what the inventory says."""
    files = rendered(case)
    values: set[str | None] = set()
    for data in files.values():
        for element in ElementTree.fromstring(data).iter():
            values |= {element.text, *element.attrib.values()}
    assert case["item"]["line_password"] in values
    assert case["item"]["label"] in values


@pytest.mark.parametrize("case", [c for c in CASES if c["item"]["vendor"] == "yealink"], ids=lambda c: c["title"])
def test_yealink_file_starts_with_the_exact_version_line(case: dict[str, Any]) -> None:
    """A Yealink phone drops a file whose first line is anything else."""
    (data,) = rendered(case).values()
    assert data.splitlines()[0] == b"#!version:1.0.0.1"
    assert all(line == b"" or line.startswith(b"#") or b" = " in line for line in data.splitlines())


@pytest.mark.parametrize("trim", [False, True])
def test_rendering_does_not_depend_on_block_trimming(trim: bool) -> None:
    """The templates control their own whitespace, so that another tool that renders them gets the same files."""
    other = SandboxedEnvironment(
        undefined=StrictUndefined, loader=FileSystemLoader(ROOT / "templates"), trim_blocks=trim, lstrip_blocks=trim,
        keep_trailing_newline=True,
    )
    for case in CASES:
        item = case["item"]
        args, model = PhoneConfigArgs("prov", item["mac"], item["vendor"], item["model"]), model_of(item["vendor"], item["model"])
        context = {"item": item, "customer": case["customer"], "phone": phone_facts(model, args), **case["vars"]}
        texts = [other.get_template(file.template).render(context) for file in model.family.files]
        assert [text.encode() for text in texts] == list(rendered(case).values())


def test_a_label_cannot_smuggle_in_a_setting() -> None:
    """A line break in a label does not become a line of a Yealink configuration."""
    case = dict(CASES[0])
    case["item"] = {**case["item"], "label": "Front\naccount.1.enable = 0"}
    (data,) = rendered(case).values()
    assert b"\naccount.1.enable = 0" not in data


def test_a_missing_variable_is_an_error_not_an_empty_setting() -> None:
    """Without sip_server nothing is rendered: a phone without a server is worse than no file."""
    case = dict(CASES[0])
    case["vars"] = {}
    with pytest.raises(InvalidInput) as caught:
        rendered(case)
    (problem,) = caught.value.diagnostics
    assert "sip_server" in problem.detail
    assert problem.span is not None
    assert problem.span.file.endswith("provisioning/yealink/phone.cfg.j2")
    assert "sip_server" in problem.line


def test_every_family_has_a_golden_rendering_and_its_templates_exist() -> None:
    """No vendor data without a template, no template without a golden file."""
    covered = {model_of(case["item"]["vendor"], case["item"]["model"]).family.name for case in CASES}
    assert covered == {family.name for family in FAMILIES}
    shipped = {file.relative_to(ROOT / "templates").as_posix() for file in (ROOT / "templates/provisioning").rglob("*.j2")}
    assert shipped == {file.template for family in FAMILIES for file in family.files}
    golden = {golden for case in CASES for golden in case["files"].values()}
    assert golden == {file.name for file in Path(GOLDEN).iterdir() if file.name != "cases.yml"}
