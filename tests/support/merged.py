"""Two members are made one, without the way there: what a merge leaves of the former, and notes of the other."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.customers.members.identities.rules import Absorbed
from chalicelib.customers.members.service import change_profile
from chalicelib.customers.members.tables import MOVED, PROFILE, Members
from chalicelib.platform.store.transaction import remove, save_new


def becomes(former: str, member_id: str) -> None:
    """The former member is the other one from now on; nothing of what was theirs is moved yet."""
    item = Members.get(former, PROFILE)
    absorbed = Absorbed(
        member_id=former, openid=item.profile.openid, at=clock.now(), how="operator", merge_id="merge-of-test"
    )  # fmt: skip
    remove(Members, (former, PROFILE))
    save_new(Members(former, MOVED, moved_to=member_id, version=1))
    change_profile(
        member_id, lambda member, _: msgspec.structs.replace(member, absorbed=[*member.absorbed, absorbed])
    )  # fmt: skip
