"""Members: the tags that the mall has given to them."""

from __future__ import annotations

from msgspec import UNSET

from chalicelib.growth.segments.inputs import OwnTagsQuery
from chalicelib.growth.segments.tags import queries
from chalicelib.growth.segments.tags import service as tagging
from chalicelib.growth.segments.tags.views import OwnTags, own_tag
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("GET /v1/me/tags", MEMBER)
def my_tags(call: Call) -> OwnTags:
    """The tags that the mall has given to me, by hand or by a rule."""
    return OwnTags([own_tag(name, tag) for name, tag in queries.tags_of(call.caller)])


@endpoint("DELETE /v1/me/tags", MEMBER, status=204, errors=("conflict",))
def take_tags_away(call: Call, query: OwnTagsQuery) -> None:
    """Take a tag of mine away, or all of them where none is named: no rule gives it to me again."""
    tagging.take_away(call.caller, None if query.tag is UNSET else query.tag)
