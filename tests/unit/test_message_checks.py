"""The audit of messages finds what was planted, and nothing in what is sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.growth.messaging.checks import Records, audit
from chalicelib.growth.messaging.rules import Contact, Logged, Message, Reserved

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
SENT = NOW - timedelta(days=1)


def message(message_id: str, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "message_id": message_id, "member_id": "m1", "template_id": "t", "purpose": "service", "source": "send:1",
        "queued_at": SENT, "expires_at": NOW, "state": "sent", "medium": "sms", "sending_at": SENT, "sent_at": SENT,
        "ended_at": SENT, "cost_fen": 5,
    }  # fmt: skip
    return Message(**{**fields, **changes})


HELD = message("h", state="held", reason="quiet", sending_at=None, sent_at=None, ended_at=None, cost_fen=0)
GOING = message("g", state="sending", ended_at=None, sent_at=None, purpose="transactional", sending_at=NOW,
                reserved=Reserved(member_id="m1"))  # fmt: skip
SOUND = Records(
    messages=[message("a"), HELD, GOING],
    contacts={"m0": Contact(log=[Logged(SENT, "sms", "service", "a"), Logged(SENT, "sms", "service", "gone")])},
    allowances=[("m1", 0)],
    counts={"send:1": {"sms|sent": 2, "sms|held": 1}},
    spent={"2026-11-29": 5, "2026-11-30": 10},
    moved={"m0": "m1"},
)


def test_nothing_is_found_in_what_is_sound() -> None:
    assert audit(SOUND, NOW) == []
    assert audit(Records(), NOW) == []


@pytest.mark.parametrize(
    ("changes", "at", "said"),
    [
        ({"counts": {"send:1": {"sms|sent": 0, "sms|held": 1}}}, NOW, "1 messages are sms|sent, 0 are counted"),
        ({"counts": {"send:1": {"sms|sent": 1, "sms|held": 2}}}, NOW, "1 messages are sms|held, 2 are counted"),
        ({"contacts": {}}, NOW, "counts for no cap"),
        ({"contacts": {}, "allowances": [("m1", -1)]}, None, "-1 messages let through"),
        ({"spent": {"2026-11-29": 4, "2026-11-30": 5}}, NOW, "SMS cost 5 fen, 4 are counted"),
        ({"messages": [message("a", state="dropped")]}, None, "logged as sent by sms, and is dropped"),
        ({"messages": [message("a", medium="oa")]}, None, "logged as sent by sms"),
        ({"messages": [message("a", purpose="transactional")]}, None, "an order's notice counts"),
        ({"contacts": {"m1": Contact(log=[Logged(SENT, "sms", "service", "a")] * 2)}}, NOW, "logged twice"),
        ({"messages": [message("a", ended_at=None)]}, NOW, "ended at None"),
        ({"messages": [message("a", reserved=Reserved(member_id="m1"))]}, NOW, "reserved"),
        ({"messages": [msgspec.structs.replace(GOING, sending_at=SENT)]}, NOW, "has been sending since"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_planted_is_found(changes: dict[str, Any], at: datetime | None, said: str) -> None:
    found = audit(msgspec.structs.replace(SOUND, **changes), at)
    assert any(said in one.what for one in found), found
