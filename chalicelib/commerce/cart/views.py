"""A cart as its owner sees it: each line with what it costs now and whether it can be bought."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.catalogue.offers import queries as offers
from chalicelib.commerce.catalogue.offers.rules import Offer


class CartLineView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line as the shopper sees it. `available` pieces could be bought now; `problem` says why it cannot."""

    sku_id: str
    product_id: str
    name: str
    specs: dict[str, str]
    picture_url: str
    quantity: int
    selected: bool
    price_fen: int
    available: int
    problem: str | None = None


class CartView(msgspec.Struct):
    """The cart, latest line first. The total is of selected lines that can be bought."""

    lines: list[CartLineView]
    selected_total_fen: int


def cart_view(cart_lines: list[CartLine]) -> CartView:
    """Show these lines with what each costs now, and the total in fen of what is selected and can be bought."""
    offered = offers.remembered(line.sku_id for line in cart_lines)
    view = [_line(line, offered.get(line.sku_id)) for line in cart_lines]
    total = sum(line.price_fen * line.quantity for line in view if line.selected and line.problem is None)
    return CartView(view, total)


def _line(line: CartLine, offer: Offer | None) -> CartLineView:
    if offer is None:  # the SKU was removed from its product
        return CartLineView(
            sku_id=line.sku_id, product_id="", name="", specs={}, picture_url="", quantity=line.quantity,
            selected=line.selected, price_fen=0, available=0, problem="gone",
        )  # fmt: skip
    problem = None
    if not offer.product.published:
        problem = "not_on_sale"
    elif offer.free < line.quantity:
        problem = "out_of_stock" if offer.free == 0 else "not_enough_stock"
    return CartLineView(
        sku_id=line.sku_id,
        product_id=offer.product.product_id,
        name=offer.product.name,
        specs=offer.sku.specs,
        picture_url=offer.picture_url,
        quantity=line.quantity,
        selected=line.selected,
        price_fen=offer.sku.price_fen,
        available=offer.free if offer.product.published else 0,
        problem=problem,
    )
