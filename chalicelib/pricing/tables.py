"""Freight templates and promotions. Two tables: `freight`, `promotions`.

| who asks | how | units |
|---|---|---|
| all of one table: for a quote (remembered a moment), for operators | Query its one partition | 0.5 RRU per 4 KB |
| put or delete one | by key | 1 WRU per KB |
"""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from chalicelib.pricing.freight import FreightTemplate
from chalicelib.pricing.promotions import NamedPromotion
from chalicelib.store.base import Document, Table, TableMeta, name

ALL = "templates"
ALL_PROMOTIONS = "promotions"


class Freight(Table):
    """A mall has a handful of templates; they stand together and are read together."""

    class Meta(TableMeta):
        table_name = name("freight")

    group = UnicodeAttribute(hash_key=True)
    template_id = UnicodeAttribute(range_key=True)
    template = Document(FreightTemplate)


class Promotions(Table):
    """As few, and read together too."""

    class Meta(TableMeta):
        table_name = name("promotions")

    group = UnicodeAttribute(hash_key=True)
    promotion_id = UnicodeAttribute(range_key=True)
    named = Document(NamedPromotion)
