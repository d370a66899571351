"""Operators: members found, and one seen whole."""

from __future__ import annotations

from chalicelib.insight.portraits import queries
from chalicelib.insight.portraits.inputs import FindQuery, PortraitQuery
from chalicelib.insight.portraits.views import MemberCard
from chalicelib.insight.portraits.whole.queries import portrait
from chalicelib.insight.portraits.whole.views import PortraitView
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.limits import PAGES_OF_PERSONS_PER_MINUTE, WHOLE_PERSONS_PER_HOUR
from chalicelib.platform.web.types import Page

PERSONS = "members.read"


@endpoint(
    "GET /v1/admin/members",
    OPERATOR,
    permission=PERSONS,
    errors=("invalid", "not_found", "cursor_invalid"),
    per_minute=PAGES_OF_PERSONS_PER_MINUTE,
)
def find_members(call: Call, query: FindQuery) -> Page[MemberCard]:
    """Members by id, by how their nickname begins, by how their phone ends, by an identity, by a segment or by a tag.
    Up to 60 pages a minute and operator."""
    found, cursor = queries.find(query)
    call.outcome["shown"] = len(found)
    return Page(found, cursor)


@endpoint("GET /v1/admin/members/{member_id}", OPERATOR, permission=PERSONS, per_hour=WHOLE_PERSONS_PER_HOUR)
def see_whole(call: Call, member_id: str, query: PortraitQuery) -> PortraitView:
    """All that the mall knows of a member, for a `purpose` that the log keeps; of one who was merged into another, of
    that one. What the operator may not read elsewhere is withheld. Up to 300 an hour and operator."""
    shown = portrait(member_id, call.permissions)
    call.outcome.update(member_id=shown.member_id, purpose=query.purpose)
    return shown
