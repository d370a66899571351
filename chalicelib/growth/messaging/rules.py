"""What messages, their templates and the members' own wishes are, and through which states a message goes.

Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

#: What carries a message: a subscribe message of the mini-program, the official account, an SMS, a call by staff, and
#: WeCom, by which nobody is reachable yet.
Medium = Literal["subscribe", "oa", "sms", "call", "wecom"]
#: What it is for: what follows from the member's own act (an order, a refund, a lobby), what helps them, what sells.
Purpose = Literal["transactional", "service", "marketing"]
State = Literal["queued", "held", "sending", "sent", "delivered", "failed", "unknown", "dropped"]
#: Why a message was dropped: the member is gone, or blocked; does not want it; the mall does not use the medium; none
#: of the media reaches them; its time was over; they have had enough; the day's budget is spent; it was called back;
#: there is no such template.
Dropped = Literal[
    "gone", "blocked", "opted_out", "medium_off", "unreachable", "expired", "capped", "budget", "recalled",
    "template_gone",
]  # fmt: skip
#: Why it is held: its time has not come; the hours are quiet; they have had enough for now; the day's budget is spent.
Held = Literal["not_before", "quiet", "capped", "budget"]
OnCap = Literal["drop", "wait"]

MEDIA: tuple[Medium, ...] = get_args(Medium)
#: Media that may not carry what sells: WeChat forbids it.
NO_MARKETING: tuple[Medium, ...] = ("subscribe", "oa")
#: Media by which what sells goes only to who has agreed to that: who says nothing has not.
ASKED_FIRST: tuple[Medium, ...] = ("sms", "call")
#: The highest priority of a message.
PRIORITY_MAX = 100
#: How many of a member's sends are remembered: no more than these are sent to one within 30 days.
LOG_MAX = 64

#: From which states a message goes into which. What is given back after a call that surely had no effect is queued
#: again; what a platform tells late makes of `sent` and `unknown` what it was, and may be there before the call's end.
#: A call by staff is sent at once: as a task.
TRANSITIONS: dict[State, tuple[State, ...]] = {
    "queued": ("held", "sending", "sent", "dropped"),
    "held": ("held", "sending", "sent", "dropped"),
    "sending": ("queued", "sent", "delivered", "failed", "unknown", "dropped"),
    "sent": ("delivered", "failed"),
    "unknown": ("delivered", "failed"),
    "failed": ("delivered",),
    "delivered": (),
    "dropped": (),
}
#: States in which it may still be called back.
WAITING: tuple[State, ...] = ("queued", "held")

#: A time of day of Asia/Shanghai.
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["22:00"])]


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of each day, of Asia/Shanghai, in which nobody is written to; over midnight where `until` is not later."""

    starts: TimeOfDay = msgspec.field(name="from")
    until: TimeOfDay


class Form(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one medium carries a template: the platform's own template ("": it has the id of the mall's), what stands in
    its fields (for SMS: its parameters), as text with {variables}, and the page that it opens."""

    template_id: str = ""
    fields: dict[str, str] = {}
    page: str = ""


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What messages say, as text with {variables}, and how each of its media carries it. Every version is kept; a
    message says what the latest says as it goes out."""

    template_id: str
    version: int
    name: str
    purpose: Purpose
    #: By which it goes: the first that is allowed and reaches the member.
    media: list[Medium]
    text: str
    vars: list[str] = []
    forms: dict[Medium, Form] = {}
    by: str = ""
    created_at: datetime
    updated_at: datetime


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent. `message_id` follows from its cause: what is asked twice is one message.

    `template_version` is what it is to say, where that was agreed on; 0: what the template says as it goes out.
    `media` are those of the template where none are named. `source` says who asks ("journey:<id>", "send:<id>",
    "notice:<kind>"); `run`, if there is one, is told of its end (ports.Results); `part_of` names the run of which it is
    a part, for whoever asks to say as it goes out whether it still stands (ports.Source).
    """

    message_id: str
    member_id: str
    template_id: str
    template_version: int = 0
    values: dict[str, str] = {}
    media: list[Medium] = []
    source: str
    run: str = ""
    part_of: str = ""
    priority: int = 0
    expires_at: datetime
    on_cap: OnCap = "drop"
    not_before: datetime | None = None


class Reserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message has taken before its call, to be given back where that surely had no effect: a place in the log of
    this member's, an allowance of this openid for a platform's template (kept under `holder`), a text within the
    account's window, and money of a day's budget, in one of its shards."""

    member_id: str
    openid: str = ""
    holder: str = ""
    template_id: str = ""
    window: str = ""
    day: str = ""
    shard: int = 0
    fen: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message to a member, and what became of it. `reason` says why it is held or was dropped, or the platform's code
    of a failure; `tried` are the media by which its platform has said that it does not reach the member."""

    message_id: str
    member_id: str
    template_id: str
    purpose: Purpose
    values: dict[str, str] = {}
    media: list[Medium] = []
    source: str
    run: str = ""
    part_of: str = ""
    priority: int = 0
    queued_at: datetime
    not_before: datetime | None = None
    expires_at: datetime
    on_cap: OnCap = "drop"
    state: State = "queued"
    reason: str = ""
    medium: Medium | None = None
    tried: list[Medium] = []
    #: How often its platform asked for patience.
    attempts: int = 0
    #: In which version it was said, or is being; and in which it must be, where that was agreed on (0: the latest).
    template_version: int = 0
    agreed_version: int = 0
    held_until: datetime | None = None
    sending_at: datetime | None = None
    reserved: Reserved | None = None
    cost_fen: int = 0
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    #: The platform's own id of it; "" where it gives none.
    ref: str = ""
    opened_at: datetime | None = None


class Choices(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """By which media a member wants to be written to: they do, they do not, or have not said (None). Who has not said
    gets everything but offers by SMS and by telephone, to which the law wants them to have agreed; who does not want a
    medium gets nothing by it."""

    subscribe: bool | None = None
    oa: bool | None = None
    wecom: bool | None = None
    sms: bool | None = None
    call: bool | None = None


class Preferences(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a member wants: offers at all, by which media, and in which hours nothing (beside the mall's own)."""

    marketing: bool = True
    media: Choices = Choices()
    quiet: QuietHours | None = None


#: What a member may agree to, or not: offers at all, those chosen by what they did, and each medium.
Subject = Literal["marketing", "personalised", "subscribe", "oa", "wecom", "sms", "call"]
#: How it is known: they said so in the mini-program, replied so to an SMS, or left the official account, or came back.
Source = Literal["member", "reply", "unsubscribe", "follow"]


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What a member said about being written to, when, and how it is known; None: neither yes nor no any more."""

    what: Subject
    says: bool | None
    at: datetime
    source: Source


class Logged(msgspec.Struct, frozen=True):
    """One send to a member, as caps count it."""

    at: datetime
    medium: Medium
    purpose: Purpose
    message_id: str


class Window(msgspec.Struct, frozen=True):
    """Until when an account may write to this openid of the member's, and how often still: they have written to it."""

    openid: str
    until: datetime
    left: int


class Contact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a member may be written to: one item, under one version, so that of an opt-out and a send one comes first.
    `said` is when and how they said what they want, the latest last; `log` has what caps count, the latest last;
    `heard` the events of platforms that are done."""

    preferences: Preferences = Preferences()
    said: list[Stated] = []
    log: list[Logged] = []
    oa: Window | None = None
    mini: Window | None = None
    heard: list[str] = []


class Allowance(msgspec.Struct, frozen=True):
    """How many subscribe messages of WeChat's template the user of this openid has let through, and not got yet;
    `member_id` is under whom it is kept."""

    member_id: str
    openid: str
    template_id: str
    left: int


class Heard(msgspec.Struct, frozen=True):
    """The latest events of a platform that are done, each by a mark of its own."""

    marks: list[str] = []


def may_become(before: State, after: State) -> bool:
    """Tell whether a message may go from one state into another."""
    return after in TRANSITIONS[before]


def asked_as(asked: Asked, purpose: Purpose, queued_at: datetime) -> Message:
    """Make the message that is asked for, of a template with this purpose."""
    return Message(
        message_id=asked.message_id, member_id=asked.member_id, template_id=asked.template_id, purpose=purpose,
        values={name: value[:VALUE_MAX] for name, value in asked.values.items()}, media=list(asked.media),
        source=asked.source, run=asked.run, part_of=asked.part_of, priority=asked.priority, queued_at=queued_at,
        not_before=asked.not_before, expires_at=asked.expires_at, on_cap=asked.on_cap,
        agreed_version=asked.template_version,
    )  # fmt: skip


#: How many characters of a variable's value are kept.
VALUE_MAX = 256
