"""What a coupon of a journey is worth, and whether a template may be given by one. Pure."""

from __future__ import annotations

from chalicelib.commerce.coupons.rules import Template, Terms


def is_givable(template: Template) -> bool:
    """Say whether journeys may give coupons of the template: they are a way of their own, and what may be granted to
    named members they may give, too."""
    return not {"journey", "grant"}.isdisjoint(template.how)


def worth(terms: Terms) -> int | None:
    """Say how much a coupon takes off at most, in fen; None where that is whatever an order costs."""
    return terms.amount_fen if terms.kind == "amount_off" else terms.ceiling_fen
