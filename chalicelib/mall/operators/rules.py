"""Who may do what, as data; how long a guesser waits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

#: What every operator may do: see who they are, change their own password.
SELF = "self"
OWNER = "owner"

PERMISSIONS: frozenset[str] = frozenset(
    {
        "catalogue.read", "catalogue.write", "stock.write",
        "orders.read", "orders.ship", "orders.refund",
        "freight.read", "freight.write",
        "groups.read", "groups.write",
        "coupons.read", "coupons.write",
        "promotions.read", "promotions.write",
        "distributors.read", "distributors.write",
        "withdrawals.read", "withdrawals.review",
        "settings.read", "settings.write",
        "reconciliation.read", "reconciliation.close",
        "jobs.read", "jobs.retry",
        "members.read", "members.block", "members.tag", "members.merge",
        "segments.read", "segments.write",
        "channels.read", "channels.write",
        "messages.read", "messages.write",
        "journeys.read", "journeys.write",
        "tasks.read", "tasks.write",
        "operators.read", "operators.write",
        "audit.read",
    }
)  # fmt: skip

#: Role -> what it may do, beyond `SELF`.
ROLES: Mapping[str, frozenset[str]] = {
    OWNER: PERMISSIONS,
    "merchandiser": frozenset(
        {
            "catalogue.read",
            "catalogue.write",
            "stock.write",
            "freight.read",
            "settings.read",
            "groups.read",
            "groups.write",
            "coupons.read",
            "coupons.write",
            "promotions.read",
            "promotions.write",
            "distributors.read",
            "distributors.write",
            "segments.read",
            "segments.write",
            "channels.read",
            "channels.write",
            "messages.read",
            "messages.write",
            "journeys.read",
            "journeys.write",
            "tasks.read",
        }
    ),
    "fulfilment": frozenset(
        {"catalogue.read", "stock.write", "orders.read", "orders.ship", "freight.read", "freight.write"}
    ),
    "service": frozenset(
        {
            "catalogue.read",
            "orders.read",
            "orders.refund",
            "freight.read",
            "groups.read",
            "coupons.read",
            "members.read",
            "members.block",
            "members.tag",
            "members.merge",
            "segments.read",
            "channels.read",
            "messages.read",
            "tasks.read",
            "tasks.write",
        }
    ),
    "finance": frozenset(
        {
            "orders.read",
            "orders.refund",
            "distributors.read",
            "withdrawals.read",
            "withdrawals.review",
            "reconciliation.read",
            "reconciliation.close",
            "settings.read",
        }
    ),
    "auditor": frozenset(permission for permission in PERMISSIONS if permission.endswith(".read")),
}

#: Who must have a second factor: those who can appoint others, and those who pay out.
_GREAT_ROLES = frozenset({OWNER, "finance"})

OperatorName = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
#: A new one, in which something can be told apart.
NewName = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[_-]*[A-Za-z0-9][A-Za-z0-9_-]*$(?!\n)")]
Password = Annotated[str, Meta(min_length=12, max_length=128)]

#: Seconds to wait after so many failures in a row: none up to the fourth; the last for all further ones.
_WAIT_SECONDS = (0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600)

#: Characters that are taken for each other on a screen or in a log, after case is folded.
_LOOKS = str.maketrans({"0": "o", "1": "l", "i": "l", "2": "z", "5": "s", "8": "b", "-": None, "_": None})
_LOOK_PAIRS = (("rn", "m"), ("vv", "w"))


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """A person who runs the mall. The password is kept apart from this, and never leaves its table."""

    name: str
    roles: list[str]
    disabled: bool = False
    created_at: datetime
    #: Tokens issued before this are void: the operator logged out then, was disabled, or proves themselves otherwise.
    tokens_from: datetime
    #: Whether a second factor is asked for. Its secret is kept as the password is.
    has_totp: bool = False

    @property
    def permissions(self) -> frozenset[str]:
        """All that the operator's roles allow. A role that is no longer known allows nothing."""
        return frozenset({SELF}).union(*(ROLES.get(role, frozenset()) for role in self.roles))

    @property
    def needs_totp(self) -> bool:
        """Whether the operator's roles are such that a password alone is too little, and there is no second factor."""
        return not self.has_totp and not _GREAT_ROLES.isdisjoint(self.roles)

    def honours(self, issued_at: datetime) -> bool:
        """Whether a token that was issued then still speaks for the operator."""
        return not self.disabled and issued_at >= self.tokens_from

    @property
    def is_active_owner(self) -> bool:
        """Whether the mall may rely on this operator to appoint others."""
        return OWNER in self.roles and not self.disabled


def unknown_roles(roles: Iterable[str]) -> list[str]:
    """List those of `roles` that do not exist."""
    return [role for role in roles if role not in ROLES]


def look(name: str) -> str:
    """Give what a name looks like; of names that look alike one is taken.

    Case is folded; 0 and o, 1, l and i, 2 and z, 5 and s, 8 and b, rn and m, vv and w are one, and hyphens and
    underscores are not seen.
    """
    seen = name.casefold().translate(_LOOKS)
    for pair, one in _LOOK_PAIRS:
        seen = seen.replace(pair, one)
    return seen


def wait_seconds(failures: int) -> int:
    """Say how long a guesser waits after so many failures of their own in a row: 0 for four, then 30 s to 1 h."""
    return _WAIT_SECONDS[min(failures, len(_WAIT_SECONDS) - 1)]
