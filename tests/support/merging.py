"""Two logins that become one member."""

from __future__ import annotations

from chalicelib.customers.members import queries
from local.client import Shopper


def merge_by_code(one: Shopper, other: Shopper) -> str:
    """Enter the code of one login in the other; the merge."""
    code = one.post("/v1/me/merge-codes").ok(201)["code"]
    made: str = other.post("/v1/me/merges", {"code": code}).ok(202)["merge_id"]
    return made


def sorted_out(one: Shopper, other: Shopper) -> tuple[Shopper, Shopper]:
    """Tell who stays, and who became them."""
    stays = queries.resolved(one.member_id)
    return (one, other) if stays == one.member_id else (other, one)
