"""The boundary at which the sweeps strike, and how DynamoDB is called where nothing is struck."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from local.environment import Places

if TYPE_CHECKING:
    from local.clock import LocalClock
    from tests.support.outside import Outside
    from tests.support.purchases import Flow, Purchase, Shop
    from tests.support.sweep import Calmly, Sweep


@pytest.fixture(scope="module")
def outside(dynamodb: str, sandbox: str, places: Places) -> Iterator[Outside]:
    """Every call that leaves this process, except those to WeChat's control."""
    from tests.support.outside import boundary  # pytest imports this file before the environment is prepared

    calmly = dynamodb if places.engine_is_ours else None
    with boundary(ignore=lambda url: "/_control/" in url, calmly=calmly) as outside:
        yield outside


@pytest.fixture(scope="module")
def calmly(dynamodb: str, places: Places) -> Calmly:
    """The mall of this process calls the engine without botocore meanwhile, where the engine takes that."""
    from tests.support.lean import lean

    return functools.partial(lean, dynamodb) if places.engine_is_ours else contextlib.nullcontext


@pytest.fixture(scope="module")
def shop(dynamodb: str, sandbox: str, outside: Outside) -> Iterator[Shop]:
    """Where purchases are made."""
    from tests.support import purchases

    with purchases.shop() as opened:
        yield opened


@pytest.fixture
def purchase_sweep(
    shop: Shop, sandbox: str, mall_clock: LocalClock, outside: Outside, calmly: Calmly
) -> Iterator[Sweep[Flow, Purchase]]:
    """Purchases, struck at each of their calls."""
    from tests.support.purchases import purchases

    yield purchases(shop, sandbox, mall_clock, outside, calmly)
    shop.operator.put("/v1/admin/settings/orders", {}).ok()
