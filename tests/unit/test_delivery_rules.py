"""Carriers, the receiver's contact, another address and a corrected parcel: what the rules allow."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.delivery.rules import (
    CARRIERS,
    carrier_id,
    carriers,
    check_same_freight,
    corrected,
    free_freight_to,
    label,
    readdressed,
    receiver_contact,
)
from chalicelib.commerce.orders.rules import Order, Pieces, Receiver, Seat, Shipment
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.core.errors import MallError
from local.sandbox.mini import CARRIERS as KNOWN_AT_WECHAT
from tests.support.orders import NOW, line, order

MORE = {"SFKY": "顺丰快运"}


@pytest.mark.parametrize(
    ("said", "carrier"),
    [
        ("SF", "SF"), ("sf", "SF"), (" ＳＦ ", "SF"), ("顺丰速运", "SF"), ("顺丰", "SF"), ("顺 丰", "SF"),
        ("中通快递", "ZTO"), ("YUNDA", "YD"), ("韵达", "YD"), ("极兔", "JTSD"), ("德邦快递", "DBL"), ("ems", "EMS"),
        ("中国邮政", "YZPY"), ("京东物流", "JD"), ("顺丰快运", "SFKY"), ("sfky", "SFKY"),
    ],
)  # fmt: skip
def test_a_carrier_is_known_by_its_id_and_by_what_people_call_it(said: str, carrier: str) -> None:
    assert carrier_id(said, MORE) == carrier


@pytest.mark.parametrize("said", ["", " ", "顺丰快运x", "SFX", "快递", "SF1234567890"])
def test_a_carrier_that_nobody_knows_is_refused_by_its_field(said: str) -> None:
    with pytest.raises(MallError) as refusal:
        carrier_id(said, MORE)
    assert [(one.field, one.reason.code) for one in refusal.value.errors] == [("carrier", "unknown_carrier")]


def test_every_carrier_that_is_offered_is_taken_by_its_id_and_name_and_known_to_wechat() -> None:
    for carrier, name in carriers(MORE).items():
        assert carrier_id(carrier, MORE) == carrier_id(name, MORE) == carrier
    assert set(CARRIERS) <= KNOWN_AT_WECHAT


@pytest.mark.parametrize(
    ("phone", "told"),
    [
        ("13800138000", "*******8000"), ("13800138000 ", "*******8000"), ("0755-12345678-801", "*******8801"),
        ("8008-1-2", "*******0812"), ("+86 138 0013 8000", "*******8000"), ("-----", None), ("123", None), ("", None),
    ],
)  # fmt: skip
def test_wechat_is_told_the_last_four_digits_of_a_phone(phone: str, told: str | None) -> None:
    assert receiver_contact(phone) == told


@given(st.text(alphabet="0123456789+- ()转", max_size=24))
def test_a_contact_shows_four_digits_of_the_phone_and_no_more(phone: str) -> None:
    told = receiver_contact(phone)
    digits = re.sub(r"\D", "", phone)
    assert told == (None if len(digits) < 4 else "*******" + digits[-4:])


def elsewhere(region_code: str = "440304", **changes: Any) -> Receiver:
    fields = {
        "name": "李四", "phone": "13900139000", "province": "广东省", "city": "深圳市", "district": "福田区",
        "detail": "深南大道 1 号",
    }  # fmt: skip
    return Receiver(region_code=region_code, **{**fields, **changes})


BOUGHT = order(line("a", 2, 200))
ITEMS = [Item(sku_id="a", quantity=2, unit_price_fen=100, weight_g=500, product_id="p")]
TEMPLATES = {
    "default": FreightTemplate(
        name="包裹",
        rules=[FreightRule(first_fen=800), FreightRule(regions=["650000"], first_fen=1800)],
        unserved=["810000"],
    )
}


@pytest.mark.parametrize("state", ["awaiting_payment", "awaiting_group", "awaiting_shipment"])
def test_an_order_of_which_nothing_left_goes_to_another_address(state: Any) -> None:
    bought = msgspec.structs.replace(BOUGHT, state=state)
    after = readdressed(bought, elsewhere(), {}, "member", NOW)
    assert (after.address, after.state) == (elsewhere(), state)
    assert [(event.what, event.by, event.note) for event in after.history[-1:]] == [("address_changed", "member", "")]
    assert readdressed(after, elsewhere(), {}, "member", NOW) is after


def test_a_member_changes_the_address_five_times_and_an_operator_as_often_as_they_like() -> None:
    bought = BOUGHT
    for number in range(7):
        bought = readdressed(bought, elsewhere(detail=f"{number} 号"), {}, "operator:x", NOW)
    for number in range(5):
        bought = readdressed(bought, elsewhere(detail=f"{number} 楼"), {}, "member", NOW)
    assert readdressed(bought, elsewhere(detail="4 楼"), {}, "member", NOW) is bought
    with pytest.raises(MallError, match="order_state") as refusal:
        readdressed(bought, elsewhere(), {}, "member", NOW)
    [error] = refusal.value.errors
    assert (error.field, error.reason.code, error.params) == ("order_id", "address_changed_often", {"limit": 5})
    assert readdressed(bought, elsewhere(), {}, "operator:x", NOW).address == elsewhere()


FREE_FROM = {
    "default": FreightTemplate(
        name="包裹",
        rules=[FreightRule(first_fen=0), FreightRule(regions=["650000"], first_fen=1800, free_from_fen=200)],
        unserved=["810000"],
    )
}


@pytest.mark.parametrize(
    ("region_code", "has", "then"),
    [
        ("650102", {}, {"default": 3}), ("110101", {"default": 1}, {}), ("810101", {"default": 1}, {}),
        (BOUGHT.address.region_code, {"default": 1}, {"default": 1}),
    ],
)  # fmt: skip
def test_an_order_is_free_by_the_templates_of_the_region_that_it_goes_to(
    region_code: str, has: dict[str, int], then: dict[str, int]
) -> None:
    bought = msgspec.structs.replace(BOUGHT, free_freight=has)
    free = free_freight_to(bought, region_code, ITEMS, FREE_FROM, {"default": 3})
    assert free == then
    assert readdressed(bought, elsewhere(region_code), free, "member", NOW).free_freight == then


def test_an_order_of_a_group_is_free_by_no_template() -> None:
    bought = msgspec.structs.replace(BOUGHT, group=Seat(activity_id="a", lobby_id="l", size=2))
    assert free_freight_to(bought, "650102", ITEMS, FREE_FROM, {"default": 3}) == {}


@pytest.mark.parametrize("state", ["shipped", "received", "completed", "closed"])
def test_an_order_that_is_sent_or_over_keeps_its_address(state: Any) -> None:
    with pytest.raises(MallError, match="order_state"):
        readdressed(msgspec.structs.replace(BOUGHT, state=state), elsewhere(), {}, "member", NOW)


def test_an_order_of_which_one_parcel_left_keeps_its_address() -> None:
    with pytest.raises(MallError) as refusal:
        readdressed(parcels("SF1"), elsewhere(), {}, "member", NOW)
    assert refusal.value.errors[0].reason.code == "parcel_left"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("440304", "440305", None), ("440304", "110101", None), ("440304", "650102", 1800), ("650102", "440304", 800),
        ("440304", "810101", "region_not_served"), ("810101", "810101", None),
    ],
)  # fmt: skip
def test_another_freight_or_an_unserved_region_is_found(before: str, after: str, told: int | str | None) -> None:
    def ask() -> None:
        check_same_freight(ITEMS, TEMPLATES, elsewhere(before), elsewhere(after))

    if told is None:
        ask()
        return
    with pytest.raises(MallError, match="freight_differs") as refusal:
        ask()
    reason = refusal.value.errors[0].reason.code
    assert told in (reason, refusal.value.data.get("freight_fen"))
    assert refusal.value.errors[0].field == "region_code"


def parcels(*numbers: str, state: Any = "awaiting_shipment") -> Order:
    sent = [Shipment(carrier="SF", tracking_no=number, lines=[Pieces("a", 1)], at=NOW) for number in numbers]
    return msgspec.structs.replace(BOUGHT, state=state, shipments=sent)


def test_a_parcels_number_is_corrected_once_in_an_order() -> None:
    before = parcels("1", "2", state="shipped")
    after = corrected(before, 2, "ZTO", "22", MORE, "operator:x", NOW)
    assert [(one.carrier, one.tracking_no, one.corrected) for one in after.shipments] == [
        ("SF", "1", False), ("ZTO", "22", True),
    ]  # fmt: skip
    assert after.shipments[1].lines == before.shipments[1].lines
    assert (after.history[-1].what, after.history[-1].note) == ("parcel_corrected", "ZTO 22")
    assert corrected(after, 2, "ZTO", "22", MORE, "operator:x", NOW) is after
    for position in (1, 2):
        with pytest.raises(MallError, match="parcel_corrected"):
            corrected(after, position, "ZTO", "33", MORE, "operator:x", NOW)


@pytest.mark.parametrize("position", [0, 3, -1])
def test_a_parcel_that_is_not_there_is_not_found(position: int) -> None:
    with pytest.raises(MallError, match="not_found"):
        corrected(parcels("1", "2"), position, "SF", "9", MORE, "operator:x", NOW)


def test_a_number_of_another_parcel_is_refused() -> None:
    with pytest.raises(MallError) as refusal:
        corrected(parcels("1", "2"), 1, "SF", "2", MORE, "operator:x", NOW)
    assert (refusal.value.code, refusal.value.errors[0].reason.code) == ("invalid", "parcel_known")
    assert corrected(parcels("1", "2"), 1, "ZTO", "2", MORE, "operator:x", NOW).shipments[0].carrier == "ZTO"


@pytest.mark.parametrize("state", ["received", "completed", "closed"])
def test_no_parcel_is_corrected_after_its_receipt(state: Any) -> None:
    with pytest.raises(MallError, match="order_state"):
        corrected(parcels("1", state=state), 1, "SF", "2", MORE, "operator:x", NOW)


@pytest.mark.parametrize(
    ("carrier", "tracking_no", "told"),
    [
        ("顺丰速运", " SF 12 ", ("SF", "SF12")), ("SF", "SF12", ("SF", "SF12")), ("顺丰快运", "1", ("SFKY", "1")),
        ("村里的车", "1 2", ("村里的车", "12")),
    ],
)  # fmt: skip
def test_a_parcel_that_is_stored_as_it_was_typed_is_told_as_wechat_knows_it(
    carrier: str, tracking_no: str, told: tuple[str, str]
) -> None:
    parcel = Shipment(carrier=carrier, tracking_no=tracking_no, lines=[Pieces("a", 1)], at=NOW)
    assert label(parcel, MORE) == told


def test_a_correction_knows_a_parcel_that_is_stored_as_it_was_typed() -> None:
    before = parcels("SF 1", "SF 2")
    typed = [msgspec.structs.replace(one, carrier="顺丰速运") for one in before.shipments]
    before = msgspec.structs.replace(before, shipments=typed)
    assert corrected(before, 1, "SF", "SF1", MORE, "operator:x", NOW) is before
    with pytest.raises(MallError) as refusal:
        corrected(before, 1, "SF", "SF2", MORE, "operator:x", NOW)
    assert refusal.value.errors[0].reason.code == "parcel_known"
