"""Which messages a list is to show. Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chalicelib.growth.messaging.rules import Medium, Message, State


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a message must be to be shown; None: anything."""

    state: State | None = None
    medium: Medium | None = None
    source: str | None = None

    def takes(self, message: Message) -> bool:
        """Tell whether the message is one of these."""
        return (
            self.state in (None, message.state)
            and self.medium in (None, message.medium)
            and self.source in (None, message.source)
        )


#: What members are shown of their own messages: those that went out, or may have.
SHOWN: Collection[State] = ("sent", "delivered", "unknown")


def is_shown(message: Message) -> bool:
    """Tell whether a message is shown to its member, as one that was to sell or to help."""
    return message.purpose != "transactional" and message.state in SHOWN
