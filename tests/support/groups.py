"""What tests of group-buys share: who has paid for which order, and how they ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.client import Control, Shopper, poll

Activity = dict[str, Any]
Arrive = Callable[[], Shopper]
#: Somebody and their order.
Seated = tuple[Shopper, dict[str, Any]]


def sku_of(activity: Activity) -> str:
    """The one SKU that is offered."""
    return str(activity["prices"][0]["sku_id"])


def seat(order: dict[str, Any]) -> tuple[str, str]:
    """How an order stands, and its seat."""
    return order["state"], order["group"]["seat_state"]


def fill(activity: Activity, arrive: Arrive, people: int) -> list[Seated]:
    """So many new members have paid for one lobby, the leader first."""
    leader = arrive()
    lead = leader.open_lobby(activity)
    others = [arrive() for _ in range(people - 1)]
    return [(leader, lead), *((who, who.join_lobby(lead)) for who in others)]


def settled(control: Control, seated: list[Seated]) -> list[Any]:
    """Their orders, when the due jobs have run and every refund has ended, which takes WeChat some seconds."""

    def ended() -> Any:
        control.run_jobs(advance=6)
        orders = [who.order(order["order_id"]) for who, order in seated]
        states = {refund["state"] for order in orders for refund in order["refunds"]}
        return orders if states <= {"succeeded", "rejected", "failed"} else None

    return list(poll(ended))


def agree(differences: Callable[[], list[str]]) -> None:
    """The books agree, once WeChat's last note has been taken."""
    poll(lambda: not differences())
