"""Freight templates and promotions. One table, `pricing`: a mall has a handful of both, and every quote wants all.

What an order was priced by must be found again when a part of it goes back: each change makes a new version, and every
version is kept as an item of its own, under another partition, so that all of today's stay one small page.

| who asks | how | units |
|---|---|---|
| all of them: for a quote (remembered a moment), for operators | Query the one partition | 0.5 RRU per 4 KB |
| put one | Query its last version, Put it and its new version in one transaction | 2 WRU per KB each |
| have a product name a template | Update the template, in the product's transaction | 2 WRU per KB |
| delete one | by key, as it was read; its versions stay | 2 WRU per KB |
| those of an order, for a refund | BatchGet the versions | 1 RRU per 4 KB each |
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion
from chalicelib.platform.store.base import Document, Table, TableMeta, name

ALL = "all"
FREIGHT = "freight#"
PROMOTION = "promotion#"


def version_key(part: str, version: int) -> tuple[str, str]:
    """Name the item that keeps a version of a template or promotion, which has this part among those of today."""
    return part, f"{version:010d}"


class Pricing(Table):
    """A freight template or a promotion as it is now, which of them follows from the part; and each of its versions
    (partition: that part). The version of what was made before there were any is 0."""

    class Meta(TableMeta):
        table_name = name("pricing")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "freight#<template_id>"
    template = Document(FreightTemplate, null=True)
    # part "promotion#<promotion_id>"
    promotion = Document(NamedPromotion, null=True)
    version = NumberAttribute(null=True)
    #: How often a product began to name the template: who deletes it has looked at the products of this many.
    taken_up = NumberAttribute(null=True)
