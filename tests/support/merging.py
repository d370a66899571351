"""Two logins that become one member."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock
from chalicelib.customers.members import queries
from chalicelib.customers.members.merge_codes import service as merge_codes
from chalicelib.platform.web.tokens import Token
from local.client import Shopper


def code_of(member_id: str, subject: str = "") -> str:
    """The member asks for a code, by a token that was made for them or for this subject; in this process."""
    now = clock.now()
    token = Token(subject or member_id, now, now + timedelta(days=1))
    return merge_codes.issue(member_id, token).code


def merge_by_code(one: Shopper, other: Shopper) -> str:
    """Enter the code of one login in the other; the merge."""
    code = one.post("/v1/me/merge-codes").ok(201)["code"]
    made: str = other.post("/v1/me/merges", {"code": code}).ok(202)["merge_id"]
    return made


def sorted_out(one: Shopper, other: Shopper) -> tuple[Shopper, Shopper]:
    """Tell who stays, and who became them."""
    stays = queries.resolved(one.member_id)
    return (one, other) if stays == one.member_id else (other, one)
