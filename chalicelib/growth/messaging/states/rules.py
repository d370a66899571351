"""Which states are an end, and as what a message in each counts. Pure."""

from __future__ import annotations

from chalicelib.growth.messaging.rules import Message

#: What is told to who had it sent: from then on nothing else is done for it.
ENDS = ("sent", "delivered", "failed", "unknown", "dropped")


def has_ended(message: Message) -> bool:
    """Tell whether nothing more is done to send the message."""
    return message.state in ENDS


def counted_as(message: Message) -> str:
    """Name the counter in which the message stands: "<medium>|<state>", and of a dropped one its reason; "" while it is
    on its way."""
    if message.state in ("queued", "sending"):
        return ""
    state = f"dropped:{message.reason}" if message.state == "dropped" else message.state
    return f"{message.medium or '-'}|{state}"
