"""Freight templates and promotions. One table, `pricing`: a mall has a handful of both, and every quote wants all.

| who asks | how | units |
|---|---|---|
| all of them: for a quote (remembered a moment), for operators | Query the one partition | 0.5 RRU per 4 KB |
| put or delete one | by key | 1 WRU per KB |
"""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion
from chalicelib.platform.store.base import Document, Table, TableMeta, name

ALL = "all"
FREIGHT = "freight#"
PROMOTION = "promotion#"


class Pricing(Table):
    """A freight template or a promotion; which of them follows from the part."""

    class Meta(TableMeta):
        table_name = name("pricing")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "freight#<template_id>"
    template = Document(FreightTemplate, null=True)
    # part "promotion#<promotion_id>"
    promotion = Document(NamedPromotion, null=True)
