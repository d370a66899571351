"""The gathering: everything that a quote or an order is decided from is read here, before anything is decided.

One BatchGet reads the member and what the lines name (two, where the lines are the cart's), as one ReadSet; in which
segments the member is, too, where a promotion asks. What only some orders need comes after it: the best coupons,
whether the member is new, who brought them. What a process remembers for a second costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chalicelib.commerce.cart import queries as cart_queries
from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.cart.tables import cart_key, lines_of
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import product_of
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.stock.pools import free_in
from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.holding.queries import (
    allowed,
    is_new,
    really_held,
    standing_key,
    standing_now,
    standing_of,
)
from chalicelib.commerce.orders.holding.rules import Standing, check_limits, check_room
from chalicelib.commerce.orders.inputs import LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.placement import rules
from chalicelib.commerce.orders.placement.rules import Checkout, Deal, Purchase, Selection
from chalicelib.commerce.orders.ports import groups, referrers
from chalicelib.commerce.orders.quotes import rules as quoting
from chalicelib.commerce.orders.quotes.rules import Problem
from chalicelib.commerce.orders.redemption import queries as redemption
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import rules as pricing
from chalicelib.commerce.pricing import settings as pricing_settings
from chalicelib.commerce.pricing.promotions.rules import new_customer_matters, open_to, segments_named
from chalicelib.commerce.pricing.queries import PriceList
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.channels.queries import touches_of
from chalicelib.customers.channels.settings import ATTRIBUTION
from chalicelib.customers.channels.tables import touches_key
from chalicelib.customers.channels.touches.rules import source_of
from chalicelib.customers.members.queries import current
from chalicelib.customers.members.rules import Address, Profile, check_admitted, is_settled, segment_of
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.customers.members.tables import addresses_key, profile_key
from chalicelib.platform.store import cache
from chalicelib.platform.store.read import Key, ReadSet, read_set
from chalicelib.platform.web.tokens import Token


def gather_quote(member_id: str, asked: QuoteInput, token: Token | None = None) -> Purchase:
    """Gather what a quote is made from: products, address and coupons may be a second old. Lines that cannot be bought
    are told, and not bought.

    Raises `unauthenticated` for a `token` that was called in or is nobody's any more, `invalid`, `cart_empty`,
    `not_found` for an address or a coupon, and what the deal of a group raises.
    """
    keys = [*_common_keys(member_id, asked), addresses_key(member_id)]
    wanted = _wanted(asked, cart_queries.lines(member_id) if asked.from_cart else [])
    skus = [line.sku_id for line in wanted]
    prices = pricing_queries.price_list()
    segment_ids = _segments_asked(asked, prices, skus)
    known, unknown = offers.recalled(skus)
    found = read_set([*keys, *_segment_keys(member_id, segment_ids), *offers.keys(unknown)], consistent=False)
    sessions.admit_by(token, found[addresses_key(member_id)])
    offered = known | offers.learned(unknown, found.each(offers.keys(unknown)))
    selection = _quoted(member_id, asked, rules.pieces(wanted), found, offered)
    chosen = redemption.picked(member_id, asked.coupon_ids, found)
    prices = _for_member(member_id, prices, segment_ids, found)
    return _purchase(member_id, asked, selection, redemption.of_member(member_id, chosen), prices)


def gather_order(member_id: str, order_id: str, asked: OrderInput, token: Token | None = None) -> Checkout:
    """Gather what an order is made from, as it is now.

    Whether it was placed before is not read: the transaction finds it there. Raises what `gather_quote` raises,
    `out_of_stock`, `too_many_unpaid`, `member_blocked`, and `unauthenticated` for a member who is gone, or a
    `token` that was called in. That all is
    sold is said from memory, where this process has seen so: the product, which everybody else reads, too, is not read.
    """
    own: list[Key] = [profile_key(member_id), standing_key(member_id), touches_key(member_id)]
    own += [*_common_keys(member_id, asked), *referrers().keys(member_id)]
    found = read_set([*own, cart_key(member_id)]) if asked.from_cart else ReadSet()
    wanted = _wanted(asked, lines_of(found[cart_key(member_id)]) if asked.from_cart else [])
    lines = rules.pieces(wanted)
    if asked.group is None and not asked.from_cart:
        _refuse_from_memory(lines)
    skus = [line.sku_id for line in wanted]
    prices = pricing_queries.price_list()
    segment_ids = _segments_asked(asked, prices, skus)
    more = [*own, *offers.keys(skus), *_segment_keys(member_id, segment_ids)]
    found |= read_set(key for key in more if key not in found)
    _admit(member_id, token, found)
    offered = offers.from_items(skus, found.each(offers.keys(skus)))
    selection = _selection(member_id, order_id, asked, lines, found, offered)
    prices = _for_member(member_id, prices, segment_ids, found)
    return _checkout(member_id, order_id, asked, selection, wanted, found, prices)


def _admit(member_id: str, token: Token | None, found: ReadSet) -> None:
    """Raise `unauthenticated` where the member is gone or the token was called in, `member_blocked`."""
    item = found[profile_key(member_id)]
    if item is None:
        raise MallError("unauthenticated")
    sessions.admit_by(token, item)
    check_admitted(item.profile)


def _checkout(
    member_id: str, order_id: str, asked: OrderInput, selection: Selection,
    wanted: Sequence[CartLine | LineInput], found: ReadSet, prices: PriceList,
) -> Checkout:  # fmt: skip
    places = rules.choose_places(order_id, selection, _counted(selection))
    standing = really_held(standing_of(found[standing_key(member_id)]))
    room = allowed(standing)
    check_room(standing, selection.lines, selection.offers, room)
    coupons = redemption.picked(member_id, asked.coupon_ids, found)
    if asked.coupon_ids == "best":
        coupons = redemption.of_member(member_id, [])
    profile = found[profile_key(member_id)].profile
    assert selection.address is not None  # an order names one
    purchase = _purchase(member_id, asked, selection, coupons, prices, standing, profile)
    now = purchase.benefits.now
    touches = touches_of(found[touches_key(member_id)]).items
    return Checkout(
        purchase=purchase,
        profile=profile,
        address=selection.address,
        places=places,
        referral=referrers().referral(profile, found),
        cart_lines=[line for line in wanted if isinstance(line, CartLine) and line.sku_id not in selection.problems],
        pay_minutes=order_rules().pay_minutes,
        notify_to=settings().public_url,
        standing=standing,
        unpaid_max=room.orders,
        source=source_of(touches, profile.first_source, now, ATTRIBUTION.current()),
        segment=segment_of(profile, now, LIFE_CYCLE.current()),
    )


def gather_coupons(member_id: str, purchase: Purchase) -> Purchase:
    """Add the member's other coupons to a purchase that was gathered with the chosen ones alone: quotes tell of all."""
    coupons = redemption.of_member(member_id, purchase.benefits.coupons)
    return msgspec.structs.replace(
        purchase,
        items=rules.items_of(purchase.selection, category_queries.remembered()),
        benefits=msgspec.structs.replace(purchase.benefits, coupons=coupons),
    )


def _common_keys(member_id: str, asked: QuoteInput | OrderInput) -> list[Key]:
    """List what must be read for a quote as for an order, save the lines. Raises `invalid`, as `check_group` does."""
    rules.check_group(asked)
    return [
        addresses_key(member_id),
        *redemption.keys(member_id, asked.coupon_ids),
        *([] if asked.group is None else groups().keys(member_id, asked.group)),
    ]


def _wanted(asked: QuoteInput | OrderInput, cart: Sequence[CartLine]) -> Sequence[CartLine | LineInput]:
    return rules.lines_selected(asked, cart) if asked.from_cart else rules.lines_asked(asked)


def _refuse_from_memory(lines: Sequence[Pieces]) -> None:
    """Raises `out_of_stock` where in this second too few pieces were seen; names are those that memory has, too."""
    short = shards.recalled_short({line.sku_id: line.quantity for line in lines})
    if short:
        raise rules.out_of_stock(lines, short, offers.recalled(short)[0])


def _quoted(
    member_id: str, asked: QuoteInput, lines: list[Pieces], found: ReadSet, offered: Mapping[str, Offer]
) -> Selection:  # fmt: skip
    """Put together what a quote is of. Raises `not_found` for an address, and what a deal raises."""
    deal = _deal(member_id, "", asked, lines, found)
    pools = {} if deal is None or not deal.pool else {line.sku_id: _free_in(line.sku_id, deal.pool) for line in lines}
    problems = quoting.line_problems(lines, offered, pools)
    return Selection(
        lines=quoting.without(lines, problems), offers=offered, address=_address(member_id, asked.address_id, found),
        deal=deal, asked=lines, problems=problems,
    )  # fmt: skip


def _free_in(sku_id: str, pool: str) -> int:
    """What is free in a pool, possibly a second old."""
    return cache.remember(("catalogue", "pool", sku_id, pool), lambda: free_in(sku_id, pool, consistent=False))


def _selection(
    member_id: str, order_id: str, asked: OrderInput, lines: list[Pieces], found: ReadSet, offered: Mapping[str, Offer]
) -> Selection:  # fmt: skip
    """Put together what is bought; lines of the cart that cannot be bought are left in it. Raises `not_found`,
    `product_unavailable`, `purchase_limit`, and what a deal raises."""
    address = _address(member_id, asked.address_id, found)
    deal = _deal(member_id, order_id, asked, lines, found)
    problems = _left_in_the_cart(lines, offered) if asked.from_cart else {}
    bought = quoting.without(lines, problems)
    rules.check_offers(bought, offered)
    check_limits(bought, offered)
    return Selection(lines=bought, offers=offered, address=address, deal=deal, asked=lines, problems=problems)


def _left_in_the_cart(lines: Sequence[Pieces], offered: Mapping[str, Offer]) -> dict[str, Problem]:
    """Find the cart's lines that cannot be bought. Where none can be, those that are on sale stay, for the order to be
    refused by what keeps them. Raises `product_unavailable` where none is on sale."""
    seen: dict[str, int] = {}
    for line in lines:
        offer = offered.get(line.sku_id)
        if offer is not None and offer.shards:
            counted = shards.recalled(line.sku_id, offer.shards)
            if counted is None:
                counted = shards.recount(line.sku_id, offer.shards, line.quantity).free
            seen[line.sku_id] = sum(counted.values())
    problems = quoting.line_problems(lines, offered, seen)
    if len(problems) == len(lines):
        problems = quoting.goods_problems(lines, offered)
        quoting.check_some_left(lines, offered, problems)
    return problems


def _address(member_id: str, address_id: str | None, found: ReadSet) -> Address | None:
    """The address that is named, else the member's default one; None where they have none."""
    book = found[addresses_key(member_id)]
    if address_id is not None:
        return rules.address_of(None if book is None else book.addresses, address_id)
    default: Address | None = None if book is None else book.addresses.default
    return default


def _deal(
    member_id: str, order_id: str, asked: QuoteInput | OrderInput, lines: list[Pieces], found: ReadSet
) -> Deal | None:  # fmt: skip
    return None if asked.group is None else groups().deal(member_id, order_id, asked.group, lines, found)


def _segments_asked(asked: QuoteInput | OrderInput, prices: PriceList, skus: Sequence[str]) -> list[str]:
    """List the segments that the price may hang on; none of an order of a group, which promotions leave alone."""
    if asked.group is not None:
        return []
    return segments_named(prices.promotions, {product_of(sku_id) for sku_id in skus}, clock.now())


def _segment_keys(member_id: str, segment_ids: Sequence[str]) -> list[Key]:
    """List what must be read to know in which of these segments the member is; nothing for none."""
    return [profile_key(member_id), *audiences.keys(member_id, segment_ids)] if segment_ids else []


def _for_member(member_id: str, prices: PriceList, segment_ids: Sequence[str], found: ReadSet) -> PriceList:
    """Leave out the promotions that are not for this member, by what was found at `_segment_keys`."""
    item = found[profile_key(member_id)] if segment_ids else None
    theirs = frozenset() if item is None else audiences.offered_by(item.profile, segment_ids, found, clock.now())
    return msgspec.structs.replace(prices, promotions=open_to(prices.promotions, theirs))


def _counted(selection: Selection) -> dict[str, Mapping[str, int] | None]:
    """What this process has seen in this second of the SKUs that lie in shards."""
    spread = {sku_id: offer.shards for sku_id, offer in selection.offers_bought.items() if offer.shards}
    return {sku_id: shards.recalled(sku_id, over) for sku_id, over in spread.items()}


def _purchase(
    member_id: str, asked: QuoteInput | OrderInput, selection: Selection, coupons: Sequence[Held],
    prices: PriceList, standing: Standing | None = None, profile: Profile | None = None,
) -> Purchase:  # fmt: skip
    """Add to the selection what its price follows from, for a member who has these coupons, at the prices for them;
    their `standing` and `profile` are read where they matter and were not."""
    promotions = prices.promotions if selection.deal is None else {}
    forest = category_queries.remembered() if coupons or promotions else None
    now = clock.now()
    return Purchase(
        selection=selection,
        items=rules.items_of(selection, forest),
        templates=prices.templates,
        template_versions=prices.template_versions,
        benefits=pricing.Benefits(
            now=now,
            promotions=promotions,
            versions=prices.promotion_versions,
            coupons=coupons,
            chosen=asked.coupon_ids,
            new_customer=new_customer_matters(promotions, selection.offers_bought, now)
            and is_new(member_id, standing or standing_now(member_id))
            and _all_is_known(member_id, profile),
            floor_bp=pricing_settings.PRICING.current().floor_bp,
        ),
    )


def _all_is_known(member_id: str, profile: Profile | None) -> bool:
    """Tell whether what those ordered who were merged into the member is among the member's orders by now."""
    found = profile or current(member_id)
    return found is None or is_settled(found)
