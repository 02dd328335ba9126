"""One lab for all crashes of a module: every case works on files, numbers and mails of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.project import Lab, lab_for, project_at


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = project_at(tmp_path_factory.mktemp("lab"))
    with lab_for(home.root) as up:
        yield up
