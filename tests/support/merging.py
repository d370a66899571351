"""Two logins that become one member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.customers.members import queries
from chalicelib.customers.members.merge_codes import service as merge_codes
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.service import change_profile
from chalicelib.customers.members.sessions.queries import CACHE
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry
from chalicelib.platform.web.tokens import Token
from local.client import Shopper


def redirect(former: str, member_id: str) -> None:
    """From now on the former member is the other one: what a merge does first, in one transaction."""

    def once() -> None:
        stays, goes = queries.stored_profile(member_id), queries.stored_profile(former)
        merge = Merge(merge_id=former, former=former, survivor=member_id, how="code", state="moving", at=clock.now())
        tx = Transaction()
        versions = {member_id: stays.version, former: goes.version}
        merging._redirect(tx, stays.value, goes.value, merge, versions)
        commit(tx)

    retry(once)
    cache.forget(CACHE)


def settle(member_id: str) -> None:
    """All is moved: what a merge says last."""

    def decide(member: Profile, _: Transaction) -> Profile:
        settled = [msgspec.structs.replace(one, settled=True) for one in member.absorbed]
        return msgspec.structs.replace(member, absorbed=settled)

    change_profile(member_id, decide)


def steps(
    owners: Sequence[DataOwner], former: str, member_id: str, waits: tuple[type[Exception], ...] = ()
) -> Iterator[str]:
    """Take the steps of these keepers one by one, each of which gives the name of its keeper. One that raises what
    `waits` names must wait, and is left."""
    for owner in owners:
        position: str | None = None
        while True:
            try:
                position = owner.absorb(former, member_id, position)
            except waits:
                position = None
            yield owner.name
            if position is None:
                break


def absorb(owners: Sequence[DataOwner], former: str, member_id: str, waits: tuple[type[Exception], ...] = ()) -> None:
    """Take all steps of these keepers."""
    for _ in steps(owners, former, member_id, waits):
        pass


def merge(owners: Sequence[DataOwner], former: str, member_id: str, waits: tuple[type[Exception], ...] = ()) -> None:
    """The two become one, and all that these keepers have is moved."""
    redirect(former, member_id)
    absorb(owners, former, member_id, waits)
    settle(member_id)


def code_of(member_id: str, subject: str = "") -> str:
    """The member asks for a code, by a token that was made for them or for this subject; in this process."""
    now = clock.now()
    token = Token(subject or member_id, now, now + timedelta(days=1))
    return merge_codes.issue(member_id, token).code


def merge_by_code(one: Shopper, other: Shopper) -> str:
    """Enter the code of one login in the other; the merge."""
    code = one.post("/v1/me/merge-codes").ok(201)["code"]
    made: str = other.post("/v1/me/merges", {"code": code}).ok(202)["merge_id"]
    return made


def sorted_out(one: Shopper, other: Shopper) -> tuple[Shopper, Shopper]:
    """Tell who stays, and who became them."""
    stays = queries.resolved(one.member_id)
    return (one, other) if stays == one.member_id else (other, one)
