"""What keeps a line from being bought, and how many pieces of it could be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Literal

import msgspec

from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.orders import refusals
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH

#: Why a line cannot be bought as it was asked for: stable words.
ProblemCode = Literal["not_on_sale", "gone", "out_of_stock", "limit"]


class Problem(msgspec.Struct, frozen=True):
    """Why a line cannot be bought; and how many pieces of it could be, where some of what there is."""

    code: ProblemCode
    left: int | None = None


def goods_problems(lines: Sequence[Pieces], offers: Mapping[str, Offer]) -> dict[str, Problem]:
    """Find the lines that nobody can buy: what there is not (any more), and what is not on sale."""
    found: dict[str, Problem] = {}
    for line in lines:
        offer = offers.get(line.sku_id)
        if offer is None:
            found[line.sku_id] = Problem("gone")
        elif not offer.product.published:
            found[line.sku_id] = Problem("not_on_sale")
    return found


def line_problems(
    lines: Sequence[Pieces], offers: Mapping[str, Offer], pools: Mapping[str, int]
) -> dict[str, Problem]:  # fmt: skip
    """Find the lines that cannot be bought as they are asked for, also because they are too many: more of a product
    than one order or member may have, or more than are free. `pools` are what is free of SKUs whose offers do not say
    it."""
    found = goods_problems(lines, offers)
    for line in without(lines, found):
        if pools.get(line.sku_id, offers[line.sku_id].free) == 0:
            found[line.sku_id] = Problem("out_of_stock", 0)
    on_sale = [(line, offers[line.sku_id]) for line in without(lines, found)]
    ordered: Counter[str] = Counter()
    for line, offer in on_sale:
        ordered[offer.product.product_id] += line.quantity
    for line, offer in on_sale:
        product = offer.product
        limits = [limit for limit in (product.limit_per_order, product.limit_per_member) if limit is not None]
        free = pools.get(line.sku_id, offer.free)
        if limits and ordered[product.product_id] > min(limits):
            found[line.sku_id] = Problem("limit", min(free, *limits))
        elif free < line.quantity:
            found[line.sku_id] = Problem("out_of_stock", free)
    return found


def without(lines: Sequence[Pieces], problems: Container[str]) -> list[Pieces]:
    """List the lines that have none of these problems."""
    return [line for line in lines if line.sku_id not in problems]


def check_some_left(lines: Sequence[Pieces], offers: Mapping[str, Offer], problems: Mapping[str, Problem]) -> None:
    """Raise `product_unavailable` where none of the cart's selected lines can be bought any more."""
    if any(line.sku_id not in problems for line in lines):
        return
    errors = [
        refusals.OFF_SALE.at(f"lines[{index}].sku_id", name=offers[line.sku_id].name)
        if line.sku_id in offers
        else NO_SUCH.at(f"lines[{index}].sku_id")
        for index, line in enumerate(lines)
    ]
    raise MallError("product_unavailable", skus=[line.sku_id for line in lines], errors=tuple(errors))
