"""Commands of operators about channels and live rooms: make one, and change it. None is deleted: orders name them."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.channels import queries
from chalicelib.customers.channels.inputs import ChannelChangeInput, ChannelInput, LiveRoomChangeInput, LiveRoomInput
from chalicelib.customers.channels.refusals import CODE_THERE, ENDS_BEFORE, ROOM_THERE
from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.channels.tables import ALL, Channels, LiveRooms, room_item
from chalicelib.platform.store import cache, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned


def create_channel(asked: ChannelInput) -> Channel:
    """Make a channel. Raises `invalid` where there is one of this code."""
    now = clock.now()
    channel = Channel(**msgspec.structs.asdict(asked), created_at=now, updated_at=now)
    tx = Transaction()
    there = MallError("invalid", errors=(CODE_THERE.at("code"),))
    tx.create(Channels(ALL, channel.code, channel=channel, version=1), there)
    versioned.commit(tx)
    return channel


def change_channel(code: str, asked: ChannelChangeInput) -> Channel:
    """Make a channel another one, under its code; what orders keep of it stays. Raises `not_found`, `conflict`."""

    def write(tx: Transaction, before: Versioned[Channel], after: Channel) -> None:
        tx.put(Channels(ALL, code, channel=after, version=before.version + 1),
               Channels.version == before.version, Conflict)  # fmt: skip
        tx.after_commit(cache.forget, queries.CACHE)

    return versioned.change(
        lambda: queries.channel(code),
        lambda channel, _: msgspec.structs.replace(channel, **msgspec.structs.asdict(asked), updated_at=clock.now()),
        write,
    )


def create_room(asked: LiveRoomInput) -> LiveRoom:
    """Make a live room. Raises `invalid` where there is one of this id, or it ends before it starts."""
    _check_time(asked)
    now = clock.now()
    room = LiveRoom(**msgspec.structs.asdict(asked), created_at=now, updated_at=now)
    tx = Transaction()
    tx.create(room_item(room, 1), MallError("invalid", errors=(ROOM_THERE.at("room_id"),)))
    versioned.commit(tx)
    return room


def change_room(room_id: str, asked: LiveRoomChangeInput) -> LiveRoom:
    """Make a live room another one, under its id. Raises `not_found`, `invalid`, `conflict`."""
    _check_time(asked)

    def write(tx: Transaction, before: Versioned[LiveRoom], after: LiveRoom) -> None:
        tx.put(room_item(after, before.version + 1), LiveRooms.version == before.version, Conflict)
        tx.after_commit(cache.forget, queries.CACHE)

    return versioned.change(
        lambda: queries.room(room_id),
        lambda room, _: msgspec.structs.replace(room, **msgspec.structs.asdict(asked), updated_at=clock.now()),
        write,
    )


def _check_time(asked: LiveRoomChangeInput) -> None:
    if asked.ends_at <= asked.starts_at:
        raise invalid(ENDS_BEFORE.at("ends_at"))
