"""What members do with their own messages, and pages of them with their cursors."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import is_theirs, resolved
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.inputs import MessagesQuery
from chalicelib.growth.messaging.listing.queries import listed
from chalicelib.growth.messaging.listing.rules import SHOWN, Wanted, is_shown
from chalicelib.growth.messaging.refusals import NO_SUCH_MESSAGE
from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.messaging.states import service as states
from chalicelib.growth.messaging.views import MessageCard, OwnMessage, message_card, own_message
from chalicelib.platform.store import cursors, versioned
from chalicelib.platform.store.transaction import Transaction


def own(member_id: str, limit: int, cursor: str | None) -> tuple[list[OwnMessage], str | None]:
    """Show a member a page of what was sent to them, and where the next one starts. Raises `cursor_invalid`."""
    listing = f"messages:{member_id}"
    found, place = listed(is_shown, limit, cursors.read(listing, cursor), member_id)
    return [own_message(one) for one in found], cursors.write(listing, place)


def opened(member_id: str, message_id: str) -> None:
    """Note that a member has opened a message that was sent to them, the first time. Raises `not_found`, also for
    another's, `conflict`."""

    def decide(message: Message, _: Transaction) -> Message:
        if message.state not in SHOWN or not is_theirs(message.member_id, member_id):
            raise MallError("not_found", errors=(NO_SUCH_MESSAGE.at("message_id"),))
        return message if message.opened_at else msgspec.structs.replace(message, opened_at=clock.now())

    versioned.change(lambda: queries.message(message_id), decide, states.write)


def page(query: MessagesQuery) -> tuple[list[MessageCard], str | None]:
    """Show operators a page of messages, and where the next one starts; of a member who became another theirs. Raises
    `cursor_invalid`."""
    wanted = Wanted(
        state=query.state or None, medium=query.medium or None,
        source=f"journey:{query.journey}" if query.journey else query.source or None,
    )  # fmt: skip
    member_id = query.member_id or None
    listing = f"messages:all:{member_id}:{wanted.state}:{wanted.medium}:{wanted.source}"
    person = resolved(member_id) if member_id else None
    found, place = listed(wanted.takes, query.limit, cursors.read(listing, query.cursor), person)
    return [message_card(one) for one in found], cursors.write(listing, place)
