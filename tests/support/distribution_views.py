"""What people and operators do in the tests of what distributors and operators see."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from chalicelib.core import clock
from local.client import Operator, Sandbox, Shopper
from tests.support.distribution import (
    come_by,
    pay,
    quick_distributor,
    quick_member,
    run_jobs,
)

PRICE = 2000


def new(operator: Operator, sandbox: str, nickname: str = "", brought_by: Shopper | None = None) -> Shopper:
    """A distributor, brought by another one or by nobody."""
    shopper = quick_member(operator.send, Sandbox(sandbox))
    if nickname:
        shopper.call("PATCH", "/v1/me", {"nickname": nickname}).ok()
    if brought_by is not None:
        come_by(shopper, brought_by.get("/v1/distributor").ok()["invite_code"])
        run_jobs()
    quick_distributor(shopper.member_id)
    return shopper


def bought(shopper: Shopper, *lines: tuple[str, int]) -> str:
    """An order of these lines, paid, and its commissions made."""
    order_id: str = shopper.place(list(lines))["order_id"]
    pay(shopper, order_id)
    run_jobs()
    return order_id


def give_back(operator: Operator, order_id: str, sku: str, quantity: int) -> None:
    """An operator refunds so many pieces."""
    body = {"reason": "补偿", "lines": [{"sku_id": sku, "quantity": quantity}]}
    operator.post(f"/v1/admin/orders/{order_id}/refunds", body, key="1").ok(202)
    run_jobs()


def items(shopper: Shopper, path: str, limit: int = 20, **query: Any) -> list[Any]:
    """All items of a list, read in pages of `limit`."""
    return shopper.items(f"{path}?{urlencode(query)}", limit)


def month_of(instant: Any) -> str:
    """The month of Asia/Shanghai, such as "2026-11"."""
    return clock.day(instant).isoformat()[:7]
