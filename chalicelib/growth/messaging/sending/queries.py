"""Reading all that a message's sending depends on."""

from __future__ import annotations

import re

import msgspec

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.customers.members.finding.queries import whoever_is
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.messaging.contacts.queries import reach
from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.messaging.sending.rules import SPEND_SHARDS, Facts, Person, Terms, bounds_of
from chalicelib.growth.messaging.settings import CAPS, MEDIA, QUIET
from chalicelib.growth.messaging.tables import MessageCounts, spend_key
from chalicelib.growth.messaging.templates.queries import said_by
from chalicelib.platform.store import read

#: What an SMS goes to: a mobile number of the mainland, or one abroad with its country's code (core/phones.py).
_MOBILE = re.compile(r"^(1[3-9][0-9]{9}|\+[0-9]{6,15})$")


class Look(msgspec.Struct, frozen=True):
    """What a message is decided by, and the version of the contact that it was read with."""

    facts: Facts
    contact_version: int


def look(message: Message) -> Look | None:
    """Read what a message is decided by: its template, who its member is by now, and how they may be written to; None
    where there is no such template. Raises MsgspecError for what cannot be read, `unavailable`."""
    template = said_by(message)
    if template is None:
        return None
    message = msgspec.structs.replace(message, purpose=template.purpose)  # which was not known where it was queued
    profile = whoever_is(message.member_id)
    if profile is None:
        return Look(Facts(message=message, template=template, person=None), 0)
    found = reach(profile)
    terms = Terms(CAPS.current(), QUIET.current(), MEDIA.current())
    by_sms = "sms" in (message.media or template.media) and bounds_of(terms.media) is not None
    return Look(
        Facts(
            message=message, template=template, person=person_of(profile), contact=found.contact,
            allowances=found.allowances, terms=terms, spent=spent_on(day_now()) if by_sms else [],
        ),
        found.version,
    )  # fmt: skip


def person_of(profile: Profile) -> Person:
    """Tell how a member can be reached."""
    logins = [profile.openid, *(one.openid for one in profile.absorbed)]
    ours = f"oa:{settings().wechat_oa_appid}:"
    followed = [one.key.removeprefix(ours) for one in profile.identities if one.key.startswith(ours)]
    return Person(
        member_id=profile.member_id,
        blocked=profile.blocked is not None,
        openids=list(dict.fromkeys(openid for openid in logins if openid)),
        oa_openid=followed[-1] if followed and profile.follows_oa else "",
        phone=profile.phone if profile.phone and _MOBILE.match(profile.phone) else "",
    )


def day_now() -> str:
    """Name the day of Asia/Shanghai that it is."""
    return clock.day(clock.now()).isoformat()


def spent_on(day: str) -> list[int]:
    """Read what a day's SMS cost by now, in fen, in each shard; possibly a second old, as whoever spends holds it."""
    keys = [(MessageCounts, spend_key(day, shard)) for shard in range(SPEND_SHARDS)]
    return [0 if item is None else int(item.spent or 0) for item in read.batch_get(keys, consistent=False)]
