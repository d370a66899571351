"""Quoting and placing an order: what is asked for, what it costs, and the one transaction that reserves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.cart import queries as cart_queries
from chalicelib.commerce.cart import service as carts
from chalicelib.commerce.cart.tables import CartLine, Carts, lines_of
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.catalogue.offers.queries import Offer
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.stock.pools import take_stock
from chalicelib.commerce.catalogue.tables import shards_of
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID
from chalicelib.commerce.orders.ports import CACHE, Deal, Referral, groups, referrers
from chalicelib.commerce.orders.queries import has_bought
from chalicelib.commerce.orders.redemption import queries as redemption_queries
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.rules import Event, Order, OrderLine, Pieces, Receiver
from chalicelib.commerce.orders.service import count_placed
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.orders.tables import Orders, UnpaidOrders, item
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import rules as pricing
from chalicelib.commerce.pricing import settings as pricing_settings
from chalicelib.commerce.pricing.basket.rules import DEFAULT_TEMPLATE, Item, floor_fen
from chalicelib.commerce.pricing.promotions.rules import new_customer_matters
from chalicelib.core import clock, ids, metrics
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.metrics import Metric
from chalicelib.core.money import FEN_MAX
from chalicelib.customers.members.rules import Address
from chalicelib.customers.members.tables import addresses_key, profile_key
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from chalicelib.platform.store.versioned import Conflict, refusal, retry

#: When an order that is not paid yet is first looked after; from then on ever more rarely, until its deadline.
WATCH_SECONDS = 60

_EXISTS = "the order exists"
#: Each may meet conflicts of its own; all of them together stay within the time that API Gateway waits.
TRIES = 5


def quote(member_id: str, asked: QuoteInput) -> pricing.Quote:
    """What this would cost now. Raises `cart_empty`, `not_found`, `product_unavailable`, `region_not_served`, and
    what the deal of a group raises."""
    lines = [Pieces(line.sku_id, line.quantity) for line in _wanted(member_id, asked)]
    skus = [line.sku_id for line in lines]
    others = [] if asked.address_id is None else [addresses_key(member_id)]
    group, chosen = _group_keys(member_id, asked), redemption_queries.keys(member_id, asked.coupon_ids)
    known, unknown = offers.recalled(skus)
    found = read.batch_get([*others, *chosen, *group, *offers.keys(unknown)], consistent=False)
    address = None if asked.address_id is None else _address(found[0], asked.address_id)
    found = found[len(others) :]
    picked, found = redemption_queries.picked(found[: len(chosen)]), found[len(chosen) :]
    deal = _deal(member_id, "", asked, lines, found[: len(group)])
    offered = _offered(lines, known | offers.learned(unknown, found[len(group) :]))
    held = redemption_queries.of_member(member_id, picked)
    region_code = address.region_code if address else None
    return _price(member_id, asked, held, lines, offered, region_code, deal, clock.now())


def place(member_id: str, key: str, asked: OrderInput) -> Order:
    """Place the order that this member's Idempotency-Key stands for; a repetition finds it placed.

    Stock is reserved, the cart's lines are taken out, the seat is held, the deadline is set: one transaction, at the
    price that the shopper saw. Raises `idempotency_key_reused`, `cart_empty`, `not_found`, `product_unavailable`,
    `out_of_stock`, `region_not_served`, `price_changed` (with the new quote), `unauthenticated` for a member who is
    gone, and what the deal of a group raises.
    """
    order_id = ids.derived("o", member_id, key)
    digest = ids.digest(msgspec.json.encode(asked))
    try:
        return retry(lambda: _place_once(member_id, order_id, digest, asked), TRIES)
    except MallError:
        # The same request, sent twice at once, may have taken just what this one was refused.
        placed = read.get(Orders, order_id)
        if placed is None:
            raise
        return _again(placed.order, digest)


def _place_once(member_id: str, order_id: str, digest: str, asked: OrderInput) -> Order:
    people: list[read.Key] = [(Orders, (order_id,)), profile_key(member_id), addresses_key(member_id)]
    group, bindings = _group_keys(member_id, asked), referrers().keys(member_id)
    chosen = redemption_queries.keys(member_id, asked.coupon_ids)
    if asked.from_cart:
        placed, profile, addresses, cart, *own = read.batch_get([*people, (Carts, (member_id,)), *bindings, *chosen])
        if placed is not None:
            return _again(placed.order, digest)
        wanted: list[CartLine] | list[LineInput] = _selected(lines_of(cart), asked)
        if gone := shards.gone({line.sku_id: line.quantity for line in wanted}):
            raise MallError("out_of_stock", skus=gone)
        found: list[Any] = read.batch_get(offers.keys(line.sku_id for line in wanted))
    else:
        wanted = _wanted(member_id, asked)
        gone = [] if asked.group else shards.gone({line.sku_id: line.quantity for line in wanted})
        if gone:  # said without a look at the product, which everybody else looks at, too
            raise MallError("out_of_stock", skus=gone)
        keys = [*people, *bindings, *chosen, *group, *offers.keys(line.sku_id for line in wanted)]
        placed, profile, addresses, *found = read.batch_get(keys)
        if placed is not None:
            return _again(placed.order, digest)
        own, found = found[: len(bindings) + len(chosen)], found[len(bindings) + len(chosen) :]
    if profile is None:
        raise MallError("unauthenticated")
    address = _address(addresses, asked.address_id)
    lines = [Pieces(line.sku_id, line.quantity) for line in wanted]
    deal = _deal(member_id, order_id, asked, lines, found[: len(group)])
    offered = _offered(lines, offers.from_items((line.sku_id for line in lines), found[len(group) :]))
    pools = _pools(order_id, lines, offered, deal)
    picked = redemption_queries.picked(own[len(bindings) :])
    held = redemption_queries.of_member(member_id, []) if asked.coupon_ids == "best" else picked
    now = clock.now()
    price = _price(member_id, asked, held, lines, offered, address.region_code, deal, now)
    if price.payable_fen != asked.expected_payable_fen:
        if asked.coupon_ids != "best":  # the new quote tells of the other coupons, too
            held = redemption_queries.of_member(member_id, picked)
            price = _price(member_id, asked, held, lines, offered, address.region_code, deal, now)
        raise MallError("price_changed", quote=price)
    order = _order(order_id, profile.profile, digest, asked, address, price, offered, deal, pools, now)
    referral = referrers().referral(profile.profile, own[: len(bindings)])
    order = msgspec.structs.replace(
        order, coupons=redemption.coupons_of_quote(price, held), discounts=price.discounts, chain=referral.chain
    )
    cart_lines = [line for line in wanted if isinstance(line, CartLine)]
    return _commit(order, asked, offered, cart_lines, deal, referral)


def _commit(
    order: Order, asked: OrderInput, offered: dict[str, Offer], cart_lines: list[CartLine], deal: Deal | None,
    referral: Referral,
) -> Order:  # fmt: skip
    tx = Transaction()
    tx.create(item(order, 1), _EXISTS)
    for line in order.lines:
        take_stock(tx, line.sku_id, line.quantity, line, line.pool)
    limit = order_rules().unpaid_max
    count_placed(tx, order, limit, Conflict if order.newcomer else MallError("too_many_unpaid", limit=limit))
    redemption.lock(tx, order, asked.coupon_ids)
    if deal is not None:
        groups().hold(tx, order, deal)
    if referral.binding is not None:
        referrers().bind(tx, referral)
    if cart_lines:
        carts.take_out(tx, order.member_id, cart_lines)
    watched = min(order.created_at + timedelta(seconds=WATCH_SECONDS), order.pay_by)
    schedule(tx, CLOSE_UNPAID, order.order_id, watched)
    try:
        tx.commit()
    except ConditionFailed as fault:
        if _EXISTS in fault.failed:
            raise Conflict from fault
        if short := [line for line in fault.failed if isinstance(line, OrderLine)]:
            raise _short(short, offered) from None
        raise refusal(fault.failed) or Conflict from fault
    metrics.add(Metric.ORDERS_PLACED)
    cache.forget("catalogue")
    for line in order.lines:
        shards.taken(line.sku_id, line.pool, line.quantity)
    if deal is not None:
        cache.forget(CACHE)
    return order


def _short(lines: list[OrderLine], offered: dict[str, Offer]) -> Exception:
    """What it means that these lines' pieces were gone: that there are no more, or that other shards may have some."""
    cache.forget("catalogue")
    gone = [line.sku_id for line in lines if not _elsewhere(line, offered[line.sku_id].shards)]
    return MallError("out_of_stock", skus=gone) if gone else Conflict()


def _elsewhere(line: OrderLine, over: list[str]) -> bool:
    """Whether there may be pieces elsewhere than where the line wanted to take them from."""
    if line.pool not in ("", *over):
        return False  # an activity's own
    if not over:
        return bool(shards_of(shards.own(line.sku_id)))  # it was spread in this moment
    shards.look_again(line.sku_id, over, line.quantity)
    return True


def _pools(order_id: str, lines: list[Pieces], offered: dict[str, Offer], deal: Deal | None) -> dict[str, str]:
    """Where the pieces of each SKU come from: a pool, or "", the SKU's own. Raises `out_of_stock`."""
    if deal is not None and deal.pool:
        return {line.sku_id: deal.pool for line in lines}
    found: dict[str, str] = {}
    for line in lines:
        offer = offered[line.sku_id]
        if offer.shards:
            pool = shards.choose(line.sku_id, offer.shards, line.quantity, order_id)
        else:
            pool = "" if offer.free >= line.quantity else None
        if pool is not None:
            found[line.sku_id] = pool
    short = [line.sku_id for line in lines if line.sku_id not in found]
    if short:
        raise MallError("out_of_stock", skus=short)
    return found


def _again(order: Order, digest: str) -> Order:
    if order.body_digest != digest:
        raise MallError("idempotency_key_reused")
    return order


def _group_keys(member_id: str, asked: QuoteInput | OrderInput) -> list[read.Key]:
    """What must be read about the group. Raises `invalid` where the order cannot take part in one as it is."""
    if asked.group is None:
        return []
    _check_group(asked.group)
    if asked.from_cart or asked.lines is None or len(asked.lines) != 1:
        raise invalid("lines", "an order of a group-buy has exactly one line, and is not made from the cart")
    return groups().keys(member_id, asked.group)


def _deal(
    member_id: str, order_id: str, asked: QuoteInput | OrderInput, lines: list[Pieces], items: list[Any]
) -> Deal | None:
    return None if asked.group is None else groups().deal(member_id, order_id, asked.group, lines, items)


def _wanted(member_id: str, asked: QuoteInput | OrderInput) -> list[CartLine] | list[LineInput]:
    """The lines asked for. Raises `invalid` unless it is either lines or the cart, and each SKU once."""
    if asked.from_cart:
        return _selected(cart_queries.lines(member_id), asked)
    if asked.lines is None:
        raise MallError("invalid", errors=(FieldError("lines", "name lines, or from_cart: true"),))
    seen: set[str] = set()
    for index, line in enumerate(asked.lines):
        if line.sku_id in seen:
            raise MallError("invalid", errors=(FieldError(f"lines[{index}].sku_id", "named twice"),))
        seen.add(line.sku_id)
    return asked.lines


def _selected(lines: list[CartLine], asked: QuoteInput | OrderInput) -> list[CartLine]:
    if asked.lines is not None:
        raise MallError("invalid", errors=(FieldError("lines", "name either lines or from_cart"),))
    selected = [line for line in lines if line.selected]
    if not selected:
        raise MallError("cart_empty")
    return selected


def _address(addresses: Any, address_id: str) -> Address:
    address = None if addresses is None else addresses.addresses.find(address_id)
    if address is None:
        raise MallError("not_found", errors=(FieldError("address_id", "no such address"),))
    return address  # type: ignore[no-any-return]


def _offered(lines: list[Pieces], offered: dict[str, Offer]) -> dict[str, Offer]:
    missing = [
        FieldError(f"lines[{index}].sku_id", "no such SKU")
        for index, line in enumerate(lines)
        if line.sku_id not in offered
    ]
    if missing:
        raise MallError("not_found", errors=tuple(missing))
    hidden = [line.sku_id for line in lines if not offered[line.sku_id].product.published]
    if hidden:
        raise MallError("product_unavailable", skus=hidden)
    return offered


def _price(
    member_id: str, asked: QuoteInput | OrderInput, held: list[Held], lines: list[Pieces], offered: dict[str, Offer],
    region_code: str | None, deal: Deal | None, now: datetime,
) -> pricing.Quote:  # fmt: skip
    """What the lines cost this member, who has these coupons."""
    promotions = pricing_queries.promotions() if deal is None else {}
    forest = category_queries.remembered() if held or promotions else None
    items = [_item(line, offered[line.sku_id], deal, forest) for line in lines]
    benefits = pricing.Benefits(
        now=now,
        promotions=promotions,
        coupons=held,
        chosen=asked.coupon_ids,
        new_customer=new_customer_matters(promotions, offered, now) and _is_new(member_id),
        floor_bp=pricing_settings.PRICING.current().floor_bp,
    )
    price = pricing.quote(items, pricing_queries.templates(), region_code, benefits)
    if price.payable_fen > FEN_MAX:
        raise MallError("invalid", errors=(FieldError("lines", "the order is too large"),))
    return price


def _is_new(member_id: str) -> bool:
    """Whether no order of this member stands, paid or not. What the index does not show yet, their own item does."""
    if has_bought(member_id, or_ordered=True):
        return False
    counted = read.get(UnpaidOrders, member_id)
    return counted is None or (counted.orders == 0 and counted.newcomer is None)


def _item(line: Pieces, offer: Offer, deal: Deal | None, forest: Forest | None) -> Item:
    product = offer.product
    return Item(
        sku_id=line.sku_id,
        quantity=line.quantity,
        unit_price_fen=deal.prices[line.sku_id] if deal is not None else offer.sku.price_fen,
        weight_g=offer.sku.weight_g,
        template_id=product.freight_template_id or DEFAULT_TEMPLATE,
        product_id=product.product_id,
        categories=tuple(forest.path(product.category_id)) if forest is not None else (),
        group=deal is not None,
        sale_price_fen=offer.sku.price_fen,
    )


def _order(
    order_id: str, profile: Any, digest: str, asked: OrderInput, address: Address, price: pricing.Quote,
    offered: dict[str, Offer], deal: Deal | None, pools: dict[str, str], now: datetime,
) -> Order:  # fmt: skip
    floor_bp = pricing_settings.PRICING.current().floor_bp if deal is not None else 0
    lines = [
        OrderLine(
            sku_id=line.sku_id,
            product_id=offered[line.sku_id].product.product_id,
            name=offered[line.sku_id].product.name,
            specs=offered[line.sku_id].sku.specs,
            picture_url=offered[line.sku_id].picture_url,
            quantity=line.quantity,
            unit_price_fen=line.unit_price_fen,
            amount_fen=line.amount_fen,
            discount_fen=line.discount_fen,
            payable_fen=line.payable_fen,
            pool=pools[line.sku_id],
            floor_fen=floor_fen(offered[line.sku_id].sku.price_fen * line.quantity, floor_bp),
        )
        for line in price.lines
    ]
    return Order(
        order_id=order_id,
        member_id=profile.member_id,
        openid=profile.openid,
        state="awaiting_payment",
        body_digest=digest,
        lines=lines,
        goods_fen=price.goods_fen,
        discount_fen=price.discount_fen,
        freight_fen=price.freight_fen,
        payable_fen=price.payable_fen,
        address=Receiver(
            name=address.name, phone=address.phone, region_code=address.region_code, province=address.province,
            city=address.city, district=address.district, detail=address.detail,
        ),
        created_at=now,
        pay_by=deal.pay_by if deal is not None else now + timedelta(minutes=order_rules().pay_minutes),
        history=[Event(now, "placed", "member")],
        remark=asked.remark,
        group=deal.seat if deal is not None else None,
    )  # fmt: skip


def _check_group(asked: GroupInput | None) -> None:
    """Raises `invalid` unless it says either which lobby to join or which activity's lobby to open."""
    if asked is None:
        return
    if (asked.lobby_id is None) == (asked.activity_id is None):
        raise invalid("group", "name either an activity_id (and a size), to open a lobby, or a lobby_id, to join one")
    if asked.lobby_id is not None and asked.size is not None:
        raise invalid("group.size", "a lobby has its size already")
