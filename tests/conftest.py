"""What holds for all tests: in CI nothing is skipped quietly, and tests that share servers share a worker."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

IN_CI = bool(os.environ.get("CI"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure in CI: a machine without a server proves nothing about it."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome, report.longrepr = "failed", _skipped(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Likewise for a file that skips itself as a whole."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome, report.longrepr = "failed", _skipped(report.longrepr)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file that share a server or a lab run on one worker: it is started once, and they see each other's order."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and _shares(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


def _shares(item: pytest.Item) -> bool:
    """Whether any fixture of the test outlives it."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.values() if info is not None else ()
    return any(found[-1].scope in ("module", "package") for found in definitions if found)


def _skipped(reason: object) -> str:
    words = reason[2] if isinstance(reason, tuple) and len(reason) == 3 else reason
    return f"A skipped test is a failure in CI. {words}"
