"""The boundary at which the sweeps strike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.outside import Outside, boundary


@pytest.fixture(scope="module")
def outside(sandbox: str) -> Iterator[Outside]:
    """Every call that leaves this process, except those to WeChat's control."""
    with boundary(ignore=lambda url: "/_control/" in url) as outside:
        yield outside
