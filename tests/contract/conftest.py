"""One lab with a small customer in it, for all that is asked of every action."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.contract_world import World, world_at


@pytest.fixture(scope="package")
def lab_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_at(tmp_path_factory.mktemp("contract")) as world:
        yield world


@pytest.fixture
def world(lab_world: World) -> Iterator[World]:
    """The lab, well-behaved again afterwards."""
    yield lab_world
    lab_world.behave()
