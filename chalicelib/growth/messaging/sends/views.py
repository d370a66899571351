"""How far writing to many members has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.growth.messaging.queries import counts
from chalicelib.growth.messaging.rules import Purpose
from chalicelib.growth.messaging.sends.queries import parts
from chalicelib.growth.messaging.sends.rules import Decision, Part, Send, ShownState, shown_state, source_of
from chalicelib.growth.messaging.templates.queries import template_at
from chalicelib.growth.messaging.templates.rules import rendered

_DROPPED = "dropped"


class SendCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A send in a list. `proposed`: it waits for a second operator; `planned`: for its time."""

    send_id: str
    template_id: str
    template_version: int
    purpose: Purpose
    audience_id: str = ""
    state: ShownState
    total: int
    by: str
    created_at: datetime
    begins_at: datetime
    agreed: list[Decision]
    recalled: Decision | None = None


class SendView(SendCard, frozen=True, kw_only=True, omit_defaults=True):
    """What a send says, whatever its template says later, and how far it is: of `total` members so many were
    `written_to`, which is to say that a message was queued, or `skipped`, because they are gone, are on the list as
    somebody else, or do not want to be chosen by what they do.

    `messages` are those written to by what became of their message: `queued`, `held`, `sent`, `delivered`, `failed`,
    `unknown`, `dropped`; `media` tells the same of each medium, and `dropped` why.
    """

    text: str
    values: dict[str, str] = {}
    written_to: int
    skipped: int
    messages: dict[str, int]
    media: dict[str, dict[str, int]]
    dropped: dict[str, int]


def send_card(send: Send) -> SendCard:
    """Show a send in a list."""
    return SendCard(**_shared(send, parts(send.send_id)))


def send_view(send: Send) -> SendView:
    """Show how far a send is, by its parts and by what its messages count. Two reads."""
    known = parts(send.send_id)
    told = counts(source_of(send.send_id))
    written_to = sum(part.queued for part in known)
    return SendView(
        **_shared(send, known), text=_text(send), values=send.values, written_to=written_to,
        skipped=sum(part.skipped for part in known), messages=_by_state(told, written_to), media=_by_medium(told),
        dropped=_by_reason(told),
    )  # fmt: skip


def _text(send: Send) -> str:
    """What its messages say, but for what each member has of their own; "" where its template is gone."""
    template = template_at(send.template_id, send.template_version) if send.template_version else None
    return "" if template is None else rendered(template.text, send.values)


def _shared(send: Send, known: Sequence[Part]) -> dict[str, Any]:
    return {
        "send_id": send.send_id, "template_id": send.template_id, "template_version": send.template_version,
        "purpose": send.purpose, "audience_id": send.audience_id, "state": shown_state(send, known, clock.now()),
        "total": send.total, "by": send.by, "created_at": send.made_at, "begins_at": send.begins_at,
        "agreed": send.agreed, "recalled": send.recalled,
    }  # fmt: skip


def _by_state(told: Mapping[str, int], written_to: int) -> dict[str, int]:
    """Count by state; what is counted in none is queued still, or on its way."""
    found: dict[str, int] = defaultdict(int)
    for name, count in told.items():
        found[name.partition("|")[2].partition(":")[0]] += count
    waiting = max(0, written_to - sum(told.values()))
    return {"queued": waiting, **found} if waiting else dict(found)


def _by_medium(told: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, count in told.items():
        medium, _, state = name.partition("|")
        if medium != "-":
            found[medium][state.partition(":")[0]] += count
    return {medium: dict(states) for medium, states in found.items()}


def _by_reason(told: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name, count in told.items():
        state, _, reason = name.partition("|")[2].partition(":")
        if state == _DROPPED:
            found[reason] += count
    return dict(found)
