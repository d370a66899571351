"""What platforms tell is done, or kept in a job, before they are answered; told again, it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.core import clock, ids, log
from chalicelib.core.settings import settings
from chalicelib.customers.members.finding.queries import by_phone_end, whoever_is
from chalicelib.customers.members.finding.rules import phone_end
from chalicelib.customers.members.identities.service import owner_of
from chalicelib.customers.members.tables import mini_identity, oa_identity, phone_identity
from chalicelib.gateways.sms.reports import Receipt, Reply
from chalicelib.growth.messaging.allowances import service as allowances
from chalicelib.growth.messaging.allowances.rules import Said
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.hearing.rules import Account, mark_of, opens_shortly, wants_no_more
from chalicelib.growth.messaging.jobs import TAKE_RECEIPT
from chalicelib.growth.messaging.receipts import service as receipts
from chalicelib.growth.messaging.rules import Medium
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit

#: How many receipts one transaction keeps.
_TOGETHER = 50
#: How long the number of a message may be unknown here, which its platform names, and how often that is looked at: the
#: call that sent it has not been answered, or its answer is lost.
_UNKNOWN_FOR, _AGAIN_SECONDS = timedelta(minutes=10), 15.0
_PAGE = 100


def heard(account: Account, openid: str, fields: Mapping[str, Any], at: datetime) -> bool:
    """Do what follows from what WeChat tells of one of its users: they chose, wrote, or came. Whether it is any of what
    is heard here. Raises `conflict`, `unavailable`: then WeChat tells it again."""
    from chalicelib.gateways.wechat.messages import sent  # cryptography: only who is told something pays for it

    event = str(fields.get("Event") or "")
    match account, event:
        case "mini", "subscribe_msg_popup_event" | "subscribe_msg_change_event":
            _chosen(openid, event, fields)
        case "oa", "TEMPLATESENDJOBFINISH":
            _keep([("oa", "", one.number, not one.code, one.code) for one in sent(fields)])
        case "oa", "unsubscribe":
            member_id = _owner(account, openid)
            if member_id is not None:
                contacts.opt_out(member_id, "oa", "unsubscribe", at, mark_of(fields))
        case _:
            if (account, event) == ("oa", "subscribe") and (member_id := _owner(account, openid)) is not None:
                contacts.follows_again(member_id, at)
            return _opened(account, openid, event, fields, at)
    return True


def _chosen(openid: str, event: str, fields: Mapping[str, Any]) -> None:
    """Count what the user lets through; what they take from the mall in WeChat's settings is gone at once. That they do
    not want one message now says nothing of others."""
    member_id = _owner("mini", openid)
    if member_id is None:
        return
    from chalicelib.gateways.wechat.messages import choices

    said = choices(fields)
    mark, is_change = mark_of(fields), event == "subscribe_msg_change_event"
    accepted = [Said(one.template_id, "accept", f"{mark}|{one.index}") for one in said if one.accepts]
    if accepted and not is_change:  # by a yes in the settings nothing is let through yet
        allowances.heard(member_id, openid, accepted)
    for one in said:
        if is_change and not one.accepts:
            allowances.switched_off(member_id, openid, Said(one.template_id, "reject", f"{mark}|{one.index}"))


def _opened(account: Account, openid: str, event: str, fields: Mapping[str, Any], at: datetime) -> bool:
    """Note that the account may answer who has written, or come to it just now."""
    from chalicelib.gateways.wechat.messages import opens_window

    writes = opens_window(fields)
    if not writes and not opens_shortly(account, event):
        return False
    member_id = _owner(account, openid)
    if member_id is not None:
        contacts.wrote(member_id, account, openid, "message" if writes else "follow", at, mark_of(fields))
    return True


def _owner(account: Account, openid: str) -> str | None:
    key = oa_identity(openid) if account == "oa" else mini_identity(settings().wechat_appid, openid)
    return owner_of(key) if openid else None


def told(reports: Sequence[Receipt | Reply]) -> None:
    """Keep what a vendor of SMS tells of its messages, and have nobody written to any more who replies so. Raises
    `conflict`, `unavailable`: then the vendor tells it again."""
    _keep([("sms", one.message_id, one.ref, one.delivered, one.code) for one in reports if isinstance(one, Receipt)])
    for one in reports:
        if isinstance(one, Reply):
            _replied(one)


def _replied(reply: Reply) -> None:
    """Whoever has this phone gets no SMS any more, if that is what they say: families share one."""
    if not wants_no_more(reply.text):
        log.info("sms_reply_let_go")
        return
    for member_id in _with_phone(reply.phone):
        contacts.opt_out(member_id, "sms", "reply", reply.at, f"sms|{clock.stamp(reply.at)}")


def _with_phone(phone: str) -> set[str]:
    """Find all members with this phone: whose identity it is, and who gave it without being known by it."""
    owner = owner_of(phone_identity(phone))
    found = {owner} if owner is not None else set()
    digits, after = phone_end(phone), None
    while digits is not None:
        page, after = by_phone_end(digits, _PAGE, after)
        members = [member for each in page if (member := whoever_is(each)) is not None]
        found |= {member.member_id for member in members if member.phone == phone}
        if after is None:
            break
    return found


def _keep(news: Sequence[tuple[Medium, str, str, bool, str]]) -> None:
    """Owe that what is told of messages be noted: each by its medium, its id or its platform's, whether it was
    delivered, and why not."""
    told_at = clock.stamp(clock.now())
    for start in range(0, len(news), _TOGETHER):
        tx = Transaction()
        for key, one in {_digest(one): one for one in news[start : start + _TOGETHER]}.items():
            medium, message_id, ref, delivered, code = one
            schedule(
                tx, TAKE_RECEIPT, key, None, medium=medium, message_id=message_id, ref=ref,
                delivered="yes" if delivered else "", code=code[:64], told_at=told_at,
            )  # fmt: skip
        commit(tx)


def _digest(one: tuple[Medium, str, str, bool, str]) -> str:
    return ids.digest("|".join(map(str, one)).encode())


def take_receipt(job: Job) -> None:
    """Note what became of a message; a little later again where no message is known yet by the number that is named."""
    said = job.task.payload
    medium: Medium = said["medium"]  # type: ignore[assignment]
    is_known = receipts.receive(
        medium, message_id=said["message_id"], ref=said["ref"], delivered=bool(said["delivered"]), code=said["code"]
    )
    if is_known:
        return
    if clock.now() < clock.from_stamp(said["told_at"]) + _UNKNOWN_FOR:
        raise RetryLater(_AGAIN_SECONDS)
    log.info("receipt_of_nothing", medium=medium)
