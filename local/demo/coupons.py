"""The coupons of `make demo`: one is claimed, a promotion runs, and the quote says what comes off and why."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from local.demo.stage import Demo

_PIECES = 2
_COUPON_FEN, _PERCENT = 1000, 10
#: Always the same one, so that a demo that was cut off leaves none behind for the next.
_PROMOTION = "/v1/admin/promotions/demo"


def play(demo: Demo) -> None:
    """All of it. Raises Unexpected."""
    tea = _publish(demo)
    template = demo.operator.call("POST", "/v1/admin/coupon-templates", _template(tea), expect=201, tell="template_id")
    demo.arrive("苏小满")
    coupon = _claim(demo, tea, template["template_id"])
    order = _order(demo, tea, coupon)
    _use(demo, order, coupon, template["template_id"])
    demo.step("The promotion ends; the order keeps its price")
    demo.log_in_operator()
    demo.operator.call("DELETE", _PROMOTION, expect=204)
    demo.shopper.call("GET", f"/v1/orders/{order['order_id']}", tell="state payable_fen discount_fen")


def _publish(demo: Demo) -> Any:
    """The operator puts a promotion for the tea; the tea."""
    demo.step("Coupons: the operator puts a promotion, a tenth off from two boxes of tea on, and publishes a coupon")
    tea = demo.find("茶包")
    demo.log_in_operator()
    now = datetime.fromisoformat(demo.clock.ask("/status")["now"])
    promotion = {
        "kind": "pieces_percent", "name": "两件九折", "scope": {"products": [tea["product_id"]]},
        "tiers": [{"pieces": _PIECES, "percent_off": _PERCENT}],
        "starts_at": now.isoformat(), "ends_at": (now + timedelta(days=7)).isoformat(),
    }  # fmt: skip
    demo.operator.call("PUT", _PROMOTION, promotion, tell="promotion.name promotion.kind promotion.ends_at")
    return tea


def _template(tea: Any) -> dict[str, Any]:
    """Ten yuan off the tea, from fifty on, for a week; one for each member."""
    return {
        "name": "新茶立减十元", "kind": "amount_off", "amount_fen": _COUPON_FEN, "threshold_fen": 5000,
        "scope": {"products": [tea["product_id"]]}, "total": 100, "limit_per_member": 1, "valid": {"days": 7},
        "how": ["claim"],
    }  # fmt: skip


def _claim(demo: Demo, tea: Any, template_id: str) -> str:
    """A look at the product's page and the coupon centre, and a coupon; its id."""
    demo.step("The product's page tells what runs; the coupon centre what can be claimed; one is claimed")
    page = f"/v1/promotions?product_id={tea['product_id']}"
    demo.wait(demo.shopper, page, lambda now: bool(now["items"]), "items.promotion.name items.promotion.ends_at")
    demo.shopper.call("GET", "/v1/coupon-templates", tell="items.name items.left items.claimed")
    claimed = demo.shopper.call(
        "POST", f"/v1/coupon-templates/{template_id}/claim", {}, expect=201, tell="coupon_id state valid_until"
    )
    demo.step("A second one: one for each member")
    demo.shopper.call("POST", f"/v1/coupon-templates/{template_id}/claim", {}, expect=409, tell="code")
    coupon_id: str = claimed["coupon_id"]
    return coupon_id


def _order(demo: Demo, tea: Any, coupon_id: str) -> Any:
    """A quote with the best coupons, and the order with them."""
    demo.step("A quote with the best of her coupons: the promotion first, then the coupon, each with its reason")
    line = {"sku_id": tea["skus"][0]["sku_id"], "quantity": _PIECES}
    asked = {"lines": [line], "address_id": demo.address_id, "coupon_ids": "best"}
    tell = "goods_fen discounts.name discounts.discount_fen freight_fen payable_fen"
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell=tell)
    off = [quote["goods_fen"] * _PERCENT // 100, _COUPON_FEN]
    demo.check([one["discount_fen"] for one in quote["discounts"]] == off, "the discounts are not as was published")
    demo.check(quote["goods_fen"] - sum(off) + quote["freight_fen"] == quote["payable_fen"], "it does not add up")
    demo.step("The order has the coupon; another order is not let have it")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    key = f"demo-{secrets.token_hex(8)}"
    order = demo.shopper.call("POST", "/v1/orders", body, key=key, expect=201, tell="order_id state payable_fen")
    demo.shopper.call("GET", "/v1/me/coupons?state=locked", tell="items.name items.order_id")
    again = body | {"coupon_ids": [coupon_id]}
    demo.shopper.call("POST", "/v1/orders", again, key=f"{key}-2", expect=422, tell="code detail")
    return order


def _use(demo: Demo, order: Any, coupon_id: str, template_id: str) -> None:
    """Paid: the coupon is used, and the operator sees what it brought."""
    demo.step("Paid: the coupon is used, and the template's figures tell what it took off and what was paid with it")
    path = f"/v1/orders/{order['order_id']}"
    payment = demo.shopper.call("POST", f"{path}/payment", tell="signType")
    prepay_id = payment["package"].removeprefix("prepay_id=")
    demo.wechat.call("POST", "/_control/pay", {"prepay_id": prepay_id}, tell="transaction_id")
    demo.wait(demo.shopper, path, lambda now: now["state"] == "awaiting_shipment", "state paid_fen")
    used = demo.shopper.call("GET", "/v1/me/coupons?state=used", tell="items.name items.order_id")
    demo.check([one["coupon_id"] for one in used["items"]] == [coupon_id], "the coupon is not used")
    counted = lambda now: now["figures"]["used"] == 1  # noqa: E731
    tell = "figures.used figures.off_fen figures.paid_fen"
    demo.wait(demo.operator, f"/v1/admin/coupon-templates/{template_id}", counted, tell)
