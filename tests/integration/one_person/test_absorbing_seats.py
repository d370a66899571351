"""Two members turn out to be one person while they sit in lobbies: seats stay, limits count both, and draws go on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.rules import Lottery
from chalicelib.growth.groupbuy.tables import GroupActivities, bought_key
from chalicelib.platform.store import read
from tests.support.growth_merges import absorb, growth_differences, merge, move_order
from tests.support.merging import redirect, settle
from tests.support.small_mall import DAY, SmallMall


@pytest.mark.parametrize("moved", [False, True], ids=["orders as they were", "orders moved"])
def test_both_sit_in_one_lobby_and_both_stay(moved: bool, mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    activity = mall.activity("fixed", {3: 6_000}, limit_per_member=3)
    orders = mall.lobby(activity, former, member_id)
    merge(former, member_id)
    for order in orders if moved else ():
        move_order(order, member_id)
    lobby_id = orders[0].group.lobby_id  # type: ignore[union-attr]
    view = lobbies.lobby_view(lobby_id, member_id)
    assert (len(view.members), view.taken) == (2, 2)
    assert view.mine is not None
    assert view.mine.order_id == orders[1].order_id
    assert _bought(activity, former) is None
    assert _bought(activity, member_id) == 2
    mall.buy(mall.customers[2], ("group", 1), group=mall.joins(orders[0]))
    assert {mall.order(order).state for order in orders} == {"awaiting_shipment"}
    assert growth_differences(mall) == []


def test_a_seat_of_the_former_member_is_the_ones_to_see_to_leave_and_to_pay(mall: SmallMall) -> None:
    former, member_id, other = mall.customers[:3]
    activity = mall.activity("fixed", {3: 6_000}, limit_per_member=2)
    first = mall.buy(other, ("group", 1), group=mall.opens(activity))
    seat = mall.buy(former, ("group", 1), group=mall.joins(first))
    unpaid = mall.place(former, ("group", 1), group=mall.opens(activity))
    redirect(former, member_id)
    lobby_id = seat.group.lobby_id  # type: ignore[union-attr]
    assert lobbies.lobby_view(lobby_id, member_id).mine.order_id == seat.order_id  # type: ignore[union-attr]
    with pytest.raises(MallError, match="already_in_lobby"):
        mall.place(member_id, ("group", 1), group=mall.joins(first))
    for order in (seat, unpaid):
        move_order(order, member_id)
    mall.refund(seat)  # counted for the former one until now
    assert (lobbies.load(lobby_id).taken, _bought(activity, former)) == (1, 1)
    absorb(former, member_id)
    settle(member_id)
    with pytest.raises(MallError, match="purchase_limit"):
        mall.place(member_id, ("group", 2), group=mall.opens(activity))
    mall.pay(mall.order(unpaid))
    assert (_bought(activity, member_id), _bought(activity, former)) == (1, None)
    mall.wait(DAY)
    assert mall.order(unpaid).state == "closed"
    assert _bought(activity, member_id) == 0
    assert growth_differences(mall) == []


def test_what_is_given_back_before_it_is_moved_counts_no_more(mall: SmallMall) -> None:
    former, member_id, other = mall.customers[:3]
    activity = mall.activity("fixed", {2: 6_000}, limit_per_member=4)
    orders = mall.lobby(activity, former, other, pieces=3)
    own = mall.lobby(activity, member_id, mall.customers[3])
    redirect(former, member_id)
    move_order(orders[0], member_id)
    mall.refund(mall.order(orders[0]), ("group", 2))
    absorb(former, member_id)
    assert _bought(activity, member_id) == 2
    mall.refund(mall.order(own[0]))
    assert _bought(activity, member_id) == 1
    assert growth_differences(mall) == []


@pytest.mark.parametrize("moved", [False, True], ids=["orders as they were", "orders moved"])
def test_a_draw_goes_by_orders_and_what_is_won_or_lost_is_the_ones(moved: bool, mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    lottery = Lottery(winners=1, per="lobby")
    activity = mall.activity("lottery", {2: 6_000}, lottery=lottery)
    first = mall.buy(former, ("group", 1), group=mall.opens(activity))
    merge(former, member_id)
    if moved:
        move_order(first, member_id)
    # Somebody who is not them takes the last seat.
    second = mall.buy(mall.customers[2], ("group", 1), group=mall.joins(first))
    states = [mall.order(order).group.state for order in (first, second)]  # type: ignore[union-attr]
    assert sorted(states) == ["lost", "won"]
    assert mall.right_winners([first, second])
    assert growth_differences(mall) == []


def test_the_former_leader_is_shown_as_who_they_are_and_joins_no_lobby_of_their_own(mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    activity = mall.activity("fixed", {3: 6_000})
    first = mall.buy(former, ("group", 1), group=mall.opens(activity))
    members.change_profile(member_id, lambda one, _: _named(one))
    merge(former, member_id)
    view = lobbies.lobby_view(first.group.lobby_id, mall.customers[2])  # type: ignore[union-attr]
    assert [one.nickname for one in view.members] == ["林**"]
    assert view.mine is None
    with pytest.raises(MallError, match=r"already_in_lobby|not_for_you"):
        mall.place(member_id, ("group", 1), group=mall.joins(first))


def _named(profile: Any) -> Any:
    return msgspec.structs.replace(profile, nickname="林小茶", shown_nickname="林小茶")


def _bought(activity: Any, member_id: str) -> int | None:
    item = read.get(GroupActivities, *bought_key(activity.activity_id, member_id)[1])
    return None if item is None else int(item.bought)
