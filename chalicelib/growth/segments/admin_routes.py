"""Operators: segments, tags, who has them and why, rules to be tried, and frozen lists."""

from __future__ import annotations

from chalicelib.growth.segments import queries
from chalicelib.growth.segments.audiences import queries as audience_queries
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.growth.segments.definitions import service as defining
from chalicelib.growth.segments.explaining.queries import Reason, reason
from chalicelib.growth.segments.history.queries import DayOfSegment, days_of
from chalicelib.growth.segments.inputs import (
    BODY_MAX,
    AudienceInput,
    DaysQuery,
    MemberTagsInput,
    RuleInput,
    SegmentInput,
    TagChangeInput,
    TagInput,
)
from chalicelib.growth.segments.preview.queries import preview as tried
from chalicelib.growth.segments.tags import service as tagging
from chalicelib.growth.segments.views import (
    AudienceView,
    MemberOfSegment,
    MemberTag,
    MoveView,
    PreviewView,
    SegmentView,
    TagView,
    audience_view,
    preview_view,
)
from chalicelib.platform.web import limits
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery

READ, WRITE, PERSONS, TAG = "segments.read", "segments.write", "members.read", "members.tag"
ONE = "/v1/admin/segments/{segment_id}"
_RULE_ERRORS = ("invalid", "rule_invalid", "rule_too_large", "segment_cycle", "conflict")
#: How many rules an operator may try within a minute, and lists have made.
TRIALS_PER_MINUTE = 30


@endpoint("GET /v1/admin/segments", OPERATOR, permission=READ)
def list_segments() -> Page[SegmentView]:
    """All segments: the five of the life cycle, and the merchant's own."""
    return Page(queries.segments())


@endpoint("POST /v1/admin/segments", OPERATOR, permission=WRITE, status=201, errors=_RULE_ERRORS)
def create_segment(body: SegmentInput) -> SegmentView:
    """Define a segment. It is `building` until every member has been looked at for it; who changes meanwhile is in it
    at once where the rule holds for them."""
    return queries.segment(defining.create_segment(body).segment_id)


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get_segment(segment_id: str) -> SegmentView:
    """One segment, with how many members it has, as of when, and how far its building is."""
    return queries.segment(segment_id)


@endpoint(f"PUT {ONE}", OPERATOR, permission=WRITE, errors=_RULE_ERRORS)
def change_segment(segment_id: str, body: SegmentInput) -> SegmentView:
    """Define a segment anew, as a new version; it is `building` again where its rule is another."""
    return queries.segment(defining.change_segment(segment_id, body).segment_id)


@endpoint(f"DELETE {ONE}", OPERATOR, permission=WRITE, status=204, errors=("in_use", "conflict"))
def delete_segment(segment_id: str) -> None:
    """Take a segment away; `in_use`, with what still names it."""
    defining.delete(segment_id, is_tag=False)


@endpoint(
    f"GET {ONE}/members",
    OPERATOR,
    permission=PERSONS,
    errors=("cursor_invalid",),
    per_minute=limits.PAGES_OF_PERSONS_PER_MINUTE,
)
def list_members_of(segment_id: str, query: PageQuery) -> Page[MemberOfSegment]:
    """The members of a segment or tag, each with since when. Up to 60 pages a minute and operator."""
    queries.check_segment(segment_id)
    return Page(*queries.members_of(segment_id, query.limit, query.cursor))


@endpoint(f"GET {ONE}/members/{{member_id}}", OPERATOR, permission=PERSONS, per_minute=limits.PERSONS_PER_MINUTE)
def why(segment_id: str, member_id: str) -> Reason:
    """Whether the member is in the segment now, and why: its rule taken apart, with what is known of the member."""
    return reason(segment_id, member_id)


@endpoint(f"GET {ONE}/history", OPERATOR, permission=READ)
def history(segment_id: str, query: DaysQuery) -> Page[DayOfSegment]:
    """Day by day: how many members the segment had as the day began, and how many came in and left on it."""
    queries.check_segment(segment_id)
    return Page(days_of(segment_id, query.days))


@endpoint(
    "POST /v1/admin/segments/preview",
    OPERATOR,
    permission=READ,
    errors=("invalid", "rule_invalid", "rule_too_large", "segment_cycle"),
    per_minute=TRIALS_PER_MINUTE,
)
def preview(body: RuleInput) -> PreviewView:
    """How many members a rule would have: counted where they are few, else estimated from a sample. `invalid` where
    they are very many and nobody has counted them yet. Up to 30 a minute and operator."""
    defining.check_rule(body.rule)
    return preview_view(tried(body.rule))


@endpoint("GET /v1/admin/members/{member_id}/tags", OPERATOR, permission=PERSONS, per_minute=limits.PERSONS_PER_MINUTE)
def list_tags_of(member_id: str) -> Page[MemberTag]:
    """The tags of a member: since when, by whom, and why."""
    return Page(queries.tags_of(member_id))


@endpoint(
    "POST /v1/admin/members/{member_id}/tags",
    OPERATOR,
    permission=TAG,
    errors=("invalid", "conflict"),
    per_minute=limits.PERSONS_PER_MINUTE,
)
def change_tags_of(call: Call, member_id: str, body: MemberTagsInput) -> Page[MemberTag]:
    """Give a member tags by hand, and take tags away. One that is given by hand no rule takes away."""
    tagging.change(member_id, body.add, body.remove, call.caller, body.reason or "")
    return Page(queries.tags_of(member_id))


@endpoint(
    "GET /v1/admin/members/{member_id}/segment-history",
    OPERATOR,
    permission=PERSONS,
    errors=("cursor_invalid",),
    per_minute=limits.PERSONS_PER_MINUTE,
)
def list_moves_of(member_id: str, query: PageQuery) -> Page[MoveView]:
    """What a member came into and left, the latest first, of 400 days."""
    return Page(*queries.moves(member_id, query.limit, query.cursor))


@endpoint("GET /v1/admin/tags", OPERATOR, permission=READ)
def list_tags() -> Page[TagView]:
    """All tags."""
    return Page(queries.tags())


@endpoint("POST /v1/admin/tags", OPERATOR, permission=WRITE, status=201, errors=_RULE_ERRORS)
def create_tag(body: TagInput) -> TagView:
    """Define a tag, which is given by hand, and by its rule if it has one."""
    return queries.tag(defining.create_tag(body).segment_id)


@endpoint("GET /v1/admin/tags/{tag_id}", OPERATOR, permission=READ)
def get_tag(tag_id: str) -> TagView:
    """One tag, with how many members have it."""
    return queries.tag(tag_id)


@endpoint("PUT /v1/admin/tags/{tag_id}", OPERATOR, permission=WRITE, errors=_RULE_ERRORS)
def change_tag(tag_id: str, body: TagChangeInput) -> TagView:
    """Define a tag anew; its name stays."""
    return queries.tag(defining.change_tag(tag_id, body).segment_id)


@endpoint("DELETE /v1/admin/tags/{tag_id}", OPERATOR, permission=WRITE, status=204, errors=("in_use", "conflict"))
def delete_tag(tag_id: str) -> None:
    """Take a tag away from everybody; `in_use`, with what still names it."""
    defining.delete(tag_id, is_tag=True)


@endpoint(
    "POST /v1/admin/audiences",
    OPERATOR,
    permission=WRITE,
    status=201,
    idempotent=True,
    body_max=BODY_MAX,
    errors=("invalid", "rule_invalid", "rule_too_large", "segment_cycle", "conflict"),
    per_minute=TRIALS_PER_MINUTE,
)
def create_audience(call: Call, body: AudienceInput) -> AudienceView:
    """Freeze a list of members: those of a segment, those for whom a rule holds, or named ones. A long list is `making`
    for a while. It stays as it is; who is erased drops out where it is used. Up to 30 a minute and operator."""
    assert call.idempotency_key is not None
    return audience_view(audiences.create(call.caller, call.idempotency_key, body))


@endpoint("GET /v1/admin/audiences/{audience_id}", OPERATOR, permission=READ)
def get_audience(audience_id: str) -> AudienceView:
    """A frozen list, and how many members are on it."""
    return audience_view(audience_queries.load(audience_id))
