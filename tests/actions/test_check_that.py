"""``check.that``: claims that hold say nothing, and every one that does not is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.check.that import CheckThat, ThatArgs
from engine.model.args import builder_of
from engine.model.errors import Permanent
from engine.model.plan import Change
from tests.support.sessions import make_sessions

CASES = yaml.safe_load((Path(__file__).parent / "check_that" / "cases.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_claims(case: Mapping[str, Any]) -> None:
    """As the cases say."""
    check, at = CheckThat(), make_sessions({})
    args = builder_of(ThatArgs)({"claims": case["claims"]})
    if "refused" not in case:
        check.observe(args, at)
        assert check.diff(args, None) is None
        assert check.apply(Change(""), args, at, key="k").data == {}
        return
    with pytest.raises(Permanent) as refused:
        check.observe(args, at)
    assert refused.value.why == case["refused"]
