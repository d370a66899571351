"""What an operator may ask of a template, and the terms that follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.refusals import (
    DATES_OR_DAYS,
    FREIGHT_GOES_WITH_ALL,
    KINDS,
    NEEDED_FOR_KIND,
    NOT_OF_KIND,
    NOT_SHARED,
    PRODUCTS_TO_EXCHANGE,
    SHARE_LIMIT_NEEDED,
    UNTIL_AFTER_FROM,
    UNTIL_NEEDED,
)
from chalicelib.commerce.coupons.rules import YEAR_MAX, YEAR_MIN, Kind, Terms, Validity
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import AT_LEAST, AT_MOST, BETWEEN, NAMED_TWICE, YEAR_BETWEEN


class _Amount(NamedTuple):
    """Whether a kind of coupon must have an amount, and the bounds that the input does not hold already."""

    needed: bool
    least: int
    most: int | None = None


#: The amounts that say what a coupon of each kind is worth; it may have no others.
_AMOUNTS: dict[Kind, dict[str, _Amount]] = {
    "amount_off": {"amount_fen": _Amount(True, 1)},
    "percent_off": {"percent_off": _Amount(True, 1, 99), "ceiling_fen": _Amount(False, 1)},
    "free_shipping": {"ceiling_fen": _Amount(False, 1)},
    "exchange": {"amount_fen": _Amount(True, 0)},
}


def terms_of(asked: TemplateChangeInput) -> Terms:
    """Make the terms of its coupons: what each is worth."""
    return Terms(
        kind=asked.kind, amount_fen=asked.amount_fen or 0, percent_off=asked.percent_off or 0,
        ceiling_fen=asked.ceiling_fen, threshold_fen=asked.threshold_fen, scope=asked.scope,
        stacking=asked.stacking, returns=asked.returns,
    )  # fmt: skip


def check_template(asked: TemplateChangeInput) -> None:
    """Raise `invalid` naming every field that does not go with the others."""
    faults = (*_worth_faults(asked), *_validity_faults(asked.valid), *_way_faults(asked))
    if faults:
        raise MallError("invalid", errors=faults)


def _worth_faults(asked: TemplateChangeInput) -> Iterator[FieldError]:
    for field in ("amount_fen", "percent_off", "ceiling_fen"):
        yield from _amount_faults(asked.kind, field, getattr(asked, field))
    if asked.kind == "exchange" and not asked.scope.products:
        yield PRODUCTS_TO_EXCHANGE.at("scope.products")
    if asked.kind == "free_shipping" and asked.stacking == "extra":
        yield FREIGHT_GOES_WITH_ALL.at("stacking")


def _amount_faults(kind: Kind, field: str, value: int | None) -> Iterator[FieldError]:
    """Yield what is wrong with an amount of a coupon of this kind."""
    amount = _AMOUNTS[kind].get(field)
    if value is None:
        if amount is not None and amount.needed:
            yield NEEDED_FOR_KIND.at(field, kind=KINDS[kind])
    elif amount is None:
        yield NOT_OF_KIND.at(field, kind=KINDS[kind])
    elif amount.most is not None and not amount.least <= value <= amount.most:
        yield BETWEEN.at(field, low=amount.least, high=amount.most)
    elif value < amount.least:
        yield AT_LEAST.at(field, limit=amount.least)


def _validity_faults(valid: Validity) -> Iterator[FieldError]:
    for field, instant in (("from", valid.begins), ("until", valid.until)):
        if instant is not None and not YEAR_MIN <= instant.year <= YEAR_MAX:
            yield YEAR_BETWEEN.at(f"valid.{field}", low=YEAR_MIN, high=YEAR_MAX)
    dated = valid.begins is not None or valid.until is not None
    if dated == (valid.days is not None):
        yield DATES_OR_DAYS.at("valid")
    elif dated and valid.until is None:
        yield UNTIL_NEEDED.at("valid.until")
    elif valid.begins is not None and valid.until is not None and valid.until <= valid.begins:
        yield UNTIL_AFTER_FROM.at("valid.until")


def _way_faults(asked: TemplateChangeInput) -> Iterator[FieldError]:
    if len(set(asked.how)) != len(asked.how):
        yield NAMED_TWICE.at("how")
    shared = "share" in asked.how
    if shared != (asked.share_limit is not None):
        yield (SHARE_LIMIT_NEEDED if shared else NOT_SHARED).at("share_limit")
    elif asked.share_limit is not None and asked.share_limit > asked.limit_per_member:
        yield AT_MOST.at("share_limit", limit=asked.limit_per_member)
