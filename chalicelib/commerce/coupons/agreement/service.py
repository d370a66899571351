"""Letting the coupons of a template out, as one operator may alone or two together; what a command adds to do so."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.commerce.catalogue.tables import product_key
from chalicelib.commerce.coupons.agreement import rules
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.settings import coupon_rules
from chalicelib.commerce.coupons.tables import CouponCounters, alone_key
from chalicelib.core import clock
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: How long it is kept what an operator has let out alone on a day.
_KEPT = timedelta(days=2)


def published(tx: Transaction, template: Template, operator: str) -> Template:
    """Publish the template, as part of `tx`; or, where it wants a second operator, keep the first's decision. One that
    was published already is paused until then.

    What is agreed on bounds what an exchange takes off; without a sum nothing does. Raises `second_operator` where this
    operator decided first.
    """
    above_fen = coupon_rules().second_operator_above_fen
    if above_fen is None:
        return msgspec.structs.replace(template, state="published", agreed=[])
    worth = worth_fen(template)
    if not rules.is_agreed(template, worth):
        spent = _spent(operator)
        template = rules.agree(template, worth, operator, clock.now(), above_fen - (spent or 0))
        if rules.waits(template):
            return msgspec.structs.replace(template, state="draft" if template.state == "draft" else "paused")
        if template.agreed[0].alone:
            _count(tx, operator, worth, spent)
    elif not rules.bounds(template):
        template = rules.agree(template, worth, operator, clock.now(), worth)
    return msgspec.structs.replace(template, state="published")


def is_settled(template: Template) -> bool:
    """Tell whether the template may be published as it is: nothing about it wants a second operator now, and what was
    agreed on bounds its coupons where there is a sum, and only there."""
    if coupon_rules().second_operator_above_fen is None:
        return not template.agreed
    return rules.bounds(template) and rules.is_agreed(template, worth_fen(template))


def check(template: Template) -> None:
    """Raise `second_operator` where coupons of the template are not to be given out by an operator as it is now."""
    if coupon_rules().second_operator_above_fen is not None:
        rules.check_agreed(template, worth_fen(template))


def worth_fen(template: Template) -> int:
    """Reckon what all of its coupons can be had for nothing with, in fen, at the prices of now. One BatchGet, and none
    for what names no product."""
    named = template.terms.scope.products if rules.goes_by_prices(template.terms) else []
    items = read.batch_get([product_key(product_id) for product_id in named]) if named else []
    products = [item.product for item in items if item is not None]
    return template.total * rules.free_fen(template.terms, products)


def _spent(operator: str) -> int | None:
    """Read what the operator has let out alone today, in fen; None where that is not counted yet."""
    (item,) = read.batch_get([_today(operator)])
    return None if item is None else int(item.decided_fen)


def _count(tx: Transaction, operator: str, worth: int, spent: int | None) -> None:
    as_read = CouponCounters.counter.does_not_exist() if spent is None else CouponCounters.decided_fen == spent
    changes = [CouponCounters.decided_fen.set((spent or 0) + worth), CouponCounters.expires.set(clock.now() + _KEPT)]
    tx.update(*_today(operator), changes, as_read, Conflict)


def _today(operator: str) -> read.Key:
    return alone_key(operator, clock.day(clock.now()).isoformat())
