"""A merge, as operators see it and as the member does."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.customers.members.identities.rules import How
from chalicelib.customers.members.merging.rules import Merge, State


class MergeCode(msgspec.Struct):
    """Six digits to be entered in the other login, and until when they are good."""

    code: str
    expires_at: datetime


class OwnMerge(msgspec.Struct):
    """What became of the two logins of a member."""

    merge_id: str
    state: State


class OwnMergeData(msgspec.Struct, omit_defaults=True):
    """That the mall has held the member and another account for one person, or may; how that is known, and what
    operators have written of it, and of taking the other out again."""

    merge_id: str
    state: State
    how: How
    at: datetime
    reason: str | None = None
    detached_because: str | None = None


def own_merge_data(merge: Merge) -> OwnMergeData:
    """Show a merge to the member who exports it, who is not shown whom the other account was."""
    return OwnMergeData(merge.merge_id, merge.state, merge.how, merge.at, merge.reason, merge.detached_because)


class MergeView(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """That two members are one person, or may be: who becomes whom, how that is known, who decided and why, and of what
    all is moved."""

    merge_id: str
    from_: str
    to: str
    evidence: How
    state: State
    at: datetime
    by: str | None
    proposed_by: str | None
    reason: str | None
    ended_at: datetime | None
    detached_at: datetime | None
    detached_because: str | None
    wings: dict[str, bool]


class Detached(msgspec.Struct):
    """The new member of an identity that was taken out of another."""

    member_id: str


def merge_view(merge: Merge) -> MergeView:
    """Show a merge to an operator."""
    return MergeView(
        merge_id=merge.merge_id,
        from_=merge.former,
        to=merge.survivor,
        evidence=merge.how,
        state=merge.state,
        at=merge.at,
        by=merge.by,
        proposed_by=merge.proposed_by,
        reason=merge.reason,
        ended_at=merge.ended_at,
        detached_at=merge.detached_at,
        detached_because=merge.detached_because,
        wings=merge.wings,
    )
