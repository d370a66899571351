"""A mistyped address, or a parcel's number, is put right: by the shopper, by an operator, and at WeChat."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.platform.jobs import worker
from local.client import SHANGHAI, Operator, Shopper
from local.notices import payment_callback

XINJIANG = SHANGHAI | {
    "region_code": "650102",
    "province": "新疆维吾尔自治区",
    "city": "乌鲁木齐市",
    "district": "天山区",
}
ISLAND = SHANGHAI | {"region_code": "710100", "province": "台湾省", "city": "台北市", "district": ""}


@pytest.fixture
def sku(operator: Operator) -> str:
    rules = [{"first_fen": 800}, {"regions": ["650000"], "first_fen": 1800}]
    template = {"name": "按件", "rules": rules, "unserved": ["710000"]}
    operator.put("/v1/admin/freight-templates/corrected", template).ok()
    sku_id: str = operator.product(freight_template_id="corrected")["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def paid(shopper: Shopper, sku: str) -> str:
    order_id: str = shopper.place([(sku, 2)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    return order_id


def plain(address: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in address.items() if name != "is_default"}


def test_a_shopper_sends_a_paid_order_to_another_of_their_addresses(shopper: Shopper, paid: str) -> None:
    other = shopper.post("/v1/me/addresses", SHANGHAI | {"detail": "南京路 2 号"}).ok(201)
    after = shopper.put(f"/v1/orders/{paid}/address", {"address_id": other["address_id"]}).ok()
    assert (after["address"]["detail"], after["state"]) == ("南京路 2 号", "awaiting_shipment")
    assert after["history"][-1]["what"] == "address_changed"


def test_a_shopper_types_the_address_anew(shopper: Shopper, paid: str) -> None:
    typed = plain(SHANGHAI | {"detail": "南京路 3 号", "phone": "13900139000"})
    assert shopper.put(f"/v1/orders/{paid}/address", typed).ok()["address"] == typed
    missing = {name: value for name, value in typed.items() if name not in ("phone", "city")}
    refusal = shopper.put(f"/v1/orders/{paid}/address", missing).refused(400, "malformed")
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("phone", "required"), ("city", "required")]
    shopper.put(f"/v1/orders/{paid}/address", typed | {"address_id": "a"}).refused(422, "invalid")
    shopper.put(f"/v1/orders/{paid}/address", {"address_id": "nobodys"}).refused(404, "not_found")


@pytest.mark.parametrize(("where", "reason"), [(XINJIANG, "freight_differs"), (ISLAND, "region_not_served")])
def test_another_freight_is_refused_to_the_shopper_and_an_operator_may_override(
    shopper: Shopper, operator: Operator, paid: str, where: dict[str, Any], reason: str
) -> None:
    before = shopper.get(f"/v1/orders/{paid}").ok()
    refusal = shopper.put(f"/v1/orders/{paid}/address", plain(where)).refused(409, "freight_differs")
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("region_code", reason)]
    assert shopper.get(f"/v1/orders/{paid}").ok() == before
    after = operator.put(f"/v1/admin/orders/{paid}/address", plain(where)).ok()
    assert after["address"] == plain(where)
    assert after["payable_fen"] == before["payable_fen"]


def test_nobody_changes_an_address_after_a_parcel_has_left(
    shopper: Shopper, operator: Operator, paid: str, sku: str
) -> None:
    operator.ship(paid, [(sku, 1)])
    typed = plain(SHANGHAI | {"detail": "南京路 4 号"})
    for refusal in (
        shopper.put(f"/v1/orders/{paid}/address", typed).refused(409, "order_state"),
        operator.put(f"/v1/admin/orders/{paid}/address", typed).refused(409, "order_state"),
    ):
        assert refusal["errors"][0]["code"] == "parcel_left"
    assert order_queries.load(paid).address.detail == SHANGHAI["detail"]


def test_another_shopper_changes_nothing(shopper: Shopper, paid: str) -> None:
    other = Shopper.arrive(shopper.send, shopper.sandbox)
    other.put(f"/v1/orders/{paid}/address", plain(SHANGHAI)).refused(404, "not_found")


def at_wechat(shopper: Shopper, order_id: str) -> Any:
    parcels = shopper.sandbox.get(f"shipping?out_trade_no={order_id}")["parcels"]
    return [(one["express_company"], one["tracking_no"], one["contact"]["receiver_contact"]) for one in parcels]


def test_wechat_is_told_of_a_parcel_and_of_its_correction(
    shopper: Shopper, operator: Operator, paid: str, sku: str
) -> None:
    body = {"carrier": "顺丰速运", "tracking_no": "SF1"}
    sent = operator.post(f"/v1/admin/orders/{paid}/ship", body).ok()
    assert sent["shipments"][0]["carrier"] == "SF"
    worker.run_due()
    assert at_wechat(shopper, paid) == [("SF", "SF1", "*******" + SHANGHAI["phone"][-4:])]
    path = f"/v1/admin/orders/{paid}/shipments/1"
    after = operator.put(path, {"carrier": "中通", "tracking_no": "ZT2"}).ok()
    assert [(one["carrier"], one["tracking_no"]) for one in after["shipments"]] == [("ZTO", "ZT2")]
    worker.run_due()
    assert at_wechat(shopper, paid) == [("ZTO", "ZT2", "*******" + SHANGHAI["phone"][-4:])]
    assert operator.put(path, {"carrier": "ZTO", "tracking_no": "ZT2"}).ok() == after
    operator.put(path, {"carrier": "ZTO", "tracking_no": "ZT3"}).refused(409, "parcel_corrected")
    for nothing in ("0", "2", "x"):
        operator.put(f"/v1/admin/orders/{paid}/shipments/{nothing}", body).refused(404, "not_found")


def test_an_unknown_carrier_is_refused_until_the_mall_adds_it(shopper: Shopper, operator: Operator, paid: str) -> None:
    body = {"carrier": "A4PX", "tracking_no": "A1"}
    refusal = operator.post(f"/v1/admin/orders/{paid}/ship", body).refused(422, "invalid")
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("carrier", "unknown_carrier")]
    settings = operator.get("/v1/admin/settings/orders").ok()
    operator.put("/v1/admin/settings/orders", settings | {"more_carriers": {"A4PX": "转运四方"}}).ok()
    try:
        assert {"carrier": "A4PX", "name": "转运四方"} in shopper.get("/v1/carriers").ok()["items"]
        sent = operator.post(f"/v1/admin/orders/{paid}/ship", body | {"carrier": "转运四方"}).ok()
        assert sent["shipments"][0]["carrier"] == "A4PX"
    finally:
        operator.put("/v1/admin/settings/orders", settings).ok()


def test_a_correction_and_a_parcel_at_once_never_send_it_to_the_old_address(
    shopper: Shopper, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parcel leaves between the shopper's look and their change: the change is refused."""
    looked = delivery.freight_terms

    def looked_and_then_it_left(order: Any) -> Any:
        found = looked(order)
        delivery.ship(paid, "SF", "SF9", None, "operator:x")
        return found

    monkeypatch.setattr(delivery, "freight_terms", looked_and_then_it_left)
    typed = plain(SHANGHAI | {"detail": "南京路 5 号"})
    shopper.put(f"/v1/orders/{paid}/address", typed).refused(409, "order_state")
    assert order_queries.load(paid).address.detail == SHANGHAI["detail"]


def test_a_shopper_changes_the_address_five_times(shopper: Shopper, paid: str) -> None:
    for number in range(5):
        shopper.put(f"/v1/orders/{paid}/address", plain(SHANGHAI | {"detail": f"南京路 {number} 号"})).ok()
    refusal = shopper.put(f"/v1/orders/{paid}/address", plain(SHANGHAI)).refused(409, "order_state")
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("order_id", "address_changed_often")]


@pytest.mark.parametrize("by_operator", [False, True])
def test_where_an_order_goes_free_from_a_sum_the_new_address_has_a_refund_decided(
    shopper: Shopper, operator: Operator, by_operator: bool
) -> None:
    rules = [{"first_fen": 0}, {"regions": ["650000"], "first_fen": 1800, "free_from_fen": 1000}]
    operator.put("/v1/admin/freight-templates/from-a-sum", {"name": "满包邮", "rules": rules}).ok()
    bought = operator.product(freight_template_id="from-a-sum", price_fen=1000)["skus"][0]["sku_id"]
    order_id = shopper.place([(bought, 1)])["order_id"]
    assert order_queries.load(order_id).free_freight == {}
    if by_operator:
        operator.put(f"/v1/admin/orders/{order_id}/address", plain(XINJIANG)).ok()
    else:
        shopper.put(f"/v1/orders/{order_id}/address", plain(XINJIANG)).ok()
    assert list(order_queries.load(order_id).free_freight) == ["from-a-sum"]
    assert min(order_queries.load(order_id).free_freight.values()) >= 1
    shopper.put(f"/v1/orders/{order_id}/address", plain(SHANGHAI)).ok()
    assert order_queries.load(order_id).free_freight == {}


def test_a_parcel_of_an_older_order_is_known_and_told_by_wechat_s_names(
    shopper: Shopper, operator: Operator, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(delivery, "carrier_id", lambda said, more: said)
        delivery.ship(paid, "顺丰速运", "SF 1", None, "operator:x")
    body = {"carrier": "顺丰", "tracking_no": "SF1"}
    again = operator.post(f"/v1/admin/orders/{paid}/ship", body).ok()
    assert [(one["carrier"], one["tracking_no"]) for one in again["shipments"]] == [("顺丰速运", "SF 1")]
    assert operator.put(f"/v1/admin/orders/{paid}/shipments/1", body).ok() == again
    worker.run_due()
    assert at_wechat(shopper, paid) == [("SF", "SF1", "*******" + SHANGHAI["phone"][-4:])]
