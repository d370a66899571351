"""What a member has agreed to and when, and what each word of WeChat's takes back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

#: The texts that a member agrees to; `ads`: that another company is told of what an advertisement has brought.
Subject = Literal["privacy", "phone", "ads"]
#: How many consents are remembered: the latest.
CONSENTS_MAX = 50


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a member agreed to a text: what it is about, which version of it, when; and when they took that back.

    `version` is "" where the mini-program did not say which text was shown.
    """

    what: Subject
    version: str
    at: datetime
    withdrawn_at: datetime | None = None


def standing(consents: Sequence[Consent], what: Subject) -> Consent | None:
    """Find the consent to this that holds: the latest, unless it was taken back."""
    latest = next((one for one in reversed(consents) if one.what == what), None)
    return None if latest is None or latest.withdrawn_at is not None else latest


def agreed(consents: list[Consent], what: Subject, version: str, at: datetime) -> list[Consent]:
    """Add that the member agreed to this version; the same as what holds already changes nothing."""
    holds = standing(consents, what)
    if holds is not None and holds.version == version:
        return consents
    return [*consents, Consent(what=what, version=version, at=at)][-CONSENTS_MAX:]


def withdrawn(consents: list[Consent], what: Subject, at: datetime) -> list[Consent]:
    """Note that the member took back what they had agreed to about this; where nothing holds, nothing changes."""
    holds = standing(consents, what)
    if holds is None:
        return consents
    over = msgspec.structs.replace(holds, withdrawn_at=max(at, holds.at))  # WeChat tells whole seconds
    return [over if one is holds else one for one in consents]


#: What a member takes back in WeChat's settings, by the numbers of its event user_authorization_revoke (RevokeInfo),
#: and which parts of a profile were given by it.
REVOKED: dict[str, tuple[str, ...]] = {
    "2": ("addresses",),
    "6": ("nickname", "avatar_url"),
    "8": ("phone",),
    "19": ("nickname",),
    "20": ("avatar_url",),
}


def parts_revoked(said: str) -> set[str]:
    """List the parts of a profile that these numbers, with commas between them, take back; others concern nothing that
    the mall keeps."""
    return {part for number in said.split(",") for part in REVOKED.get(number.strip(), ())}
