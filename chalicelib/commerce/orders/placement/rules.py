"""What a purchase costs and what order it makes, from what was gathered of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.stock.rules import OWN, choose
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders import refusals
from chalicelib.commerce.orders.holding.rules import Standing
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.quotes.rules import Problem
from chalicelib.commerce.orders.rules import Event, Order, OrderCoupon, OrderLine, Pieces, Receiver, Seat
from chalicelib.commerce.pricing import rules as pricing
from chalicelib.commerce.pricing.basket.rules import DEFAULT_TEMPLATE, Item, Lead, floor_fen
from chalicelib.commerce.pricing.freight.rules import FreightTemplate, spared
from chalicelib.core import ids
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.money import FEN_MAX
from chalicelib.core.refusals import NAMED_TWICE, NO_SUCH
from chalicelib.customers.channels.touches.rules import OrderSource
from chalicelib.customers.members.rules import Address, Addresses, Profile, openid_of


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """What taking part in a group means for an order: fen by SKU, the pool of its pieces, its seat and time to pay; and
    what who leads it has off one piece.

    `terms` is the groups' own business: they get it back when the seat is held.
    """

    prices: Mapping[str, int]
    pool: str
    pay_by: datetime
    seat: Seat
    terms: Any
    lead: Lead | None = None


class Referral(msgspec.Struct, frozen=True):
    """The distributors who brought the member, from level 1 up; and what `bind` writes where the order binds them."""

    chain: list[str] = []
    binding: Any = None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought, each SKU once, in the order of the lines; to which address, and at the deal of which group.

    `asked` are all lines that were asked for; those with `problems`, by their SKUs, are not bought.
    """

    lines: list[Pieces]
    offers: Mapping[str, Offer]
    address: Address | None
    deal: Deal | None
    asked: list[Pieces] = []
    problems: Mapping[str, Problem] = {}

    @property
    def offers_bought(self) -> dict[str, Offer]:
        """The offers of what is bought, by SKU."""
        return {line.sku_id: self.offers[line.sku_id] for line in self.lines}


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought, and all that its price follows from."""

    selection: Selection
    items: list[Item]
    templates: Mapping[str, FreightTemplate]
    template_versions: Mapping[str, int] = {}
    benefits: pricing.Benefits


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase that is to become an order, and all else that the order follows from.

    `places` are where the pieces of each SKU are taken from: a pool, or OWN; SCATTERED until they are consolidated.
    `cart_lines` are taken out of the cart. What the member holds was `standing` so when it was read.
    """

    purchase: Purchase
    profile: Profile
    address: Address
    places: Mapping[str, str]
    referral: Referral
    cart_lines: list[CartLine]
    pay_minutes: int
    standing: Standing
    unpaid_max: int
    notify_to: str = ""
    source: OrderSource = OrderSource()
    segment: str = ""

    @property
    def deal(self) -> Deal | None:
        """The deal of the group that the order takes part in."""
        return self.purchase.selection.deal


def check_group(asked: QuoteInput | OrderInput) -> None:
    """Raises `invalid` where a group is named, and the order cannot take part in it as it is."""
    if asked.group is None:
        return
    _check_open_or_join(asked.group)
    if asked.from_cart or asked.lines is None or len(asked.lines) != 1:
        raise invalid(refusals.GROUP_OF_ONE_LINE.at("lines"))


def _check_open_or_join(asked: GroupInput) -> None:
    if (asked.lobby_id is None) == (asked.activity_id is None):
        raise invalid(refusals.OPEN_OR_JOIN.at("group"))
    if asked.lobby_id is not None and asked.size is not None:
        raise invalid(refusals.SIZE_OF_ITS_OWN.at("group.size"))


def lines_asked(asked: QuoteInput | OrderInput) -> list[LineInput]:
    """List the lines asked for. Raises `invalid` unless there are some and each SKU is named once."""
    if asked.lines is None:
        raise invalid(refusals.LINES_OR_CART.at("lines"))
    seen: set[str] = set()
    for index, line in enumerate(asked.lines):
        if line.sku_id in seen:
            raise invalid(NAMED_TWICE.at(_sku_field(index)))
        seen.add(line.sku_id)
    return asked.lines


def lines_selected(asked: QuoteInput | OrderInput, cart: Sequence[CartLine]) -> list[CartLine]:
    """List the selected lines of the cart. Raises `invalid` where others are asked for, too, and `cart_empty`."""
    if asked.lines is not None:
        raise invalid(refusals.LINES_AND_CART.at("lines"))
    selected = [line for line in cart if line.selected]
    if not selected:
        raise MallError("cart_empty")
    return selected


def pieces(lines: Sequence[CartLine | LineInput]) -> list[Pieces]:
    """List how many of each SKU these lines are."""
    return [Pieces(line.sku_id, line.quantity) for line in lines]


def address_of(addresses: Addresses | None, address_id: str) -> Address:
    """Find the address among the member's. Raises `not_found`."""
    address = None if addresses is None else addresses.find(address_id)
    if address is None:
        raise MallError("not_found", errors=(NO_SUCH.at("address_id"),))
    return address


def receiver_at(address: Address) -> Receiver:
    """Give the address as an order keeps it."""
    return Receiver(
        name=address.name, phone=address.phone, region_code=address.region_code, province=address.province,
        city=address.city, district=address.district, detail=address.detail,
    )  # fmt: skip


def check_offers(lines: Sequence[Pieces], offers: Mapping[str, Offer]) -> None:
    """Raises `not_found` where there is no such SKU, and `product_unavailable` where one is not on sale."""
    missing = [NO_SUCH.at(_sku_field(index)) for index, line in enumerate(lines) if line.sku_id not in offers]
    if missing:
        raise MallError("not_found", errors=tuple(missing))
    hidden = {
        line.sku_id: refusals.OFF_SALE.at(_sku_field(index), name=offers[line.sku_id].name)
        for index, line in enumerate(lines)
        if not offers[line.sku_id].product.published
    }
    if hidden:
        raise MallError("product_unavailable", skus=list(hidden), errors=tuple(hidden.values()))


def choose_places(
    order_id: str, selection: Selection, counted: Mapping[str, Mapping[str, int] | None]
) -> dict[str, str]:
    """Choose where the pieces of each SKU come from: a pool, OWN, or SCATTERED. Raises `out_of_stock`.

    `counted` is what was seen free in each place of the SKUs that lie in shards, None where nobody has looked.
    """
    if selection.deal is not None and selection.deal.pool:
        return {line.sku_id: selection.deal.pool for line in selection.lines}
    places: dict[str, str] = {}
    short: dict[str, int] = {}
    for line in selection.lines:
        offer = selection.offers[line.sku_id]
        free = counted[line.sku_id] if offer.shards else {OWN: offer.free}
        first = ids.shard(order_id, len(offer.shards)) if offer.shards else 0
        place = choose(free, offer.shards, line.quantity, first)
        if place is None:
            short[line.sku_id] = sum((free or {}).values())
        else:
            places[line.sku_id] = place
    if short:
        raise out_of_stock(selection.lines, short, selection.offers)
    return places


def out_of_stock(lines: Sequence[Pieces], short: Mapping[str, int], offers: Mapping[str, Offer]) -> MallError:
    """Refuse an order for the SKUs that are `short`: by how many are left of each.

    Each is told by its name, where it is among the offers.
    """
    errors = [
        _shortage(_sku_field(index), short[line.sku_id], offers.get(line.sku_id))
        for index, line in enumerate(lines)
        if line.sku_id in short
    ]
    left = [{"sku_id": sku_id, "left": pieces} for sku_id, pieces in short.items()]
    return MallError("out_of_stock", skus=list(short), short=left, errors=tuple(errors))


def _shortage(field: str, left: int, offer: Offer | None) -> FieldError:
    if offer is None:
        return refusals.FEW_LEFT_LINE.at(field, left=left) if left else refusals.SOLD_OUT_LINE.at(field)
    if left == 0:
        return refusals.SOLD_OUT_NAMED.at(field, name=offer.name)
    return refusals.FEW_LEFT_NAMED.at(field, name=offer.name, left=left)


def items_of(selection: Selection, forest: Forest | None) -> list[Item]:
    """List the lines as they are priced; of the categories of their products only where a `forest` is given."""
    return [_item(line, selection.offers[line.sku_id], selection.deal, forest) for line in selection.lines]


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
        lead=None if deal is None else deal.lead,
    )


def price(purchase: Purchase) -> pricing.Quote:
    """Reckon what the purchase costs. Raises `region_not_served`, `coupon_unusable`, and `invalid` above FEN_MAX."""
    address = purchase.selection.address
    region_code = None if address is None else address.region_code
    quote = pricing.lowest(purchase.items, purchase.templates, region_code, purchase.benefits)
    if quote.payable_fen > FEN_MAX:
        raise invalid(refusals.ORDER_TOO_LARGE.at("lines"))
    return quote


def estimate(purchase: Purchase, address_named: bool) -> tuple[Purchase, pricing.Quote]:
    """Reckon what a quote tells: the purchase without what nobody asked for that would spoil it, and its price.

    Left out are the default address, which was not named, where it is not served; and the chosen coupons that do not
    fit what is left of lines that cannot all be bought. Raises what `price` raises otherwise.
    """
    try:
        return purchase, price(purchase)
    except MallError as fault:
        selection, benefits = purchase.selection, purchase.benefits
        if fault.code == "region_not_served" and not address_named:
            selection = msgspec.structs.replace(selection, address=None)
        elif fault.code == "coupon_unusable" and selection.problems:
            benefits = msgspec.structs.replace(benefits, chosen=())
        else:
            raise
        return estimate(msgspec.structs.replace(purchase, selection=selection, benefits=benefits), True)


def new_order(
    order_id: str, digest: str, asked: OrderInput, checkout: Checkout, quote: pricing.Quote, subject: str = ""
) -> Order:
    """Make the order of what was gathered, at this price; `digest` is that of the request, which came from a session of
    the `subject`: the member, or one who was merged into them."""
    benefits, deal = checkout.purchase.benefits, checkout.deal
    return Order(
        order_id=order_id,
        member_id=checkout.profile.member_id,
        openid=openid_of(checkout.profile, subject),
        state="awaiting_payment",
        body_digest=digest,
        lines=[_order_line(line, checkout) for line in quote.lines],
        goods_fen=quote.goods_fen,
        discount_fen=quote.discount_fen,
        freight_fen=quote.freight_fen,
        payable_fen=quote.payable_fen,
        address=receiver_at(checkout.address),
        created_at=benefits.now,
        pay_by=deal.pay_by if deal is not None else benefits.now + timedelta(minutes=checkout.pay_minutes),
        history=[Event(benefits.now, "placed", "member")],
        remark=asked.remark,
        group=deal.seat if deal is not None else None,
        coupons=_order_coupons(quote, benefits.coupons),
        discounts=quote.discounts,
        free_freight=_free_freight(checkout),
        chain=checkout.referral.chain,
        notify_to=checkout.notify_to,
        source=checkout.source,
        segment=checkout.segment,
    )  # fmt: skip


def _free_freight(checkout: Checkout) -> dict[str, int]:
    """List the templates by which the order goes free because it is dear enough, with their versions; none of an order
    of a group, of which no part goes back by itself."""
    if checkout.deal is not None:
        return {}
    purchase = checkout.purchase
    found = spared(purchase.items, purchase.templates, checkout.address.region_code)
    return {template_id: purchase.template_versions.get(template_id, 0) for template_id in found}


def _order_line(line: pricing.QuoteLine, checkout: Checkout) -> OrderLine:
    offer = checkout.purchase.selection.offers[line.sku_id]
    floor_bp = 0 if checkout.deal is None else checkout.purchase.benefits.floor_bp
    return OrderLine(
        sku_id=line.sku_id,
        product_id=offer.product.product_id,
        name=offer.product.name,
        specs=offer.sku.specs,
        picture_url=offer.picture_url,
        quantity=line.quantity,
        unit_price_fen=line.unit_price_fen,
        amount_fen=line.amount_fen,
        discount_fen=line.discount_fen,
        payable_fen=line.payable_fen,
        pool=checkout.places[line.sku_id],
        floor_fen=floor_fen(offer.sku.price_fen * line.quantity, floor_bp),
        limited=offer.product.limit_per_member is not None,
        category_id=offer.product.category_id or "",
        role=offer.product.role,
        values=offer.product.values,
    )


def _order_coupons(quote: pricing.Quote, held: Sequence[Held]) -> list[OrderCoupon]:
    """List the coupons that the order takes, with what each takes off."""
    by_id = {one.coupon.coupon_id: one.coupon for one in held}
    return [
        OrderCoupon(
            coupon_id=used.coupon_id,
            template_id=by_id[used.coupon_id].template_id,
            discount_fen=used.discount_fen,
            returns=by_id[used.coupon_id].terms.returns,
        )
        for used in quote.coupons
    ]


def _sku_field(index: int) -> str:
    return f"lines[{index}].sku_id"
