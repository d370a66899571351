"""What a SKU on offer is. Pure."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.rules import Product, Sku


class Offer(msgspec.Struct, frozen=True):
    """A SKU as it can be bought: at `sku.price_fen`, while `free` pieces last, if `product.published`.

    Where its pieces are spread over `shards`, `free` are those beside them, save in what is `remembered`.
    """

    product: Product
    sku: Sku
    free: int
    shards: list[str] = []

    @property
    def picture_url(self) -> str:
        """The SKU's own picture, else the product's."""
        return self.sku.picture_url or self.product.picture_url

    @property
    def name(self) -> str:
        """What a person calls it: the product's name, and what sets this SKU apart where there are others."""
        specs = self.sku.specs.values() if len(self.product.skus) > 1 else ()
        return " ".join([self.product.name, *specs])


def offered(product: Product, sku_id: str, free: int, shards: list[str]) -> Offer | None:
    """Make the offer of a SKU as shoppers may know it: one off sale as they saw it last, and none of what there is not,
    or never was on sale."""
    sku = product.sku(sku_id)
    if sku is None or product.published:
        return None if sku is None else Offer(product, sku, free, shards)
    shown = product.shown
    seen = None if shown is None else next((each for each in shown.skus if each.sku_id == sku_id), None)
    if shown is None or seen is None:
        return None
    last = msgspec.structs.replace(product, name=shown.name, picture_url=shown.picture_url, skus=shown.skus)
    return Offer(last, seen, free, shards)
