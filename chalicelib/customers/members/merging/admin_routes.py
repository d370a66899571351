"""Operators: members who may be one person, and identities that are somebody else's."""

from __future__ import annotations

from chalicelib.customers.members.detaching import service as detaching
from chalicelib.customers.members.merge_queue import service as queue
from chalicelib.customers.members.merging import queries
from chalicelib.customers.members.merging.inputs import DecisionInput, DetachInput, MergesQuery, OperatorsMergeInput
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.merging.views import Detached, MergeView, merge_view
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.limits import PAGES_OF_PERSONS_PER_MINUTE
from chalicelib.platform.web.types import Page

_MERGES = "members.merge"
_ERRORS = ("two_logins", "already_merged", "merge_refused", "merge_conflict", "second_operator", "conflict")


@endpoint(
    "GET /v1/admin/merges",
    OPERATOR,
    permission=_MERGES,
    errors=("cursor_invalid",),
    per_minute=PAGES_OF_PERSONS_PER_MINUTE,
)
def list_merges(call: Call, query: MergesQuery) -> Page[MergeView]:
    """Members who are one person, or may be, newest first: `candidate` ones wait for a decision, `proposed` ones for a
    second operator's. Up to 60 pages a minute and operator."""
    found, cursor = queries.page(query.state, query.limit, query.cursor)
    call.outcome["shown"] = len(found)
    return Page([merge_view(one) for one in found], cursor)


@endpoint("POST /v1/admin/merges", OPERATOR, permission=_MERGES, status=202, errors=("not_found", *_ERRORS))
def propose(call: Call, body: OperatorsMergeInput) -> MergeView:
    """Say that two members are one person. Who of the two stays follows from what they have, whatever is `from`.

    Two who both log in to the mini-program are two accounts of WeChat, and may be two people who share a telephone:
    with `force` it is `proposed`, and done when another operator agrees. The member is told of it.
    """
    return _told(call, queue.propose(body.from_, body.to, call.caller, body.reason, body.force))


@endpoint("POST /v1/admin/merges/{merge_id}/decide", OPERATOR, permission=_MERGES, errors=_ERRORS)
def decide(call: Call, merge_id: str, body: DecisionInput) -> MergeView:
    """Decide whether the two are one person. What one operator has proposed, another decides; two who have become one
    otherwise meanwhile are `done`."""
    return _told(call, queue.decide(merge_id, body.decision == "merge", call.caller, body.reason, body.force))


def _told(call: Call, merge: Merge) -> MergeView:
    """Show what became of a merge, and have the operators' log say so, which keeps nothing of persons from a body."""
    call.outcome.update(merge_id=merge.merge_id, former=merge.former, survivor=merge.survivor, state=merge.state)
    return merge_view(merge)


@endpoint(
    "POST /v1/admin/members/{member_id}/detach",
    OPERATOR,
    permission=_MERGES,
    status=201,
    errors=("merge_refused", "conflict"),
)
def detach(call: Call, member_id: str, body: DetachInput) -> Detached:
    """Take an identity out of a member again, within 30 days of the merge that brought it: it begins anew, as somebody
    else; with a login goes all by which that WeChat account is known. What was bought and agreed stays with the
    member."""
    new = detaching.detach(member_id, body.identity, body.reason)
    call.outcome["member_id"] = new.member_id
    return Detached(new.member_id)
