"""The boundary at which the sweeps strike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.clock import LocalClock
    from tests.support.outside import Outside
    from tests.support.purchases import Flow, Purchase, Shop
    from tests.support.sweep import Sweep


@pytest.fixture(scope="module")
def outside(dynamodb: str, sandbox: str) -> Iterator[Outside]:
    """Every call that leaves this process, except those to WeChat's control."""
    from tests.support.outside import boundary  # pytest imports this file before the environment is prepared

    with boundary(ignore=lambda url: "/_control/" in url) as outside:
        yield outside


@pytest.fixture(scope="module")
def shop(dynamodb: str, sandbox: str, outside: Outside) -> Iterator[Shop]:
    """Where purchases are made."""
    from tests.support import purchases

    with purchases.shop() as opened:
        yield opened


@pytest.fixture
def purchase_sweep(
    shop: Shop, sandbox: str, mall_clock: LocalClock, outside: Outside
) -> Iterator[Sweep[Flow, Purchase]]:
    """Purchases, struck at each of their calls."""
    from tests.support.purchases import purchases

    yield purchases(shop, sandbox, mall_clock, outside)
    shop.operator.put("/v1/admin/settings/orders", {}).ok()
