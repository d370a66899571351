"""What a purchase costs: pure. Lines, freight templates and a region in; a quote that explains itself out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chalicelib.pricing.basket import Item
from chalicelib.pricing.freight import FreightTemplate, freight_fen


class QuoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a quote: amount - discount = payable."""

    sku_id: str
    quantity: int
    unit_price_fen: int
    amount_fen: int
    discount_fen: int
    payable_fen: int


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a purchase costs. Without an address freight is not known yet, and 0."""

    lines: list[QuoteLine]
    goods_fen: int
    discount_fen: int
    freight_fen: int
    payable_fen: int


def quote(items: Sequence[Item], templates: Mapping[str, FreightTemplate], region_code: str | None) -> Quote:
    """The price of these items sent to that region. Raises `region_not_served`, naming the SKUs."""
    lines = [
        QuoteLine(
            sku_id=item.sku_id,
            quantity=item.quantity,
            unit_price_fen=item.unit_price_fen,
            amount_fen=item.unit_price_fen * item.quantity,
            discount_fen=0,
            payable_fen=item.unit_price_fen * item.quantity,
        )
        for item in items
    ]
    goods = sum(line.amount_fen for line in lines)
    discount = sum(line.discount_fen for line in lines)
    freight = 0 if region_code is None else freight_fen(items, templates, region_code)
    return Quote(
        lines=lines,
        goods_fen=goods,
        discount_fen=discount,
        freight_fen=freight,
        payable_fen=goods - discount + freight,
    )
