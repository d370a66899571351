"""A product that looks like something, and three distributors with names, for what people see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from local.client import Operator, Shopper


@pytest.fixture
def product(operator: Operator) -> Any:
    from tests.support.distribution_views import PRICE

    return operator.product(price_fen=PRICE, stock=1000, brief="一口就懂", picture_url="https://cdn.example/tea.png")


@pytest.fixture
def sku(product: Any) -> str:
    return str(product["skus"][0]["sku_id"])


@pytest.fixture
def people(operator: Operator, sandbox: str) -> list[Shopper]:
    """A, B whom A brought, and C whom B brought."""
    from tests.support.distribution_views import new

    a = new(operator, sandbox, "林小鱼")
    b = new(operator, sandbox, "沈知鱼", a)
    return [a, b, new(operator, sandbox, "何小满", b)]
