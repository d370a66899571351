"""What is known of who had an identity before. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.customers.members.rules import Block

#: The reason that a block has after its member has left: an operator's own words about them go with the account.
BLOCKED_BEFORE = "注销前已停用 (blocked before the account was deleted)"


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """Who had the identity before, the last time, and until when they are known; `blocked`, where they were. As an
    older version kept it, a block alone (`by_older`)."""

    member_id: str | None = None
    until: datetime | None = None
    blocked: Block | None = None
    by_older: bool = False

    def known(self, now: datetime) -> str | None:
        """Give the member that who comes now was, and still counts as; None for one who is new, or is so again."""
        return self.member_id if self.until is not None and now < self.until else None


def kept_block(block: Block | None) -> Block | None:
    """Give what stays of a member's block when they leave: that it is, and since when."""
    return None if block is None else Block(BLOCKED_BEFORE, block.at)
