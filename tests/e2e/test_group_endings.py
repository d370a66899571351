"""How lobbies end: by steps of a ladder, with fewer than all where the merchant lets them, and though WeChat waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.client import Control, Operator, Sandbox, coupon_template, poll
from tests.e2e.test_refunds import ledger, paid_out
from tests.support.groups import Activity, Arrive, Seated, agree, fill, seat, settled, sku_of

HALF_AN_HOUR = 30 * 60 + 1
#: Price and leader's price by step.
LADDER = {2: (8900, 8000), 3: (7900, 7500), 5: (6900, 6900)}


@pytest.fixture
def ladder(operator: Operator) -> Activity:
    made: Activity = operator.group_activity(LADDER, kind="ladder")
    return made


# Ladder


def test_at_its_end_a_ladder_gives_everybody_the_price_of_the_step_that_was_reached(
    ladder: Activity, arrive: Arrive, operator: Operator, control: Control, wechat: Sandbox
) -> None:
    leader, one, two = arrive(), arrive(), arrive()
    lead = leader.open_lobby(ladder)
    orders = [(leader, lead), (one, one.join_lobby(lead)), (two, two.join_lobby(lead, quantity=2))]
    assert [order["paid_fen"] for _, order in orders] == [8000, 8900, 2 * 8900]
    lobby = leader.lobby(lead)
    assert (lobby["state"], lobby["size"], lobby["taken"], lobby["left"], lobby["step"]) == ("open", 5, 3, 2, 3)
    control.run_jobs(advance=HALF_AN_HOUR)
    assert leader.lobby(lead)["state"] == "succeeded"
    backs = [500, 1000, 2000]
    told = [
        "拼团满3人，单价89.00降至79.00元，优惠按新价重算，退5.00元",
        "拼团满3人，单价89.00降至79.00元，1件退10.00元",
        "拼团满3人，单价89.00降至79.00元，2件退20.00元",
    ]
    for done, back, why in zip(settled(control, orders), backs, told, strict=True):
        assert seat(done) == ("awaiting_shipment", "taken")
        assert (done["refunded_fen"], [refund["reason"] for refund in done["refunds"]]) == (back, [why])
        assert [fen for _, fen in paid_out(wechat, done["order_id"])] == [back]
        assert "group_succeeded" in [event["what"] for event in done["history"]]
    # later refunds, which a person decides, give back what is left, whole or piece by piece, to the fen
    for who, order_id, lines in (
        (one, orders[1][1]["order_id"], None),
        (two, orders[2][1]["order_id"], [(sku_of(ladder), 1)]),
        (two, orders[2][1]["order_id"], None),
    ):
        asked = who.refund(order_id, lines)
        assert (asked["state"], asked["requested_because"]) == ("requested", "group_succeeded")
        assert operator.grant(order_id, asked)["amount_fen"] == 7900
    for done in settled(control, orders[1:]):
        assert (done["state"], done["refunded_fen"]) == ("closed", done["paid_fen"])
        assert sum(fen for _, fen in paid_out(wechat, done["order_id"])) == done["paid_fen"]
        assert ledger(operator, done["order_id"]) == {}
    assert operator.ship(lead["order_id"])["state"] == "shipped"
    assert leader.refund(lead["order_id"])["amount_fen"] == 7500
    assert operator.stock(sku_of(ladder)) == (99, 1)


def test_coupons_in_a_ladder_are_worth_their_terms_at_the_price_that_was_reached(
    operator: Operator, arrive: Arrive, control: Control, wechat: Sandbox, differences: Callable[[], list[str]]
) -> None:
    """20 % are 20 % of the last price; and what needs 100.00 yuan comes back when the price ends at 60.00."""
    activity = operator.group_activity({2: 10_000, 3: 6000}, kind="ladder")
    leader, fifth, thirty = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity)
    terms = (
        {"kind": "percent_off", "amount_fen": None, "percent_off": 20, "threshold_fen": 0},
        {"amount_fen": 3000, "threshold_fen": 10_000},
    )
    orders = [(leader, lead)]
    for who, of, paid_fen in zip((fifth, thirty), terms, (8000, 7000), strict=True):
        template_id = operator.post("/v1/admin/coupon-templates", coupon_template(**of)).ok(201)["template_id"]
        coupon_id = who.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)["coupon_id"]
        body = {
            "lines": [{"sku_id": sku_of(activity), "quantity": 1}], "address_id": who.address_id,
            "coupon_ids": [coupon_id], "group": {"lobby_id": lead["group"]["lobby_id"]},
            "expected_payable_fen": paid_fen,
        }  # fmt: skip
        orders.append((who, who.pay(who.post("/v1/orders", body, key="seat").ok(201)["order_id"])))
    ended = settled(control, orders)
    for done, back in zip(ended, [4000, 3200, 1000], strict=True):
        assert (done["state"], done["refunded_fen"]) == ("awaiting_shipment", back)
        assert [fen for _, fen in paid_out(wechat, done["order_id"])] == [back]
    assert [one.get("came_back", False) for done in ended[1:] for one in done["coupons"]] == [False, True]
    unused = [len(who.get("/v1/me/coupons?state=unused").ok()["items"]) for who in (fifth, thirty)]
    assert unused == [0, 1]
    agree(differences)


def test_the_largest_step_ends_a_ladder_at_once_at_its_price(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = operator.group_activity({2: 8900, 3: (7900, 6900)}, kind="ladder")
    leader, one, two = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity)
    orders = [(leader, lead), (one, one.join_lobby(lead)), (two, two.join_lobby(lead))]
    assert leader.lobby(lead)["state"] == "succeeded"
    for done, back in zip(settled(control, orders), [2000, 1000, 1000], strict=True):
        assert (done["state"], done["refunded_fen"], done["paid_fen"]) == ("awaiting_shipment", back, 8900)
    arrive().take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_full")


def test_a_ladder_that_reached_its_first_step_owes_nothing_and_one_below_it_everything(
    ladder: Activity, arrive: Arrive, control: Control, wechat: Sandbox, operator: Operator
) -> None:
    leader, one, alone = arrive(), arrive(), arrive()
    lead = leader.open_lobby(ladder)
    joined = one.join_lobby(lead)
    lonely = alone.open_lobby(ladder, size=2)  # a ladder has room for its largest step, whatever is asked for
    assert (alone.lobby(lonely)["size"], alone.lobby(lonely)["step"]) == (5, 0)
    control.run_jobs(advance=HALF_AN_HOUR)
    for who, order in ((leader, lead), (one, joined)):
        done = who.order(order["order_id"])
        assert (done["state"], done["refunds"]) == ("awaiting_shipment", [])
    (done,) = settled(control, [(alone, lonely)])
    assert (seat(done), done["refunded_fen"]) == (("closed", "failed"), 8000)
    assert [fen for _, fen in paid_out(wechat, lonely["order_id"])] == [8000]
    assert operator.stock(sku_of(ladder)) == (98, 2)


def test_a_ladder_waits_for_the_seat_that_may_still_reach_the_next_step(
    ladder: Activity, arrive: Arrive, control: Control
) -> None:
    leader, one, two = arrive(), arrive(), arrive()
    lead = leader.open_lobby(ladder)
    joined = one.join_lobby(lead)
    control.run_jobs(advance=25 * 60)  # so that the hold ends with the lobby
    held = two.take_seat(sku_of(ladder), lobby_id=lead["group"]["lobby_id"]).ok(201)
    two.sandbox.pay(two.start_payment(held["order_id"]), "none")
    control.run_jobs(advance=5 * 60 + 1)
    poll(lambda: control.run_jobs(advance=1) >= 0 and leader.lobby(lead)["state"] == "succeeded")
    assert leader.lobby(lead)["step"] == 3
    ended = settled(control, [(leader, lead), (one, joined), (two, held)])
    assert [order["refunded_fen"] for order in ended] == [500, 1000, 1000]


# Fewer than all


def test_with_min_fill_a_lobby_succeeds_at_its_end_with_so_many_and_fails_with_less(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = operator.group_activity({5: 1500}, min_fill=2)
    rules = arrive().get(f"/v1/group-activities/{activity['activity_id']}").ok()["rules"]
    assert (rules["min_fill"], rules["hold_minutes"]) == (2, 10)
    leader, one, alone = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity)
    joined = one.join_lobby(lead)
    lonely = alone.open_lobby(activity)
    assert leader.lobby(lead)["state"] == "open"  # there is room for more until then
    control.run_jobs(advance=HALF_AN_HOUR)
    lobby = leader.lobby(lead)
    assert (lobby["state"], lobby["taken"], lobby["left"]) == ("succeeded", 2, 3)
    assert {leader.order(lead["order_id"])["state"], one.order(joined["order_id"])["state"]} == {"awaiting_shipment"}
    arrive().take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_over")
    assert [order["refunded_fen"] for order in settled(control, [(alone, lonely)])] == [1500]
    assert alone.lobby(lonely)["state"] == "failed"
    arrive().take_seat(sku_of(activity), lobby_id=lonely["group"]["lobby_id"]).refused(409, "lobby_over")
    assert operator.stock(sku_of(activity)) == (98, 2)


def test_in_its_last_seconds_nobody_joins_who_could_not_pay_any_more(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = operator.group_activity({2: 1500}, lobby_minutes=5)
    leader, late = arrive(), arrive()
    lead = leader.open_lobby(activity)
    control.run_jobs(advance=5 * 60 - 14)
    assert leader.lobby(lead)["state"] == "open"
    late.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).refused(409, "lobby_over")
    # whoever fails with a lobby may sit down in another, and open one
    control.run_jobs(advance=15)
    assert [seat(order) for order in settled(control, [(leader, lead)])] == [("closed", "failed")]
    assert leader.open_lobby(activity)["state"] == "awaiting_group"


# Refunds that wait


def waits(operator: Operator, activity: Activity) -> dict[str, dict[str, str]]:
    """The orders of this activity whose refunds are on their way, and what WeChat said last of each refund."""
    items = operator.items("/v1/admin/orders?queue=refund_waiting")
    ours = [order for order in items if order.get("group", {}).get("activity_id") == activity["activity_id"]]
    return {order["order_id"]: order.get("waits_for", {}) for order in ours}


@pytest.fixture
def two_of_three(operator: Operator, arrive: Arrive, control: Control) -> tuple[Activity, list[Seated]]:
    """An activity, and two who paid in a lobby of three. Nothing else in the mall is owed, nor will be."""

    def is_quiet() -> bool:
        control.run_jobs(advance=31)
        return operator.get("/v1/admin/orders?queue=refund_waiting").ok()["items"] == []

    control.run_jobs(advance=3600)  # the lobbies that other tests left open
    poll(is_quiet)
    activity = operator.group_activity({3: 1500})
    return activity, fill(activity, arrive, 2)


def fail(people: list[Seated], control: Control) -> list[str]:
    """The time of their lobby is over; the numbers of their refunds."""
    control.run_jobs(advance=HALF_AN_HOUR)
    orders = [who.order(order["order_id"]) for who, order in people]
    for order in orders:
        assert (seat(order), order["refunded_fen"]) == (("closed", "failed"), 0)
        assert [refund["state"] for refund in order["refunds"]] == ["approved"]
        assert "waits_for" not in order
    return [order["refunds"][0]["refund_id"] for order in orders]


def all_is_back(people: list[Seated], numbers: list[str], control: Control, wechat: Sandbox) -> None:
    """Each got back what they paid, under the number that waited."""
    for done, number in zip(settled(control, people), numbers, strict=True):
        assert (seat(done), done["refunded_fen"]) == (("closed", "failed"), 1500)
        assert paid_out(wechat, done["order_id"]) == [(number, 1500)]
        assert len(wechat.refunds(done["order_id"])) == 1
    assert control.status()["jobs"]["dead"] == 0


def test_while_the_merchants_balance_is_short_refunds_wait_in_sight_and_then_go_out_under_their_numbers(
    two_of_three: tuple[Activity, list[Seated]], operator: Operator, control: Control, wechat: Sandbox
) -> None:
    activity, people = two_of_three
    wechat.post("balance", {"available_fen": 1499})
    try:
        numbers = fail(people, control)
        expected = {
            order["order_id"]: {number: "NOT_ENOUGH"} for (_, order), number in zip(people, numbers, strict=True)
        }
        assert waits(operator, activity) == expected
        for _ in range(2):
            control.run_jobs(advance=601)
        assert waits(operator, activity) == expected
        assert [wechat.refunds(order["order_id"]) for _, order in people] == [[], []]
    finally:
        wechat.post("balance", {"available_fen": None})
    control.run_jobs(advance=601)
    all_is_back(people, numbers, control, wechat)
    assert waits(operator, activity) == {}


def test_an_hour_without_wechat_delays_what_a_failed_lobby_owes_and_nothing_else(
    two_of_three: tuple[Activity, list[Seated]], operator: Operator, control: Control, wechat: Sandbox
) -> None:
    activity, people = two_of_three
    wechat.fault("/v3/refund/domestic/refunds", "error", times=16)
    numbers = fail(people, control)
    for _ in range(4):
        control.run_jobs(advance=900)
        assert waits(operator, activity).keys() == {order["order_id"] for _, order in people}
        assert [wechat.refunds(order["order_id"]) for _, order in people] == [[], []]
    poll(lambda: control.run_jobs(advance=600) >= 0 and all(wechat.refunds(one["order_id"]) for _, one in people))
    all_is_back(people, numbers, control, wechat)
    assert waits(operator, activity) == {}
