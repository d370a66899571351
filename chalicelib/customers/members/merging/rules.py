"""Which of two members becomes the other, what of both is theirs then, and what a merge is. Pure.

Source: docs/identity.md.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.customers.members.consents.rules import CONSENTS_MAX, Consent, Subject
from chalicelib.customers.members.identities.rules import ABSORBED_MAX, Absorbed, How, Identity
from chalicelib.customers.members.rules import INVITES_MAX, Invite, Profile
from chalicelib.customers.members.sessions.rules import CALLED_IN_MAX, CalledIn, all_until

#: A merge is a `candidate` until somebody decides, `proposed` when one operator has, `moving` while what was the former
#: member's is being moved, and `done`.
State = Literal["candidate", "proposed", "moving", "done", "rejected"]
#: For so long a login or another identity can be taken out of a member again.
DETACH_DAYS = 30
_HEARD_MAX = 8
_SUBJECTS: tuple[Subject, ...] = typing.get_args(Subject)


class Merge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That two members are one person, or may be: `former` becomes, or is, the other. `how` it is known, `by` which
    operator and for which `reason`; `wings` says of each kind of thing whether all of it is moved; `detached_because`
    why an identity was taken out of the member again."""

    merge_id: str
    former: str
    survivor: str
    how: How
    state: State
    at: datetime
    by: str | None = None
    reason: str | None = None
    proposed_by: str | None = None
    ended_at: datetime | None = None
    detached_at: datetime | None = None
    detached_because: str | None = None
    wings: dict[str, bool] = {}


def two_logins(one: Profile, other: Profile) -> bool:
    """Tell whether both log in to the mini-program: two accounts of WeChat, which a family may have on one phone. They
    are made one by their own act only, or by two operators."""
    return bool(one.openid and other.openid)


def may_by_itself(one: Profile, other: Profile) -> bool:
    """Tell whether two members with one unionid are made one without anybody's act."""
    return not two_logins(one, other) and not one.apart and not other.apart and has_room(one, other)


def has_room(one: Profile, other: Profile) -> bool:
    """Tell whether one of the two may take the other, and all who were merged into either, into themselves."""
    return len(one.absorbed) + len(other.absorbed) < ABSORBED_MAX


def survivor(one: Profile, other: Profile) -> tuple[Profile, Profile]:
    """Decide who stays and who becomes them, the same whoever asks: who logs in to the mini-program; else who completed
    more orders; else who joined earlier; else the smaller id."""

    def rank(profile: Profile) -> Any:
        return not profile.openid, -profile.orders_completed, profile.joined_at, profile.member_id

    stays, goes = sorted((one, other), key=rank)
    return stays, goes


def merged(stays: Profile, goes: Profile, entry: Absorbed, identities: Iterable[Identity]) -> Profile:
    """Make the one member of both: what the first says of themselves, with the gaps filled from the other; what both
    allow; and what is counted of either. `entry` names the other, `identities` are what they had."""
    both = (stays, goes)
    consents = _consents(stays.consents, goes.consents)
    named = stays if stays.nickname else goes
    pictured = stays if stays.avatar_url else goes
    phone = None if _took_back(consents, "phone") else stays.phone or goes.phone
    return msgspec.structs.replace(
        stays,
        unionid=stays.unionid or goes.unionid,
        nickname=named.nickname,
        shown_nickname=named.shown_nickname,
        avatar_url=pictured.avatar_url,
        shown_avatar_url=pictured.shown_avatar_url,
        refused=[part for part, whose in (("nickname", named), ("avatar_url", pictured)) if part in whose.refused],
        picture_check=pictured.picture_check,
        phone=phone,
        birthday=stays.birthday or goes.birthday,
        tags=sorted({*stays.tags, *goes.tags}),
        joined_at=min(one.joined_at for one in both),
        first_source=min((one.first_source for one in both if one.first_source), key=_when, default=None),
        last_source=max((one.last_source for one in both if one.last_source), key=_when, default=None),
        invites=_invites([*stays.invites, *goes.invites]),
        orders_completed=stays.orders_completed + goes.orders_completed,
        last_completed_at=_latest(one.last_completed_at for one in both),
        last_seen=_latest(one.last_seen for one in both),
        blocked=stays.blocked or goes.blocked,
        consents=consents,
        personalised=stays.personalised and goes.personalised,
        heard=[*goes.heard, *stays.heard][-_HEARD_MAX:],
        closed_at_wechat=_closed(stays, goes),
        called_in=_called_in(stays.called_in, goes.called_in, entry.at),
        returned=stays.returned or goes.returned,
        identities=[*stays.identities, *identities],
        absorbed=[*stays.absorbed, *goes.absorbed, entry],
        follows_oa=stays.follows_oa or goes.follows_oa,
        apart=stays.apart or goes.apart,
    )


def _when(source: Any) -> datetime:
    at: datetime = source.at
    return at


def _latest(instants: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in instants if at is not None), default=None)


def _closed(stays: Profile, goes: Profile) -> datetime | None:
    """When the last of their accounts at WeChat was closed: one that stands keeps the member."""
    if goes.openid and goes.closed_at_wechat is None:
        return None
    return stays.closed_at_wechat


def _invites(both: list[Invite]) -> list[Invite]:
    """The invitations of both, the latest first, each link once."""
    latest: dict[str, Invite] = {}
    for one in sorted(both, key=lambda one: one.at):
        latest[one.token] = one
    return sorted(latest.values(), key=lambda one: one.at, reverse=True)[:INVITES_MAX]


def with_phone(profile: Profile, key: str | None) -> Profile:
    """Have the member be known by no phone but theirs, whose identity has this key (None: they have none)."""
    kept = [one for one in profile.identities if one.kind != "phone" or one.key == key]
    return profile if kept == profile.identities else msgspec.structs.replace(profile, identities=kept)


def _called_in(one: CalledIn | None, other: CalledIn | None, at: datetime) -> CalledIn | None:
    """What of either's tokens is void stays so; where one was logged out everywhere, both are, up to then; and where
    there are too many to keep, all are up to now."""
    if one is None or other is None:
        return one or other
    since = [known.tokens_from for known in (one, other) if known.tokens_from is not None]
    living = {token: ends for token, ends in {**one.tokens, **other.tokens}.items() if ends > at.timestamp()}
    both = CalledIn(max(since, default=None), living)
    return all_until(both, at) if len(living) > CALLED_IN_MAX else both


def _took_back(consents: Iterable[Consent], what: str) -> bool:
    """Whether the last that was said of this is that it is taken back."""
    said = [one for one in consents if one.what == what]
    return bool(said) and said[-1].withdrawn_at is not None


def _consents(one: list[Consent], other: list[Consent]) -> list[Consent]:
    """What both agreed to, in order of time. What either has taken back last is taken back: the stricter holds."""
    all_of_both = sorted([*one, *other], key=lambda consent: consent.at)
    for what in _SUBJECTS:
        last = [said[-1] for said in ([each for each in side if each.what == what] for side in (one, other)) if said]
        taken_back = [each.withdrawn_at for each in last if each.withdrawn_at is not None]
        if taken_back:
            at = max(taken_back)
            all_of_both = [_over(each, at) if each.what == what else each for each in all_of_both]
    return all_of_both[-CONSENTS_MAX:]


def _over(consent: Consent, at: datetime) -> Consent:
    return msgspec.structs.replace(consent, withdrawn_at=consent.withdrawn_at or max(at, consent.at))


def detachable(entry: Absorbed, now: datetime) -> bool:
    """Tell whether who was merged at that time can still be taken out again: a matter of days."""
    return (now - entry.at).days < DETACH_DAYS
