"""A mall with distribution, at two paid levels, and a chain of three people in it.

What names tables is imported in the fixtures: this file may be read before the environment stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.client import Operator, Shopper


@pytest.fixture
def operator(operator: Operator) -> Iterator[Operator]:
    """The owner, who has switched distribution on meanwhile."""
    from tests.support.distribution import set_rules

    set_rules(operator)
    yield operator
    set_rules(operator, enabled=False)


@pytest.fixture
def completed_at_once(operator: Operator) -> Iterator[None]:
    """An order that is received is completed: no member can give it back any more."""
    operator.put("/v1/admin/settings/orders", {"refund_days": 0}).ok()
    yield
    operator.put("/v1/admin/settings/orders", {}).ok()


@pytest.fixture
def sku(operator: Operator) -> str:
    from tests.support.distribution_views import PRICE

    sku_id: str = operator.product(price_fen=PRICE, stock=1000)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def people(operator: Operator, sandbox: str) -> list[Shopper]:
    """A, B whom A brought, and C whom B brought; A and B are distributors."""
    from tests.support.distribution import new

    a = new(operator, sandbox)
    b = new(operator, sandbox, a)
    return [a, b, new(operator, sandbox, b, sells=False)]
