"""Operators: channels, live rooms, and by which ways a member came."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.customers.channels import queries, service
from chalicelib.customers.channels.inputs import ChannelChangeInput, ChannelInput, LiveRoomChangeInput, LiveRoomInput
from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.channels.touches.rules import Touch
from chalicelib.customers.channels.views import LiveRoomView, room_view
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.platform.web.endpoint import OPERATOR, endpoint
from chalicelib.platform.web.limits import PERSONS_PER_MINUTE
from chalicelib.platform.web.types import Page, PageQuery

READ, WRITE = "channels.read", "channels.write"


@endpoint("GET /v1/admin/channels", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_channels(query: PageQuery) -> Page[Channel]:
    """All channels in the order of their codes, those in the archive too."""
    return Page(*queries.channels(query.limit, query.cursor))


@endpoint("POST /v1/admin/channels", OPERATOR, permission=WRITE, status=201, errors=("invalid", "conflict"))
def create_channel(body: ChannelInput) -> Channel:
    """Make a channel. Its code is what is printed, or what a mini-program code has as its scene, and never changes."""
    return service.create_channel(body)


@endpoint("GET /v1/admin/channels/{code}", OPERATOR, permission=READ)
def get_channel(code: str) -> Channel:
    """One channel."""
    return queries.channel(code).value


@endpoint("PUT /v1/admin/channels/{code}", OPERATOR, permission=WRITE, errors=("conflict",))
def change_channel(code: str, body: ChannelChangeInput) -> Channel:
    """Say anew what a channel is. With `active: false` it stands in the archive; none is deleted, as orders name it."""
    return service.change_channel(code, body)


@endpoint("GET /v1/admin/live-rooms", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_rooms(query: PageQuery) -> Page[LiveRoom]:
    """All live rooms, the last to start first."""
    return Page(*queries.rooms(query.limit, query.cursor))


@endpoint("POST /v1/admin/live-rooms", OPERATOR, permission=WRITE, status=201, errors=("invalid", "conflict"))
def create_room(body: LiveRoomInput) -> LiveRoom:
    """Make a live room. Who enters it is counted from a moment later on."""
    return service.create_room(body)


@endpoint("GET /v1/admin/live-rooms/{room_id}", OPERATOR, permission=READ)
def get_room(room_id: str) -> LiveRoomView:
    """One live room: who entered, how many of them were fans and why, and what they bought there."""
    return room_view(queries.room(room_id).value, queries.room_counts(room_id))


@endpoint("PUT /v1/admin/live-rooms/{room_id}", OPERATOR, permission=WRITE, errors=("invalid", "conflict"))
def change_room(room_id: str, body: LiveRoomChangeInput) -> LiveRoom:
    """Say anew what a live room is."""
    return service.change_room(room_id, body)


@endpoint(
    "GET /v1/admin/members/{member_id}/touches", OPERATOR, permission="members.read", per_minute=PERSONS_PER_MINUTE
)
def list_touches(member_id: str) -> Page[Touch]:
    """By which ways a member came, the latest first: the last 16, each with who vouches for it."""
    member = member_queries.found(member_id)
    if member is None:
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
    return Page(queries.stored_touches(member.member_id).value.items[::-1])
