"""Which coupon templates two operators must agree on, and whether they have. Pure.

A template's worth is what all of its coupons can be had for nothing with: of an exchange the dearest piece less what is
still paid for it, of an amount off the amount where its threshold asks for less than twice as much, of half the price
or more off its ceiling, or else the dearest piece. Whatever way its coupons go out (claimed, granted, by code), the
total bounds it; so it is agreed on once, as it is published, and not with each batch.
What one operator publishes alone in a day counts together, so that several templates do not evade the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from chalicelib.commerce.catalogue.rules import Product
from chalicelib.commerce.coupons.refusals import ANOTHER_OPERATOR, WORTH_MORE_NOW
from chalicelib.commerce.coupons.rules import Approval, Template, Terms
from chalicelib.core.errors import MallError
from chalicelib.core.money import FEN_MAX

#: What a piece of a category may cost: what it holds, and will hold, is not looked up.
_DEAREST_FEN = FEN_MAX // 10
#: From how many percent off on goods count as had for nothing.
_HALF = 50


def free_fen(terms: Terms, products: Iterable[Product]) -> int:
    """Tell what one coupon gives for nothing at most, in fen; `products` are those of its scope."""
    if terms.kind == "amount_off":
        return terms.amount_fen if terms.threshold_fen < 2 * terms.amount_fen else 0
    if not goes_by_prices(terms):
        return terms.ceiling_fen or 0 if _takes_half(terms) else 0
    prices = (sku.price_fen for product in products for sku in product.skus)
    is_open = bool(terms.scope.categories) or not terms.scope.products
    dearest = _DEAREST_FEN if is_open else max(prices, default=0)
    return max(0, dearest - terms.amount_fen)


def goes_by_prices(terms: Terms) -> bool:
    """Tell whether what a coupon gives for nothing follows from the prices of its products."""
    return terms.kind == "exchange" or (_takes_half(terms) and terms.ceiling_fen is None)


def _takes_half(terms: Terms) -> bool:
    return terms.kind == "percent_off" and terms.percent_off >= _HALF


def bounded(template: Template) -> Terms:
    """Give the terms of a coupon that is got now: an exchange takes no more off than was agreed on, whatever its piece
    costs by now."""
    terms = template.terms
    if terms.kind != "exchange" or not bounds(template):
        return terms
    most = min(one.worth_fen for one in template.agreed) // template.total
    return msgspec.structs.replace(terms, ceiling_fen=most)


def is_agreed(template: Template, worth_fen: int) -> bool:
    """Tell whether a template of this worth is agreed on: by one operator who may alone, or by two; for nothing, nobody
    need."""
    agreed = [one for one in template.agreed if one.worth_fen >= worth_fen]
    return worth_fen == 0 or len(agreed) > 1 or any(one.alone for one in agreed)


def waits(template: Template) -> bool:
    """Tell whether the first operator's decision waits for the second's."""
    return len(template.agreed) == 1 and not template.agreed[0].alone


def agree(template: Template, worth_fen: int, operator: str, at: datetime, left_fen: int) -> Template:
    """Add an operator's decision to let the coupons of a template out that is worth so much. `left_fen`: what they may
    let out alone today.

    Raises `second_operator` where they were the first themselves.
    """
    decision = Approval(by=operator, at=at, worth_fen=worth_fen, alone=worth_fen <= left_fen)
    if decision.alone:
        return msgspec.structs.replace(template, agreed=[decision])
    first = template.agreed[0] if waits(template) and template.agreed[0].worth_fen >= worth_fen else None
    if first is None:
        return msgspec.structs.replace(template, agreed=[decision])
    if first.by == operator:
        raise MallError("second_operator", errors=(ANOTHER_OPERATOR.at("template_id"),))
    return msgspec.structs.replace(template, agreed=[first, decision])


def bounds(template: Template) -> bool:
    """Tell whether what was agreed on bounds what the coupons of an exchange take off; of other kinds nothing needs
    to."""
    return template.terms.kind != "exchange" or (bool(template.agreed) and not waits(template))


def kept_agreed(before: Template, after: Template) -> Template:
    """Keep what was agreed on where a change leaves terms and total as they are, or lowers the total; else drop it."""
    is_same = after.terms == before.terms and after.total <= before.total
    return msgspec.structs.replace(after, agreed=before.agreed if is_same else [])


def check_agreed(template: Template, worth_fen: int) -> None:
    """Raise `second_operator` where a template is worth more by now than was agreed on."""
    if not is_agreed(template, worth_fen):
        raise MallError("second_operator", errors=(WORTH_MORE_NOW.at("template_id"),))
