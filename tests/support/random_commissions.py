"""What commissions of random malls must come to, by a formula of their own, from the settings and the orders."""

from __future__ import annotations

from collections import Counter

from chalicelib.commerce.orders.rules import Order
from chalicelib.growth.distribution.rules import Commission
from chalicelib.growth.distribution.tables import DISTRIBUTOR, Commissions, Distributors
from chalicelib.ledger.tables import NOW, Balances
from chalicelib.platform.store import tools
from tests.support.random_play import Play
from tests.support.random_withdrawals import taken_out


def check_commissions(play: Play) -> None:
    """Over the levels of an order: at most the cap of what is left, and by rule below it, line by line."""
    by_order: dict[str, list[Commission]] = {}
    for item in tools.scan(Commissions):
        by_order.setdefault(item.commission.order_id, []).append(item.commission)
    for order in play.orders.values():
        made = sorted(by_order.get(order.order_id, []), key=lambda one: one.level)
        left = _left(order)
        if made or (order.confirmed_at is not None and order.chain and sum(left.values())):
            _check_order_s(play, order, made, left)
    everything = [one for made in by_order.values() for one in made]
    for member_id in {play.person(one.member_id) for one in everything}:
        _check_balance(play, member_id, [one for one in everything if one.member_id == member_id])


def _left(order: Order) -> dict[str, int]:
    """What was paid for each line and has not gone back."""
    back: Counter[str] = Counter()
    for refund in order.refunds:
        if refund.state not in ("requested", "rejected"):
            back.update({part.sku_id: part.amount_fen for part in refund.lines})
    return {line.sku_id: line.payable_fen - back[line.sku_id] for line in order.lines}


def _check_order_s(play: Play, order: Order, made: list[Commission], left: dict[str, int]) -> None:
    about, rules = f"commissions of {order.order_id}", play.mall.rules
    chain = [play.person(one) for one in order.chain]
    # Two who turned out to be one before they were paid are paid once.
    if [one.member_id for one in made] not in (chain, list(dict.fromkeys(chain))):
        play.differs(about, f"go to {[one.member_id for one in made]}, not to {order.chain}")
        return
    by_rule: dict[tuple[int, str], int] = {}
    for one in made:
        rates: list[int] = next(
            (tier["rates_bp"] for tier in rules.get("tiers", []) if tier["tier_id"] == one.tier), []
        )
        own = (rates if len(rates) >= one.level else rules["rates_bp"])[one.level - 1]
        for line in order.lines:
            of_product = play.mall.skus[line.sku_id].commission_bp
            bp = own if of_product is None else of_product if one.level == 1 else min(own, of_product)
            by_rule[one.level, line.sku_id] = left[line.sku_id] * bp // 10_000
    cap = sum(left.values()) * rules["order_cap_bp"] // 10_000
    cap = min(cap, rules.get("order_cap_fen", cap))
    has = {(one.level, line.sku_id): line.amount_fen for one in made for line in one.lines}
    slack = len(by_rule)
    if abs(sum(has.values()) - min(cap, sum(by_rule.values()))) > slack:
        play.differs(about, f"come to {has}, by rule {by_rule}, the cap is {cap}")
    if sum(by_rule.values()) <= cap and any(abs(has[each] - fen) > 1 for each, fen in by_rule.items()):
        play.differs(about, f"are {has}, by rule {by_rule}; they are below their cap of {cap}")
    waits = [one for one in made if one.state == "pending"]
    if waits and order.received_at is not None and not any(r.state == "requested" for r in order.refunds):
        play.differs(about, f"{[one.level for one in waits]} were never released")


def _check_balance(play: Play, member_id: str, made: list[Commission]) -> None:
    """What a distributor has is what their commissions and rewards come to."""
    tiers = {tier["tier_id"]: tier["reward_fen"] for tier in play.mall.rules.get("tiers", [])}
    mine = next(
        x.distributor for x in tools.scan(Distributors) if x.part == DISTRIBUTOR and x.member_id == member_id
    )  # fmt: skip
    available = sum(one.amount_fen for one in made if one.state == "available")
    available += sum(tiers[tier_id] for tier_id in mine.rewarded)
    available -= taken_out(play, member_id)
    pending = sum(one.amount_fen for one in made if one.state == "pending")
    for item in tools.scan(Balances):
        has = int(item.pending or 0), int(item.available or 0)
        if (item.member_id, item.part) == (member_id, NOW) and has != (pending, available):
            play.differs(f"balance of {member_id}", f"{has}, commissions say {pending}, {available}")
