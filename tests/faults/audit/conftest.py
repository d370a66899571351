"""The small mall that the audit's tests play, opened once for each file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.small_mall import SmallMall


@pytest.fixture(scope="module")
def opened(dynamodb: str) -> Iterator[SmallMall]:
    """The mall as it opened."""
    from tests.support.small_mall import opened  # pytest imports this file before the environment is prepared

    with opened("audit") as mall:
        yield mall


@pytest.fixture
def small(opened: SmallMall) -> SmallMall:
    """The mall as it opened, for one test."""
    opened.reopen()
    return opened
