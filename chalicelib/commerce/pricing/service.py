"""Commands of operators about freight templates and promotions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.catalogue.refusals import NO_SUCH_TEMPLATE
from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.pricing.freight.rules import FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion, Promotion, check, named
from chalicelib.commerce.pricing.queries import CACHE, load_pricing
from chalicelib.commerce.pricing.refusals import TEMPLATE_IN_USE, TOO_MANY_PROMOTIONS, TOO_MANY_TEMPLATES
from chalicelib.commerce.pricing.tables import ALL, FREIGHT, PROMOTION, Pricing, version_key
from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many freight templates a mall may have, so that all of them are one page of a query.
TEMPLATES_MAX = 100
#: How many promotions a mall may have, so that a quote, which looks at all of them, is quick.
PROMOTIONS_MAX = 100
#: How many of the products that use a template are named to who would delete it.
_NAMED_MAX = 5


class Templates:
    """What the catalogue asks of freight templates (its ports.py)."""

    def take_up(self, tx: Transaction, template_id: str) -> None:
        """Have a product name this template from now on; `invalid` where there is none."""
        missing = invalid(NO_SUCH_TEMPLATE.at("freight_template_id", template_id=template_id))
        tx.update(Pricing, (ALL, FREIGHT + template_id), [Pricing.taken_up.add(1)], Pricing.partition.exists(), missing)


def put(template_id: str, template: FreightTemplate) -> None:
    """Create or replace a template. Raises `invalid` when there are too many, and `conflict`."""
    known = load_pricing().templates
    if template_id not in known and len(known) >= TEMPLATES_MAX:
        raise invalid(TOO_MANY_TEMPLATES.at("template_id", limit=TEMPLATES_MAX))
    _put(FREIGHT + template_id, {"template": template})


def delete(template_id: str) -> None:
    """Delete a template that no product names. Raises `not_found`, `freight_template_in_use` with the first of the
    products and how many there are, and `conflict`."""

    def check() -> None:
        count, first = references.products_sent_by(template_id, _NAMED_MAX)
        if count:
            products = [f"{product.name} ({product.product_code})" for product in first]
            in_use = TEMPLATE_IN_USE.at("template_id", count=count, products=products)
            raise MallError("freight_template_in_use", errors=(in_use,))

    _remove(FREIGHT + template_id, check)


def put_promotion(promotion_id: str, promotion: Promotion) -> Promotion:
    """Create or replace a promotion; give it as it is stored.

    Raises `conflict`; `invalid`, also when there are too many, and naming every category, product, SKU and segment that
    there is not.
    """
    check(promotion)
    references.check(named(promotion))
    audiences.check(promotion.segments, "segments")
    known = load_pricing().promotions
    if promotion_id not in known and len(known) >= PROMOTIONS_MAX:
        raise invalid(TOO_MANY_PROMOTIONS.at("promotion_id", limit=PROMOTIONS_MAX))
    times = {field: clock.from_stamp(clock.stamp(getattr(promotion, field))) for field in ("starts_at", "ends_at")}
    stored = msgspec.structs.replace(promotion, **times)
    _put(PROMOTION + promotion_id, {"promotion": NamedPromotion(promotion_id, stored)})
    return stored


def delete_promotion(promotion_id: str) -> None:
    """Delete a promotion; what was ordered keeps its price. Raises `not_found`, `conflict`."""
    _remove(PROMOTION + promotion_id)


def _put(part: str, what: dict[str, Any]) -> None:
    """Write what a template or promotion is now, and keep it under its new version, in one transaction. What is put
    again as it is makes no version."""

    def once() -> None:
        known: Any = read.get(Pricing, ALL, part)
        if known is not None and known.version is not None and all(getattr(known, f) == v for f, v in what.items()):
            return
        version = _last_version(part) + 1
        tx = Transaction()
        _keep_unversioned(tx, part, known)
        actions = [Pricing.version.set(version), *(getattr(Pricing, name).set(value) for name, value in what.items())]
        tx.update(Pricing, (ALL, part), actions, _as_read(known), Conflict)  # not put: `taken_up` stays
        tx.create(Pricing(*version_key(part, version), version=version, **what), Conflict)
        commit(tx)

    retry(once)
    cache.forget(CACHE)


def _remove(part: str, check: Callable[[], None] = lambda: None) -> None:
    """Delete it, unless `check` refuses; what it looks at is what holds while `taken_up` is as it was read before."""

    def once() -> None:
        known: Any = read.get(Pricing, ALL, part)
        if known is None:
            raise MallError("not_found")
        check()
        tx = Transaction()
        _keep_unversioned(tx, part, known)
        as_often = Pricing.taken_up.does_not_exist() if known.taken_up is None else Pricing.taken_up == known.taken_up
        tx.delete(Pricing, (ALL, part), _as_read(known) & as_often, Conflict)
        commit(tx)

    retry(once)
    cache.forget(CACHE)


def _last_version(part: str) -> int:
    """The last version that is kept, also of one that was deleted since, so that no number means two things."""
    page, _ = read.query(Pricing, part, forward=False, limit=1, consistent=True)
    return int(page[0]["part"]["S"]) if page else 0


def _as_read(known: Any) -> Condition:
    if known is None:
        return Pricing.partition.does_not_exist()
    no_version: Condition = Pricing.partition.exists() & Pricing.version.does_not_exist()
    as_read: Condition = Pricing.version == known.version
    return no_version if known.version is None else as_read


def _keep_unversioned(tx: Transaction, part: str, known: Any) -> None:
    """Keep what was put before there were versions, as version 0, when it is changed or deleted: orders name it so."""
    if known is not None and known.version is None:
        tx.put(Pricing(*version_key(part, 0), template=known.template, promotion=known.promotion, version=0))
