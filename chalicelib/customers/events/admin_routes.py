"""Operators: what a member did."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.events import queries
from chalicelib.customers.events.inputs import EventsQuery
from chalicelib.customers.events.rules import oldest
from chalicelib.customers.events.views import EventView, event_view
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.platform.store import cursors
from chalicelib.platform.web.endpoint import OPERATOR, endpoint
from chalicelib.platform.web.limits import PERSONS_PER_MINUTE
from chalicelib.platform.web.types import Page


@endpoint(
    "GET /v1/admin/members/{member_id}/events",
    OPERATOR,
    permission="members.read",
    errors=("cursor_invalid",),
    per_minute=PERSONS_PER_MINUTE,
)
def list_events(member_id: str, query: EventsQuery) -> Page[EventView]:
    """What a member did in the mini-program, newest first, as far as it is kept: 90 days at most."""
    if member_queries.found(member_id) is None:
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
    since, until = query.since or oldest(clock.now()), query.until or clock.now()
    listing = f"events-by-time:{member_id}:{query.name or ''}"
    after = cursors.read(listing, query.cursor)
    told, rest = queries.history(member_id, query.name, since, until, query.limit, after)
    return Page([event_view(one) for one in told], cursors.write(listing, rest))
