"""A small mall in which members turn out to be one person, for a file of tests; it is as it opened before each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.small_mall import SmallMall


@pytest.fixture(scope="module")
def open_mall(dynamodb: str, request: pytest.FixtureRequest) -> Iterator[SmallMall]:
    from tests.support.small_mall import opened  # tables are named only when the environment is set

    with opened(request.module.__name__.rpartition("test_")[2].replace("_", "-")) as mall:
        yield mall


@pytest.fixture
def mall(open_mall: SmallMall) -> SmallMall:
    open_mall.reopen()
    return open_mall
