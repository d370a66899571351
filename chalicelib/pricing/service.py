"""Freight templates: read for quotes, changed by operators."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.pricing.freight import FreightTemplate
from chalicelib.pricing.tables import ALL, Freight
from chalicelib.store import cache, read
from chalicelib.store.transaction import ConditionFailed, remove, save

#: So that all of them are one page of a query.
TEMPLATES_MAX = 100


def templates() -> dict[str, FreightTemplate]:
    """Every template by its id; possibly a second old."""
    return cache.remember(("freight",), _load)


def put(template_id: str, template: FreightTemplate) -> None:
    """Create or replace a template. Raises `invalid` when there are too many."""
    known = _load()
    if template_id not in known and len(known) >= TEMPLATES_MAX:
        raise MallError("invalid")
    save(Freight(ALL, template_id, template=template))
    cache.forget("freight")


def delete(template_id: str) -> None:
    """Delete a template; its products use the default one from then on. Raises `not_found`."""
    try:
        remove(Freight, (ALL, template_id), Freight.group.exists())
    except ConditionFailed:
        raise MallError("not_found") from None
    cache.forget("freight")


def _load() -> dict[str, FreightTemplate]:
    return {item.template_id: item.template for item in read.query_all(Freight, ALL)}
