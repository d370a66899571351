"""Two logins that become one member."""

from __future__ import annotations

from local.client import Shopper


def merge_by_code(one: Shopper, other: Shopper) -> str:
    """Enter the code of one login in the other; the merge."""
    code = one.post("/v1/me/merge-codes").ok(201)["code"]
    made: str = other.post("/v1/me/merges", {"code": code}).ok(202)["merge_id"]
    return made
