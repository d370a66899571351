"""What of a profile is looked at before others see it, what a verdict makes of it, and where pictures may lie. Pure.

A member's picture lies at WeChat or among the mall's own uploads, or at a host that the merchant names: everybody who
sees it fetches it, and tells that host their address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.core.errors import malformed
from chalicelib.customers.members.refusals import PICTURE_ELSEWHERE, PICTURE_NOT_UPLOADED
from chalicelib.customers.members.rules import PictureCheck, Profile

Host = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.-]+$(?!\n)")]
Suggest = Literal["pass", "review", "risky"]
Shown = Literal["nickname", "avatar_url"]

#: Where WeChat keeps its users' pictures.
WECHAT_HOSTS = ("thirdwx.qlogo.cn", "wx.qlogo.cn", "mmbiz.qpic.cn")
#: How WeChat's own paths of files on a phone begin: nobody else can read them.
_ON_THE_PHONE = ("wxfile:", "http://tmp/", "http://usr/", "http://store/", "https://tmp/", "https://usr/")
_ADDRESS = re.compile(r"https://([A-Za-z0-9.-]+)(?:[/?][!#-;=?-\[\]_a-z~%]*)?")
#: WeChat tells within so long what it found; then it is asked again, so often at most.
VERDICT_WITHIN = timedelta(minutes=30)
ASKS_MAX = 8


class PictureRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Further hosts of members' pictures, beside WeChat's own and the mall's uploads."""

    hosts: Annotated[list[Host], Meta(max_length=20)] = []


def check_address(url: str, hosts: Iterable[str], field: str) -> None:
    """Raise `malformed`, naming the field, for a picture that others could not see or should not fetch."""
    if url.startswith(_ON_THE_PHONE):
        raise malformed(PICTURE_NOT_UPLOADED.at(field))
    if not is_allowed(url, hosts):
        raise malformed(PICTURE_ELSEWHERE.at(field))


def is_allowed(url: str, hosts: Iterable[str]) -> bool:
    """Tell whether a picture lies at WeChat or at one of these hosts."""
    match = _ADDRESS.fullmatch(url)
    return match is not None and match[1].lower() in {*WECHAT_HOSTS, *(host.lower() for host in hosts)}


def said(before: Profile, changes: Mapping[str, Any]) -> Profile:
    """Take over what the member says of themselves. What is emptied, nobody sees any more; what is new waits."""
    after = msgspec.structs.replace(before, **changes)
    new = {field for field in ("nickname", "avatar_url") if getattr(after, field) != getattr(before, field)}
    fields: dict[str, Any] = {"refused": [field for field in before.refused if field not in new]}
    fields |= {f"shown_{field}": "" for field in new if not getattr(after, field)}
    if "avatar_url" in new:
        fields["picture_check"] = None
    return msgspec.structs.replace(after, **fields)


def is_due(profile: Profile, field: Shown) -> bool:
    """Tell whether WeChat has not said yet what it finds of the nickname, or of the picture."""
    value = getattr(profile, field)
    return bool(value) and value != getattr(profile, f"shown_{field}") and field not in profile.refused


def asks_now(profile: Profile, now: datetime) -> bool:
    """Tell whether WeChat is to be asked about the picture now: not while its verdict may still come."""
    asked = profile.picture_check
    waits = asked is not None and (now - asked.asked_at < VERDICT_WITHIN or asked.asks >= ASKS_MAX)
    return is_due(profile, "avatar_url") and not waits


def asked(profile: Profile, trace_id: str, now: datetime) -> Profile:
    """Note that WeChat was asked about the picture."""
    before = profile.picture_check
    check = PictureCheck(trace_id, now, 1 if before is None else before.asks + 1)
    return msgspec.structs.replace(profile, picture_check=check)


def judged(profile: Profile, field: Shown, value: str, suggest: Suggest) -> Profile:
    """Take over what WeChat found of this value, where it still is what the member says.

    A nickname that did not pass stays the member's own. In the place of a risky picture comes the one before it.
    """
    if getattr(profile, field) != value or not is_due(profile, field):
        return profile
    if suggest == "pass":
        return msgspec.structs.replace(profile, **{f"shown_{field}": value})
    if suggest == "risky" and field == "avatar_url":
        return msgspec.structs.replace(profile, avatar_url=profile.shown_avatar_url, picture_check=None)
    return msgspec.structs.replace(profile, refused=[*profile.refused, field])


def verdict_of(message: Mapping[str, Any]) -> Suggest | None:
    """Read what WeChat's event wxa_media_check says of a picture; None where it could not look at it."""
    result = message.get("result")
    suggest = result.get("suggest") if isinstance(result, dict) and str(message.get("errcode") or "0") == "0" else None
    return suggest if suggest in ("pass", "review", "risky") else None


def pictures(profile: Profile) -> set[str]:
    """List the pictures that the profile needs."""
    return {url for url in (profile.avatar_url, profile.shown_avatar_url) if url}
