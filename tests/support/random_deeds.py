"""What shoppers, operators, WeChat and time do in random malls, but for groups; each tells what came of it."""

from __future__ import annotations

import functools

from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput
from chalicelib.commerce.orders.payment import service as payments
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.refunds import push
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order, Pieces, Refund
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from tests.support.random_limits import check_placed, check_refused
from tests.support.random_play import DAY, Asked, Offer, Placed, Play, decide
from tests.support.random_prices import Bought, Reckoned, Ticket, Unusable
from tests.support.random_refunds import check_asked
from tests.support.random_stage import ADDRESS, MEMBERS, chain, promote
from tests.support.random_wechat import CALLS, WEATHERS

_PLACE = ("out_of_stock", "purchase_limit", "too_many_unpaid")
_BEGIN = ("order_state", "pay_time_over", "lobby_over", "payment_refused")
REFUND = ("order_state", "nothing_to_refund", "invalid", "refund_window_over", "refund_limit")


def nobody(_: Play) -> str:
    """Nothing can be done."""
    return "nobody there"


# Buying.


def buy(play: Play) -> str:
    """Somebody orders a few things, and goes some way to pay."""
    member = play.chance.choice(MEMBERS)
    chosen = play.chance.sample(sorted(play.mall.skus), play.chance.choice([1, 1, 2, 3]))
    lines = []
    for sku_id in chosen:
        sku = play.mall.skus[sku_id]
        pieces = play.chance.choice([1, 1, 1, 2, 3, 4, 9])
        lines.append(Bought(sku_id, sku.product_id, pieces, sku.price, sku.price, sku.template))
    told, order = order_of(play, member, lines, None, 0, GroupInput(), ())
    return told if order is None else f"{told} {go_on(play, order)}"


def order_of(
    play: Play, member: str, lines: list[Bought], offer: Offer | None, size: int, group: GroupInput,
    codes: tuple[str, ...],
) -> tuple[str, Order | None]:  # fmt: skip
    """Place an order at the price that it must have; the mall's own where the mall says another one."""
    best = play.chance.random() < 0.2
    wallet = [
        ticket
        for ticket in wallet_of(play, play.caller(member))
        if ticket.begins <= clock.now() < ticket.until and play.ticket_state(ticket.coupon_id) == "unused"
    ]
    coupons = _some(play, member, lines, wallet, offer)
    promotions = [] if offer else play.mall.running()
    key, expected = play.key(), -1
    for _ in range(4):
        if not best and any(play.ticket_state(one.coupon_id) != "unused" for one in coupons):
            return "coupon_gone", None
        new = is_new(play, member)
        promotions = [] if offer else play.mall.running()
        try:
            price = play.mall.shop.reckon(lines, promotions, [] if best else coupons, new=new, now=clock.now())
        except Unusable:
            return "coupon_useless", None
        payable = price.payable
        if best:
            wallet = [one for one in wallet if play.ticket_state(one.coupon_id) == "unused"]
            payable = play.mall.shop.best(lines, promotions, wallet, new=new, now=clock.now())
        if payable == expected:
            break
        expected = payable
        asked = OrderInput(
            lines=[LineInput(line.sku_id, line.quantity) for line in lines], address_id=ADDRESS,
            expected_payable_fen=expected, coupon_ids="best" if best else [one.coupon_id for one in coupons],
            group=group if offer else None,
        )  # fmt: skip
        known = _Known(member, lines, wallet if best else coupons, promotions, new, price, offer, size, best)
        told, order = _place(play, key, asked, known, codes)
        if order is not None:
            check_placed(play, order)
        if told != "price_changed":
            check_refused(play, play.caller(member), lines, offer, told)
            return told, order
    return "price_changed", None


class _Known:
    """What is known as an order is placed."""

    def __init__(
        self, member: str, lines: list[Bought], coupons: list[Ticket], promotions: list[dict[str, object]], new: bool,
        price: Reckoned, offer: Offer | None, size: int, best: bool,
    ) -> None:  # fmt: skip
        self.member, self.lines, self.coupons, self.promotions, self.new = member, lines, coupons, promotions, new
        self.price, self.offer, self.size, self.best = price, offer, size, best


def _place(
    play: Play, key: str, asked: OrderInput, known: _Known, codes: tuple[str, ...]
) -> tuple[str, Order | None]:  # fmt: skip
    at, member = clock.now(), play.caller(known.member)
    unsure = play.crossed or play.unsettled(member)
    allowed = (*_PLACE, *codes, "price_changed", *(("coupon_unusable", "coupon_taken", "not_found") if unsure else ()))
    allowed += ("unauthenticated",) if play.crossed and play.became else ()
    act = functools.partial(placement.place, member, key, asked, None, known.member)
    told, order = play.attempt(f"place {asked}", act, allowed)
    if told == "price_changed" and not unsure:
        told, order = _at_its_price(play, key, asked, known)
    if order is None:
        return told, None
    coupons = known.coupons
    if known.best:
        taken = {one.coupon_id for one in order.coupons}
        coupons = [one for one in known.coupons if one.coupon_id in taken]
        known.price = play.mall.shop.reckon(
            known.lines, known.promotions, coupons, new=known.new, now=at, lenient=True
        )  # fmt: skip
    leader = asked.group is not None and asked.group.lobby_id is None
    pays = order.chain if play.became else chain(play.mall, known.member)
    play.placed[order.order_id] = Placed(
        member, known.lines, coupons, known.promotions, known.new, at, known.price, pays, known.offer, known.size,
        leader, (known.member, key, asked),
    )  # fmt: skip
    return f"{order.order_id[:5]} {order.payable_fen}", order


def _at_its_price(play: Play, key: str, asked: OrderInput, known: _Known) -> tuple[str, Order | None]:
    """Nobody came between, so the price is wrong, or the formula is; go on with the mall's."""
    fen = 0
    try:
        placement.place(play.caller(known.member), key, asked, None, known.member)
    except MallError as fault:
        quote = fault.data.get("quote")
        fen = 0 if quote is None else quote.payable_fen
        told = [] if quote is None else [(one.kind, one.id[:5], one.discount_fen) for one in quote.discounts]
        goods = [(line.quantity, line.unit, line.leader_off) for line in known.lines]
        mine = (known.price.promotions, known.price.coupons, known.price.freight, known.new)
        play.differs(
            f"price of {goods} for {play.caller(known.member)}",
            f"{asked.expected_payable_fen} by {mine}; the mall says {fen} by {told}",
        )
    again = OrderInput(
        lines=asked.lines, address_id=ADDRESS, expected_payable_fen=fen, coupon_ids=asked.coupon_ids, group=asked.group
    )
    act = functools.partial(placement.place, play.caller(known.member), key, again, None, known.member)
    return play.attempt("place again", act, _PLACE)


def is_new(play: Play, member: str) -> bool:
    """Whether no order of who logs in so stands, paid or not, and all of them are known."""
    caller = play.caller(member)
    mine = [order for order in play.orders.values() if play.person(order.member_id) == caller]
    if any(play.person(one) == caller for one in play.taken_out):
        return False  # who was taken out of another has been here before
    return all(order.state == "closed" for order in mine) and not play.unsettled(caller)


def wallet_of(play: Play, member_id: str) -> list[Ticket]:
    """The coupons that the member has, or had as somebody else."""
    found: dict[str, Ticket] = {}
    for whose, tickets in play.tickets.items():
        found |= tickets if play.person(whose) == member_id else {}
    return list(found.values())


def _some(play: Play, member: str, lines: list[Bought], wallet: list[Ticket], offer: Offer | None) -> list[Ticket]:
    """Some of the coupons that apply, one for each place at most."""
    promotions = [] if offer else play.mall.running()
    new = is_new(play, member)
    chosen: dict[str, Ticket] = {}
    for ticket in play.chance.sample(wallet, len(wallet)):
        if ticket.place in chosen or play.chance.random() < 0.4:
            continue
        try:
            play.mall.shop.reckon(lines, promotions, [ticket], new=new, now=clock.now())
        except Unusable:
            continue
        chosen[ticket.place] = ticket
    return list(chosen.values())


def go_on(play: Play, order: Order, surely: bool = False) -> str:
    """The shopper begins to pay, pays, and WeChat tells the mall; or stops on the way, unless they pay `surely`."""
    if (far := 1.0 if surely else play.chance.random()) < 0.12:
        return "ordered"
    member = play.person(order.member_id)
    told, begun = play.attempt("begin", lambda: payments.start(order.order_id, member, None, order.placed_by), _BEGIN)
    if begun is None or begun.paid or far < 0.2 or order.order_id not in play.wechat.payable():
        return told or "begun"
    play.wechat.pay(order.order_id)
    return "paid" if far < 0.35 else tell(play, order.order_id)


def tell(play: Play, number: str = "") -> str:
    """WeChat tells of a payment: at once, late, or again."""
    if not number and not play.wechat.paid():
        return nobody(play)
    number = number or play.pick(play.wechat.paid())
    told, _ = play.attempt(f"record {number}", lambda: payments.record(play.wechat.told(number)))
    return told or f"told {play.orders[number].state}"


def begin(play: Play) -> str:
    """Somebody begins to pay, perhaps again."""
    unpaid = [order for order in play.in_state("awaiting_payment") if order.order_id not in play.wechat.trades]
    unpaid = unpaid or play.in_state("awaiting_payment")
    return go_on(play, play.pick(unpaid)) if unpaid else nobody(play)


def pay(play: Play) -> str:
    """Somebody pays what was begun, be its order closed or not."""
    if not play.wechat.payable():
        return nobody(play)
    number = play.pick(play.wechat.payable())
    play.wechat.pay(number)
    return tell(play, number) if play.chance.random() < 0.5 else "paid"


def cancel(play: Play) -> str:
    """Somebody cancels."""
    found = play.in_state("awaiting_payment") or list(play.orders.values())
    if not found:
        return nobody(play)
    order = play.pick(found)
    told, _ = play.attempt(
        "cancel", lambda: closing.cancel(order.order_id, play.person(order.member_id)), ("order_state",)
    )
    return told or f"cancelled {order.order_id[:5]}"


def claim_coupon(play: Play) -> str:
    """Somebody takes a coupon."""
    member, template_id = play.chance.choice(MEMBERS), play.chance.choice(sorted(play.mall.templates))
    fields = play.mall.templates[template_id]
    template = template_queries.load(template_id).value
    told, given = play.attempt(
        "claim", lambda: give(template, play.caller(member), "claim"), ("sold_out", "claim_limit")
    )
    if given is None:
        return told
    play.claimed[template_id] += 1
    return str(fields["kind"])


def change_promotion(play: Play) -> str:
    """An operator puts a promotion."""
    told, name = play.attempt("promote", lambda: promote(play.mall, play.chance))
    return told or str(name)


# After payment.


def ship(play: Play) -> str:
    """Some of an order is sent, or all."""
    if not play.in_state("awaiting_shipment"):
        return nobody(play)
    order = play.pick(play.in_state("awaiting_shipment"))
    part = None
    if play.chance.random() < 0.4:
        part = [Pieces(line.sku_id, 1) for line in order.lines if line.to_ship][:1]
    number = play.key()
    told, _ = play.attempt(
        "ship", lambda: delivery.ship(order.order_id, "SF", number, part, "operator:op"), ("order_state", "invalid")
    )
    return told or f"sent {order.order_id[:5]} {'a part' if part else 'all'}"


def receive(play: Play) -> str:
    """Somebody has the goods."""
    if not play.in_state("shipped"):
        return nobody(play)
    order = play.pick(play.in_state("shipped"))
    member = play.person(order.member_id)
    told, _ = play.attempt("receive", lambda: delivery.receive(order.order_id, member), ("order_state",))
    return told or f"received {order.order_id[:5]}"


def ask_back(play: Play) -> str:
    """Somebody wants their money back, for some of an order or all of it; or an operator gives it."""
    found = play.in_state("awaiting_shipment", "awaiting_shipment", "shipped", "received", "awaiting_group")
    found = found if play.chance.random() < 0.95 else list(play.orders.values())
    if not found:
        return nobody(play)
    order = play.pick(found)
    asked = None
    if play.chance.random() < 0.7:
        lines = play.chance.sample(order.lines, play.chance.randint(1, len(order.lines)))
        asked = [Pieces(line.sku_id, play.chance.randint(1, min(3, line.quantity))) for line in lines]
    by = "operator" if play.chance.random() < 0.3 else play.person(order.member_id)
    refund, told = _ask(play, order, by, asked)
    if refund is None:
        return f"{told} {order.order_id[:5]} by {by} {asked}"
    return f"{refund.state} {order.order_id[:5]} {refund.amount_fen} by {by}"


def _ask(play: Play, order: Order, by: str, asked: list[Pieces] | None) -> tuple[Refund | None, str]:
    key, restock = play.key(), play.chance.random() < 0.5
    if by == "operator":
        told, made = play.attempt(
            "give back",
            lambda: refunds.refund_by_operator(order.order_id, key, asked, "补偿", restock, "op"),
            REFUND,
        )
    else:
        told, made = play.attempt("ask", lambda: refunds.request(order.order_id, by, key, asked, "不想要了"), REFUND)
    if made is not None:
        play.asked[made.refund_id] = Asked(made.refund_id, order, by, made.state)
        check_asked(play, made, order, by)
    return made, told


def answer(play: Play) -> str:
    """An operator decides about a refund that was asked for."""
    waiting = [(o, r) for o in play.orders.values() for r in o.refunds if r.state == "requested"]
    if not waiting:
        return nobody(play)
    order, refund = play.pick(waiting)
    grant, restock = play.chance.random() < 0.7, play.chance.random() < 0.5
    told, _ = play.attempt("decide", lambda: decide(order, refund.refund_id, grant, restock), ("order_state",))
    return told or f"{'granted' if grant else 'rejected'} {order.order_id[:5]}"


def tell_refund(play: Play) -> str:
    """WeChat tells how a refund ended, perhaps again."""
    done = [number for number, payout in play.wechat.payouts.items() if payout.state != "PROCESSING"]
    if not done:
        return nobody(play)
    number = play.pick(done)
    payout = play.wechat.payouts[number]
    play.attempt("settle", lambda: push.settle_refund(number, payout.state, payout.fen))
    return payout.state


# WeChat's weather, and time.


def storm(play: Play) -> str:
    """WeChat is not well for a while, in some calls or all."""
    weather = play.chance.choice(WEATHERS)
    calls = frozenset(play.chance.choice([CALLS, CALLS, ("close", "query"), ("refund",), ("prepay", "close")]))
    seconds = play.chance.choice([5.0, 70.0, 700.0, 4000.0])
    play.wechat.storm(weather, calls, seconds)
    return f"{weather} {sorted(calls)} {seconds:.0f}"


def wait(play: Play) -> str:
    """Time passes, in which workers keep up or not."""
    seconds = play.chance.choice([1, 6, 31, 61, 61, 130, 590, 660, 1800, 3960, 30_000])
    play.clock.advance(seconds)
    return f"{seconds} {play.work() if play.chance.random() < 0.7 else 'idle'}"


def wait_days(play: Play) -> str:
    """Days pass."""
    days = play.chance.choice([0.5, 1, 3, 8])
    for _ in range(4):
        play.clock.advance(days * DAY / 4)
        play.work()
    return f"{days}"


def work(play: Play) -> str:
    """Workers run what is due."""
    return play.work()


def next_job(play: Play) -> str:
    """Time passes until the next job, which is run at its second."""
    return play.work() if play.to_next_job(DAY) else nobody(play)
