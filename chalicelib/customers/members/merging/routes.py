"""Members: my other login becomes mine, too."""

from __future__ import annotations

from chalicelib.customers.members.merging.inputs import MergeInput
from chalicelib.customers.members.merging.views import MergeCode, OwnMerge
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("POST /v1/me/merge-codes", MEMBER, status=201, errors=("member_blocked", "conflict"), per_minute=5)
def issue_code(call: Call) -> MergeCode:
    """Give me six digits that I enter where I am logged in with my other WeChat account: then the two are one member.

    They are good for five minutes, for one merge, and while I am logged in here. Who else enters them has my orders and
    my balance: they are for nobody's eyes but mine.
    """
    from chalicelib.customers.members.merge_codes import service as codes  # only those who merge pay for it

    assert call.token is not None
    return codes.issue(call.caller, call.token)


@endpoint(
    "POST /v1/me/merges",
    MEMBER,
    status=202,
    errors=("merge_refused", "merge_conflict", "already_merged", "member_blocked", "conflict"),
)
def merge(call: Call, body: MergeInput) -> OwnMerge:
    """Make this login and the one whose code I enter one member: orders, coupons, balance and all else of both.

    Both stay logged in. What was both's is together within a minute or so; a coupon that an unpaid order holds, and a
    withdrawal, when they have ended. The same code again gives what came of it.
    """
    from chalicelib.customers.members.merge_codes import service as codes

    made = codes.redeem(call.caller, body.code)
    return OwnMerge(made.merge_id, made.state)
