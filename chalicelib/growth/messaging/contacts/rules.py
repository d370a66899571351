"""What changes in how a member may be written to: by a send, by what they write, by a merge. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from chalicelib.growth.messaging.limits.rules import recent
from chalicelib.growth.messaging.preferences.rules import remembered, strictest
from chalicelib.growth.messaging.rules import LOG_MAX, Contact, Logged, Message, Window

#: The accounts that a member may write to.
Account = Literal["oa", "mini"]
#: How long an account may answer, and how often, by what the member did: they wrote, or followed, scanned, tapped a
#: menu. Source: developers.weixin.qq.com, "客服接口-发消息".
OPENED: dict[str, tuple[timedelta, int]] = {
    "message": (timedelta(hours=48), 5),
    "follow": (timedelta(minutes=1), 3),
}
HEARD_MAX = 32


def with_mark(heard: Sequence[str], mark: str) -> list[str]:
    """Remember that an event is done; the oldest are forgotten."""
    return [*heard, mark][-HEARD_MAX:]


def opened(contact: Contact, account: Account, openid: str, by: str, at: datetime, mark: str) -> Contact:
    """Open the window of an account by what the member did at that time; the same where this is done already, or a
    longer one is open."""
    if mark in contact.heard:
        return contact
    span, count = OPENED[by]
    before: Window | None = getattr(contact, account)
    fields: dict[str, Any] = {"heard": with_mark(contact.heard, mark)}
    if before is None or before.until <= at + span or before.openid != openid:
        fields[account] = Window(openid, at + span, count)
    return msgspec.structs.replace(contact, **fields)


def closed(contact: Contact, account: Account) -> Contact:
    """Note that the account may not write to the member now, as its platform says."""
    gone: dict[str, Any] = {account: None}
    return msgspec.structs.replace(contact, **gone)


def taken(contact: Contact, message: Message, at: datetime) -> Contact:
    """Take what a message needs of the contact: a place in the log, unless it is transactional, and one of the window's
    texts. The same where it needs neither."""
    assert message.medium is not None and message.reserved is not None
    after = contact
    if message.purpose != "transactional":
        entry = Logged(at, message.medium, message.purpose, message.message_id)
        after = msgspec.structs.replace(after, log=[*recent(after.log, at), entry][-LOG_MAX:])
    return _moved(after, message.reserved.window, -1) if message.reserved.window else after


def given_back(contact: Contact, message: Message) -> Contact:
    """Give back what a message has taken of the contact."""
    log = [one for one in contact.log if one.message_id != message.message_id]
    after = msgspec.structs.replace(contact, log=log) if len(log) != len(contact.log) else contact
    window = "" if message.reserved is None else message.reserved.window
    return _moved(after, window, 1) if window else after


def _moved(contact: Contact, account: str, more: int) -> Contact:
    window: Window | None = getattr(contact, account)
    if window is None:
        return contact
    fields: dict[str, Any] = {account: msgspec.structs.replace(window, left=max(0, window.left + more))}
    return msgspec.structs.replace(contact, **fields)


def joined(one: Contact, other: Contact) -> Contact:
    """Join how one person may be written to whom the mall knew as two: opt-outs of either hold, all that was sent to
    either counts, and of two windows the longer one is theirs. Done again, it changes nothing."""
    log = {each.message_id: each for each in (*one.log, *other.log)}
    return Contact(
        preferences=strictest(one.preferences, other.preferences),
        said=remembered([*one.said, *other.said]),
        log=sorted(log.values(), key=lambda each: (each.at, each.message_id))[-LOG_MAX:],
        oa=_longer(one.oa, other.oa),
        mini=_longer(one.mini, other.mini),
        heard=list(dict.fromkeys([*one.heard, *other.heard]))[-HEARD_MAX:],
    )


def _longer(one: Window | None, other: Window | None) -> Window | None:
    windows = [window for window in (one, other) if window is not None]
    return max(windows, key=lambda window: (window.until, -window.left, window.openid), default=None)
