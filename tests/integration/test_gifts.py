"""What costs nothing goes back as everything else does: asked for, granted, in stock again."""

from __future__ import annotations

from local.client import Operator, Shopper


def test_a_gift_that_was_sent_can_be_given_back(operator: Operator, shopper: Shopper) -> None:
    sku = operator.product(stock=10, price_fen=0)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 2)])["order_id"]
    assert shopper.start_payment(order_id) == {"paid": True}
    admin = f"/v1/admin/orders/{order_id}"
    operator.post(f"{admin}/ship", {"carrier": "SF", "tracking_no": f"SF-{order_id[-8:]}"}).ok()
    asked = shopper.post(f"/v1/orders/{order_id}/refunds", {"reason": "坏了"}, key="gift").ok(202)
    assert asked["state"] == "requested"
    for _ in range(2):
        operator.post(f"{admin}/refunds/{asked['refund_id']}/approve", {"restock": True}).ok()
    order = shopper.order(order_id)
    assert (order["state"], [one["state"] for one in order["refunds"]]) == ("closed", ["succeeded"])
