"""What an operator may ask of a template, and the terms that follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.rules import YEAR_MAX, YEAR_MIN, Terms, Validity
from chalicelib.core.errors import FieldError, MallError


def terms_of(asked: TemplateChangeInput) -> Terms:
    """What its coupons are worth."""
    return Terms(
        kind=asked.kind, amount_fen=asked.amount_fen or 0, percent_off=asked.percent_off or 0,
        ceiling_fen=asked.ceiling_fen, threshold_fen=asked.threshold_fen, scope=asked.scope,
        stacking=asked.stacking, returns=asked.returns,
    )  # fmt: skip


def check_template(asked: TemplateChangeInput) -> None:
    """Raises `invalid` naming every field that does not go with the others."""
    faults = (*_worth_faults(asked), *_validity_faults(asked.valid), *_way_faults(asked))
    if faults:
        raise MallError("invalid", errors=faults)


def _worth_faults(asked: TemplateChangeInput) -> Iterator[FieldError]:
    priced = asked.kind in ("amount_off", "exchange")
    if priced and asked.amount_fen is None:
        yield FieldError("amount_fen", "needed for this kind")
    if not priced and asked.amount_fen is not None:
        yield FieldError("amount_fen", "not of this kind")
    if asked.kind == "amount_off" and asked.amount_fen == 0:
        yield FieldError("amount_fen", "at least 1")
    if asked.kind == "percent_off" and not 1 <= (asked.percent_off or 0) <= 99:
        yield FieldError("percent_off", "1 to 99")
    if asked.kind != "percent_off" and asked.percent_off is not None:
        yield FieldError("percent_off", "not of this kind")
    if priced and asked.ceiling_fen is not None:
        yield FieldError("ceiling_fen", "not of this kind")
    if asked.ceiling_fen == 0:
        yield FieldError("ceiling_fen", "at least 1")
    if asked.kind == "exchange" and not asked.scope.products:
        yield FieldError("scope.products", "name the products that it is exchanged for")
    if asked.kind == "free_shipping" and asked.stacking == "extra":
        yield FieldError("stacking", "a coupon for the freight goes with every other already")


def _validity_faults(valid: Validity) -> Iterator[FieldError]:
    for field, instant in (("from", valid.begins), ("until", valid.until)):
        if instant is not None and not YEAR_MIN <= instant.year <= YEAR_MAX:
            yield FieldError(f"valid.{field}", f"a year from {YEAR_MIN} to {YEAR_MAX}")
    dated = valid.begins is not None or valid.until is not None
    if dated == (valid.days is not None):
        yield FieldError("valid", "either from and until, or days")
    elif dated and valid.until is None:
        yield FieldError("valid.until", "needed with from")
    elif valid.begins is not None and valid.until is not None and valid.until <= valid.begins:
        yield FieldError("valid.until", "after from")


def _way_faults(asked: TemplateChangeInput) -> Iterator[FieldError]:
    if len(set(asked.how)) != len(asked.how):
        yield FieldError("how", "named twice")
    shared = "share" in asked.how
    if shared != (asked.share_limit is not None):
        yield FieldError("share_limit", "needed where members share it" if shared else "nobody shares it")
    elif asked.share_limit is not None and asked.share_limit > asked.limit_per_member:
        yield FieldError("share_limit", "at most limit_per_member")
