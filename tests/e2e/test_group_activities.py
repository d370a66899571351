"""What an operator makes of a group-buy: its terms, its own stock, its end, its experiments; and what it may not be."""

from __future__ import annotations

import statistics
from typing import Any

from local.client import Client as Visitor
from local.client import Control, Operator, Sandbox, Shopper, Transport, offered, poll
from tests.support.groups import Activity, Arrive, fill, seat, settled, sku_of

PRICE, LEADER = 1500, 1200
ADMIN = "/v1/admin/group-activities"


def terms(product: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A group-buy for three, as an operator names it."""
    return {
        "product_id": product["product_id"], "kind": "fixed", "sizes": [3], "lobby_minutes": 30,
        "prices": offered(product["skus"][0]["sku_id"], {3: PRICE}),
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    } | changed  # fmt: skip


def page(visitor: Visitor, activity: Activity) -> list[str]:
    """The activities that the product's page shows."""
    product = visitor.get(f"/v1/products/{activity['product_id']}").ok()
    return [each["activity_id"] for each in product["activities"]]


def running(visitor: Visitor) -> list[str]:
    """All activities that shoppers are shown, page by page."""
    return [each["activity_id"] for each in visitor.items("/v1/group-activities", limit=50)]


def opens(who: Shopper, activity: Activity, **more: Any) -> Any:
    return who.take_seat(sku_of(activity), activity_id=activity["activity_id"], **more)


# Its terms


def test_wrong_terms_are_refused_by_the_field_and_nothing_is_made(
    operator: Operator, control: Control, send: Transport
) -> None:
    product = operator.product(stock=10, price_fen=1990)
    sku = product["skus"][0]["sku_id"]
    price = {"sku_id": sku, "size": 3, "price_fen": PRICE}
    variant = {"name": "b", "share_bp": 5000, "sizes": [3], "prices": [price]}
    lottery = {"winners": 1}
    steps = offered(sku, {2: 1500, 3: 1600})
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"product_id": ""}, 400, "product_id"),
        ({"product_id": "p0"}, 422, "product_id"),
        ({"kind": "flash"}, 400, "kind"),
        ({"name": "团" * 65}, 400, "name"),
        ({"sizes": []}, 400, "sizes"),
        ({"sizes": [1]}, 400, "sizes[0]"),
        ({"sizes": [101]}, 400, "sizes[0]"),
        ({"sizes": [3, 3]}, 422, "sizes"),
        ({"sizes": [3, 4]}, 422, "prices"),
        ({"prices": []}, 400, "prices"),
        ({"prices": [price | {"price_fen": -1}]}, 400, "prices[0].price_fen"),
        ({"prices": [price | {"price_fen": 15.5}]}, 400, "prices[0].price_fen"),
        ({"prices": [price | {"price_fen": "1500"}]}, 400, "prices[0].price_fen"),
        ({"prices": [price | {"sku_id": "p0-0"}]}, 422, "prices[0].sku_id"),
        ({"prices": [price, price | {"size": 2}]}, 422, "prices[1].size"),
        ({"prices": [price, price]}, 422, "prices[1]"),
        ({"prices": [price | {"leader_price_fen": PRICE + 1}]}, 422, "prices[0].leader_price_fen"),
        ({"prices": [price | {"discount": 1}]}, 400, "prices[0].discount"),
        ({"lobby_minutes": 0}, 400, "lobby_minutes"),
        ({"lobby_minutes": 43201}, 400, "lobby_minutes"),
        ({"starts_at": "2020-01-01T00:00:00"}, 400, "starts_at"),
        ({"starts_at": "yesterday"}, 400, "starts_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, 422, "ends_at"),
        ({"ends_at": control.at(-1)}, 422, "ends_at"),
        ({"limit_per_member": 0}, 400, "limit_per_member"),
        ({"min_fill": 1}, 400, "min_fill"),
        ({"min_fill": 4}, 422, "min_fill"),
        ({"min_fill": 2, "kind": "ladder"}, 422, "min_fill"),
        ({"new_customers_only": "yes"}, 400, "new_customers_only"),
        ({"stock": [{"sku_id": sku, "pieces": 0}]}, 400, "stock[0].pieces"),
        ({"stock": [{"sku_id": "p0-0", "pieces": 1}]}, 422, "stock"),
        ({"stock": [{"sku_id": sku, "pieces": 1}] * 2}, 422, "stock"),
        ({"variants": [variant | {"name": "control"}]}, 422, "variants[0].name"),
        ({"variants": [variant, variant]}, 422, "variants[1].name"),
        ({"variants": [variant, variant | {"name": "c", "share_bp": 5001}]}, 422, "variants"),
        ({"variants": [variant | {"sizes": [2]}]}, 422, "variants[0].prices[0].size"),
        ({"lottery": lottery}, 422, "lottery"),
        ({"kind": "lottery", "lottery": {"winners": 0}}, 400, "lottery.winners"),
        ({"kind": "lottery", "lottery": {"winners": 4}}, 422, "lottery.winners"),
        ({"kind": "lottery", "lottery": lottery, "variants": [variant]}, 422, "variants"),
        ({"kind": "ladder", "sizes": [2, 3], "prices": steps}, 422, "prices"),
        ({"price_fen": 1}, 400, "price_fen"),
    ]
    for changed, status, field in cases:
        refusal = operator.post(ADMIN, terms(product, **changed)).refused(
            status, "malformed" if status == 400 else "invalid"
        )
        assert [error["field"] for error in refusal["errors"]] == [field], (changed, refusal)
    for missing in ("product_id", "kind", "sizes", "prices", "starts_at", "ends_at"):
        body = {name: value for name, value in terms(product).items() if name != missing}
        refusal = operator.post(ADMIN, body).refused(400, "malformed")
        assert [error["field"] for error in refusal["errors"]] == [missing]
    operator.post(ADMIN, terms(product, stock=[{"sku_id": sku, "pieces": 11}])).refused(409, "stock_short")
    assert operator.stock(sku) == (10, 0)
    assert page(Visitor(send), product) == []
    assert operator.post(ADMIN, terms(product)).status == 201


def test_until_it_begins_it_can_be_changed_and_nobody_can_take_part(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    product = operator.product(stock=10)
    sku = product["skus"][0]["sku_id"]
    lottery = {"kind": "lottery", "lottery": {"winners": 1}}
    planned = terms(product, starts_at=control.at(600), stock=[{"sku_id": sku, "pieces": 4}])
    activity = operator.post(ADMIN, planned).ok(201)
    path = f"{ADMIN}/{activity['activity_id']}"
    who = arrive()
    opens(who, activity).refused(409, "activity_over")
    assert page(who, activity) == [activity["activity_id"]]
    cheaper = planned | {"sizes": [2], "prices": offered(sku, {2: 1400}), "name": "更便宜"}
    changed = operator.put(path, cheaper).ok()
    assert (changed["sizes"], changed["prices"][0]["price_fen"], changed["name"]) == ([2], 1400, "更便宜")
    assert operator.get(path).ok() == changed
    shown = poll(
        lambda: (found := who.get(f"/v1/group-activities/{activity['activity_id']}").ok())["sizes"] == [2] and found
    )
    assert shown["prices"] == [{"sku_id": sku, "size": 2, "price_fen": 1400, "leader_price_fen": 1400, "stock": 4}]
    other = operator.product(stock=10)
    for wrong, field in (
        ({"product_id": other["product_id"], "prices": offered(other["skus"][0]["sku_id"], {2: 1})}, "product_id"),
        ({"stock": []}, "stock"),
        (lottery, "kind"),
        ({"ends_at": planned["starts_at"]}, "ends_at"),
    ):
        refusal = operator.put(path, cheaper | wrong).refused(422, "invalid")
        assert [error["field"] for error in refusal["errors"]] == [field]
    assert operator.get(path).ok() == changed
    operator.put(f"{ADMIN}/ga0", cheaper).refused(404, "not_found")
    control.run_jobs(advance=600)
    operator.put(path, planned).refused(409, "activity_begun")
    assert operator.get(path).ok() == changed
    lead = who.open_lobby(changed)
    assert (lead["paid_fen"], who.lobby(lead)["size"]) == (1400, 2)


def test_a_products_page_and_the_list_show_what_runs_and_forget_what_is_over(
    operator: Operator, arrive: Arrive, control: Control, send: Transport
) -> None:
    activity = operator.group_activity({3: PRICE, 2: (1700, 900)}, ends_at=control.at(900), name="三人成团")
    activity_id, visitor = activity["activity_id"], Visitor(send)
    assert visitor.get(f"/v1/products/{activity['product_id']}").ok()["activities"] == [
        {
            "activity_id": activity_id, "kind": "fixed", "starts_at": activity["starts_at"],
            "ends_at": activity["ends_at"], "sizes": [2, 3], "price_fen": PRICE,
        }
    ]  # fmt: skip
    shown = visitor.get(f"/v1/group-activities/{activity_id}").ok()
    assert (shown["sizes"], shown["rules"]["hold_minutes"]) == ([2, 3], 10)
    assert [(price["size"], price["price_fen"], price["leader_price_fen"]) for price in shown["prices"]] == [
        (3, PRICE, PRICE), (2, 1700, 900)
    ]  # fmt: skip
    assert activity_id in running(visitor)
    leader = arrive()
    opens(leader, activity).refused(422, "invalid")  # which size?
    lead = leader.open_lobby(activity, size=2)
    assert lead["paid_fen"] == 900
    assert leader.lobby(lead)["expires_at"] == activity["ends_at"]  # no lobby outlives its activity
    control.run_jobs(advance=900 - 14)
    opens(leader, activity, size=2).refused(409, "activity_over")
    control.run_jobs(advance=15)
    assert leader.lobby(lead)["state"] == "failed"
    assert activity_id not in running(visitor)
    assert page(visitor, activity) == []
    assert visitor.get(f"/v1/group-activities/{activity_id}").ok()["ends_at"] == shown["ends_at"]  # by its link
    assert activity_id in [each["activity_id"] for each in operator.items(ADMIN)]


def test_two_activities_of_one_product_are_both_listed(operator: Operator, control: Control, send: Transport) -> None:
    first = operator.group_activity({3: PRICE}, ends_at=control.at(600))
    product = operator.get(f"/v1/admin/products/{first['product_id']}").ok()
    second = operator.group_activity({2: PRICE}, product=product, ends_at=control.at(600))
    assert {first["activity_id"], second["activity_id"]} <= set(running(Visitor(send)))


def test_ended_early_it_opens_no_more_lobbies_and_lets_the_open_ones_live(
    operator: Operator, arrive: Arrive, control: Control, send: Transport
) -> None:
    product = operator.product()
    activity = operator.group_activity({2: PRICE}, product=product)
    leader, late, third = arrive(), arrive(), arrive()
    lead = leader.open_lobby(activity)
    begun = opens(late, activity).ok(201)  # has ordered, and not paid
    path = f"{ADMIN}/{activity['activity_id']}/end"
    ended = operator.post(path).ok()
    assert ended["ended_early"] is True
    assert operator.post(path).ok() == ended
    opens(third, activity).refused(409, "activity_over")
    operator.put(f"{ADMIN}/{activity['activity_id']}", terms(product)).refused(409, "activity_begun")
    poll(lambda: page(Visitor(send), activity) == [] and activity["activity_id"] not in running(Visitor(send)))
    assert seat(late.pay(begun["order_id"])) == ("awaiting_group", "taken")
    for who, order in ((third, lead), (leader, begun)):
        who.join_lobby(order)
        assert who.lobby(order)["state"] == "succeeded"
    assert [order["state"] for order in settled(control, [(leader, lead), (late, begun)])] == ["awaiting_shipment"] * 2
    operator.post(f"{ADMIN}/ga0/end").refused(404, "not_found")


# Its own stock


def test_what_is_set_aside_is_sold_to_groups_alone_and_goes_back_on_sale_afterwards(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    product = operator.product(stock=10)
    sku = product["skus"][0]["sku_id"]
    activity = operator.group_activity(
        {2: PRICE}, product=product, stock=[{"sku_id": sku, "pieces": 3}], ends_at=control.at(3600)
    )
    assert operator.stock(sku) == (7, 3)
    who = arrive()
    who.post("/v1/orders", who.order_body([(sku, 8)]), key="k").refused(409, "out_of_stock")
    who.place([(sku, 7)])  # all that ordinary sale has
    people = fill(activity, arrive, 2)
    leader = arrive()
    lead = leader.open_lobby(activity)
    refusal = (
        arrive().take_seat(sku, lobby_id=lead["group"]["lobby_id"], payable_fen=PRICE).refused(409, "out_of_stock")
    )
    assert refusal["skus"] == [sku]
    assert operator.stock(sku) == (0, 10)
    orders = settled(control, people)
    assert [order["state"] for order in orders] == ["awaiting_shipment"] * 2
    operator.grant(orders[0]["order_id"], people[0][0].refund(orders[0]["order_id"]))
    control.run_jobs()
    assert operator.stock(sku) == (0, 10)  # it is the group-buy's again
    control.run_jobs(advance=3600)  # the lone leader's lobby fails, who ordered seven has not paid
    assert operator.stock(sku) == (7, 3)
    control.run_jobs(advance=301)
    poll(lambda: control.run_jobs(advance=301) >= 0 and operator.stock(sku) == (9, 1))
    who.place([(sku, 9)])


# For whom


def test_a_limit_counts_a_members_pieces_over_all_lobbies_until_they_are_given_back(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = operator.group_activity({2: PRICE}, limit_per_member=3)
    sku, leader, who = sku_of(activity), arrive(), arrive()
    first, second = leader.open_lobby(activity), arrive().open_lobby(activity)
    lobbies = [order["group"]["lobby_id"] for order in (first, second)]

    def limited(lobby_id: str, quantity: int) -> None:
        refusal = who.take_seat(sku, lobby_id=lobby_id, quantity=quantity, payable_fen=quantity * PRICE)
        assert "3" in refusal.refused(422, "purchase_limit")["detail"]

    limited(lobbies[0], 4)
    held = who.take_seat(sku, lobby_id=lobbies[0], quantity=2).ok(201)
    limited(lobbies[1], 2)
    who.post(f"/v1/orders/{held['order_id']}/cancel").ok()
    mine = who.open_lobby(activity, quantity=3)
    limited(lobbies[1], 1)
    control.run_jobs(advance=30 * 60 + 1)  # the lobby fails, and its pieces count no more
    assert seat(who.order(mine["order_id"])) == ("closed", "failed")
    assert who.open_lobby(activity, quantity=3)["state"] == "awaiting_group"
    assert arrive().get(f"/v1/group-activities/{activity['activity_id']}").ok()["rules"]["limit_per_member"] == 3


def test_for_new_customers_an_old_one_may_lead_and_only_new_ones_join(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = operator.group_activity({3: PRICE}, new_customers_only=True)
    other = operator.product(stock=10)["skus"][0]["sku_id"]
    leader, old, back, new = arrive(), arrive(), arrive(), arrive()
    for who in (leader, old):
        who.buy([(other, 1)])
    given_back = back.buy([(other, 1)])
    back.refund(given_back)
    never_paid = new.place([(other, 1)])["order_id"]
    new.post(f"/v1/orders/{never_paid}/cancel").ok()
    lead = leader.open_lobby(activity)
    lobby_id = lead["group"]["lobby_id"]
    old.take_seat(sku_of(activity), lobby_id=lobby_id).refused(422, "not_for_you")
    old.take_seat(sku_of(activity), lobby_id=lobby_id, payable_fen=PRICE).refused(422, "not_for_you")
    for who in (back, new):
        assert who.join_lobby(lead)["paid_fen"] == PRICE
    assert leader.lobby(lead)["state"] == "succeeded"


# Experiments


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), in basis points: where the share is z standard errors off."""
    z, share = statistics.NormalDist().inv_cdf(0.975), successes / trials
    spread = z * ((share * (1 - share) + z * z / (4 * trials)) / trials) ** 0.5
    return tuple(10_000 * (share + z * z / (2 * trials) + s * spread) / (1 + z * z / trials) for s in (-1, 1))  # type: ignore[return-value]


def test_a_member_is_always_offered_the_same_variant_and_the_report_tells_them_apart(
    operator: Operator, arrive: Arrive, control: Control, wechat: Sandbox
) -> None:
    product = operator.product(stock=100)
    prices = offered(product["skus"][0]["sku_id"], {3: 1300})
    tried = {"name": "three", "share_bp": 5000, "sizes": [3], "prices": prices}
    activity = operator.group_activity({2: PRICE}, product=product, variants=[tried])
    path = f"/v1/group-activities/{activity['activity_id']}"
    crowd: dict[int, list[Shopper]] = {2: [], 3: []}
    while min(map(len, crowd.values())) < 3:
        who = arrive()
        (size,) = who.get(path).ok()["sizes"]
        crowd[size].append(who)
    for size, price in ((2, PRICE), (3, 1300)):
        for who in crowd[size]:
            shown = who.get(path).ok()
            assert (shown["sizes"], shown["prices"][0]["price_fen"]) == ([size], price)
            assert "variants" not in shown
        opens(crowd[size][0], activity, size=5 - size).refused(422, "invalid")  # the others' size
    assert product["price_fen"] == crowd[2][0].get(f"/v1/products/{product['product_id']}").ok()["price_fen"]
    assert crowd[2][0].get(f"/v1/products/{product['product_id']}").ok()["activities"][0]["price_fen"] is None

    leads = {size: crowd[size][0].open_lobby(activity) for size in crowd}
    assert [(lead["paid_fen"], len(lead["lines"])) for lead in leads.values()] == [(PRICE, 1), (1300, 1)]
    control.run_jobs(advance=1)
    for size, lead in leads.items():  # each is shown lobbies at the prices that they are offered
        cards = crowd[size][1].get(f"{path}/lobbies").ok()["items"]
        assert [card["lobby_id"] for card in cards] == [lead["group"]["lobby_id"]]
    guest = crowd[3][1].join_lobby(leads[2])  # who comes by a link pays that lobby's price
    assert guest["paid_fen"] == PRICE
    for who in (crowd[2][1], crowd[2][2]):
        who.open_lobby(activity)
    control.run_jobs(advance=30 * 60 + 1)
    report = operator.get(f"{ADMIN}/{activity['activity_id']}/report").ok()["variants"]
    told = {one["variant"]: one for one in report}
    assert list(told) == ["control", "three"]
    expected = {"control": (3, 1, 1, 2, 4 * PRICE), "three": (1, 0, 0, 1, 1300)}
    for name, (opened, joined, succeeded, failed, paid_fen) in expected.items():
        one = told[name]
        assert (one["opened"], one["joined"], one["succeeded"], one["failed"], one["paid_fen"]) == (
            opened, joined, succeeded, failed, paid_fen,
        )  # fmt: skip
        low, high = wilson(succeeded, opened)
        assert one["success_bp"] == round(10_000 * succeeded / opened)
        assert (abs(one["success_low_bp"] - low) <= 1, abs(one["success_high_bp"] - high) <= 1) == (True, True)
    fresh = operator.group_activity({2: PRICE})
    (none,) = operator.get(f"{ADMIN}/{fresh['activity_id']}/report").ok()["variants"]
    assert (none["opened"], none["success_bp"], none["success_low_bp"]) == (0, None, None)
