"""What a send is: who is written to, in which parts, and whether two operators must agree. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from chalicelib.core import ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.messaging.refusals import (
    ANOTHER_PURPOSE,
    SEND_IS_RECALLED,
    SEND_WANTS_ANOTHER,
    SENDS_ARE_NOT_TRANSACTIONAL,
    TOO_FAR_AHEAD,
    VALUES_MISSING,
    VALUES_UNKNOWN,
)
from chalicelib.growth.messaging.rules import Asked, Message, Purpose, Template

#: To more members than this two operators must agree; what one operator lets out alone in a day counts together, so
#: that several sends do not evade it.
ALONE_MAX = 1_000
#: How many members stand in one item of a send's own list, as in one of an audience's.
ITEM_MEMBERS = 500
#: How many members one step reads, and queues a message to: two actions each.
STEP_MEMBERS = 40
#: In how many parts a send goes on side by side, at most.
PARTS_MAX = 8
#: In how many items it lies that a send stands, each of which one in so many messages looks at as it goes out.
GUARDS, GUARDS_FROM = 16, 200
AHEAD_MAX = timedelta(days=90)

State = Literal["proposed", "begun", "recalled"]
PartState = Literal["running", "done"]
#: What operators see: waiting for a second operator, or for its time; being queued; all queued; called back.
ShownState = Literal["proposed", "planned", "running", "done", "recalled"]


class Decision(msgspec.Struct, frozen=True):
    """An operator's decision that a send goes out."""

    by: str
    at: datetime


class Send(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message to `total` members: those of an audience, or of its own list. `begins_at`: when it begins, or was to
    begin when it was asked for; `agreed` are the operators who let it out, and what they agreed on is the template in
    its `template_version`, whatever it says later (0, of sends made by the version before: what it says as they go)."""

    send_id: str
    digest: str
    template_id: str
    template_version: int = 0
    purpose: Purpose
    values: dict[str, str] = {}
    audience_id: str = ""
    total: int
    by: str
    made_at: datetime
    begins_at: datetime
    expires_hours: int = 24
    state: State = "proposed"
    agreed: list[Decision] = []
    recalled: Decision | None = None

    @property
    def expires_at(self) -> datetime:
        """Until when its messages are worth sending."""
        return self.begins_at + timedelta(hours=self.expires_hours)

    @property
    def guards(self) -> int:
        """Count the items in which it lies that the send stands."""
        return GUARDS if self.total > GUARDS_FROM else 1

    @property
    def parts(self) -> list[tuple[int, int]]:
        """List its parts, each by the numbers of members on the list before its first, and before its end: whole items
        of the list."""
        items = max(1, -(-self.total // ITEM_MEMBERS))
        count = min(PARTS_MAX, items)
        bounds = [items * number // count * ITEM_MEMBERS for number in range(count + 1)]
        return [(start, min(end, self.total)) for start, end in itertools.pairwise(bounds)]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How far a part of a send is: so many members of the list are before it, or were reached; to so many a message was
    queued, and others were passed over."""

    number: int
    position: int
    state: PartState
    queued: int
    skipped: int


class Listed(msgspec.Struct, frozen=True):
    """Some members of a send's own list, in its order."""

    members: list[str]


def check_content(template: Template, purpose: Purpose | None, values: Mapping[str, str]) -> None:
    """Raise `invalid` where the template cannot be sent so: with exactly the values of its variables, and not as what
    follows from members' own acts, which knows no caps and no opt-out."""
    if template.purpose == "transactional":
        raise invalid(SENDS_ARE_NOT_TRANSACTIONAL.at("template_id"))
    if purpose not in (None, template.purpose):
        raise invalid(ANOTHER_PURPOSE.at("purpose", purpose=template.purpose))
    if missing := [name for name in template.vars if name not in values]:
        raise invalid(VALUES_MISSING.at("values", missing=missing))
    if unknown := [name for name in values if name not in template.vars]:
        raise invalid(VALUES_UNKNOWN.at("values", unknown=unknown))


def check_time(at: datetime | None, now: datetime) -> datetime:
    """Say when a send begins that is asked for now: at once where that time is over. Raises `invalid` where it is too
    far ahead."""
    if at is not None and at > now + AHEAD_MAX:
        raise invalid(TOO_FAR_AHEAD.at("at", days=AHEAD_MAX.days))
    return now if at is None or at < now else at.astimezone(UTC)


def decided(send: Send, operator: str, now: datetime, left: int = ALONE_MAX) -> Send:
    """Add an operator's decision to let the send out: it is begun by one where that is to no more than are `left` of
    those to whom they may write alone today, else by two; the same send where it is begun already. Raises
    `second_operator` where they were the first themselves, `send_recalled`."""
    if send.state == "recalled":
        raise MallError("send_recalled", errors=(SEND_IS_RECALLED.at("send_id"),))
    if send.state == "begun":
        return send
    if any(one.by == operator for one in send.agreed):
        raise MallError("second_operator", errors=(SEND_WANTS_ANOTHER.at("send_id"),))
    agreed = [*send.agreed, Decision(operator, now)]
    if send.total > left and len(agreed) < 2:
        return msgspec.structs.replace(send, agreed=agreed)
    return msgspec.structs.replace(send, agreed=agreed, state="begun", begins_at=max(send.begins_at, now))


def called_back(send: Send, operator: str, now: datetime) -> Send:
    """Call the send back; the same send where that was done."""
    if send.state == "recalled":
        return send
    return msgspec.structs.replace(send, state="recalled", recalled=Decision(operator, now))


def shown_state(send: Send, parts: Sequence[Part], now: datetime) -> ShownState:
    """Say how a send stands, by its parts (none: they were not read)."""
    if send.state != "begun":
        return send.state
    if now < send.begins_at:
        return "planned"
    return "done" if parts and all(part.state == "done" for part in parts) else "running"


def message_id(send_id: str, member_id: str) -> str:
    """Derive the id of the message of a send to a member."""
    return ids.derived("ms", "send", send_id, member_id)


def source_of(send_id: str) -> str:
    """Name a send as the source of its messages."""
    return f"send:{send_id}"


def send_of(message: Message) -> str:
    """Name the send that has the message sent."""
    return message.source.partition(":")[2]


def asked(send: Send, member_id: str) -> Asked:
    """Ask for the message of a send to a member."""
    return Asked(
        message_id=message_id(send.send_id, member_id), member_id=member_id, template_id=send.template_id,
        template_version=send.template_version, values=send.values, source=source_of(send.send_id),
        expires_at=send.expires_at,
    )  # fmt: skip


def each_once(persons: Collection[str | None]) -> list[str]:
    """List those who are there (None: gone), of several who are one person by now that one once."""
    return list(dict.fromkeys(person for person in persons if person is not None))
