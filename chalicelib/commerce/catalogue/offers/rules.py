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
