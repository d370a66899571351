"""What was the former member's is moved to whom they are now, owner after owner, each in small steps.

Each owner moves what is left, so that all may be begun again whenever something failed, or came in late.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import service as members
from chalicelib.customers.members.merging.queries import stored
from chalicelib.customers.members.merging.tables import Merges, merge_item
from chalicelib.customers.members.ports import DataOwner, data_owners
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import MOVED, Members, addresses_key
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: How long what waits for something else to end waits, in seconds, from and to: a tenth of what it has waited. A
#: withdrawal may stand open for weeks, and each time all owners are asked.
_WAIT_SECONDS, _WAIT_SECONDS_MAX = 60.0, 3600.0
_WAIT_PART = 10
#: And until it is looked again who somebody is, who became another in this moment.
_AGAIN_SECONDS = 1.0


def absorb(job: Job) -> None:
    """Move what is the former member's to whom they are now, owner after owner; again from the start when one of them
    fails, as each moves what is left. Of who has left meanwhile nothing is: `erase_elsewhere` takes it.

    Raises RetryLater while something must end before it can be moved.
    """
    merge_id, _, which = job.key.partition("|")
    former = job.task.payload["former"]
    member_id = member_queries.resolved(job.task.payload["survivor"])
    if member_queries.current(member_id) is None:
        if member_queries.resolved(member_id) != member_id:
            raise RetryLater(_AGAIN_SECONDS)  # they became another between the two reads: nobody has left
        return  # they could leave only once the first two looks were done, and are erased as the former, too
    wings = {owner.name: _moved(owner, former, member_id) for owner in data_owners()}
    since = _note(merge_id, wings, which != "first")
    if not all(wings.values()):
        raise RetryLater(_pause(since))
    if which != "first":
        _settle(member_queries.resolved(member_id), former)


def _moved(owner: DataOwner, former: str, member_id: str) -> bool:
    """Move all of one kind; False where something has to end first."""
    position: str | None = None
    try:
        while (position := owner.absorb(former, member_id, position)) is not None:
            pass
    except RetryLater:
        return False
    return True


def _pause(since: datetime | None) -> float:
    """Say how long to wait until all is tried again, of a merge of that time (None: it is forgotten), in seconds."""
    waited = (clock.now() - since).total_seconds() / _WAIT_PART if since is not None else _WAIT_SECONDS_MAX
    return min(max(waited, _WAIT_SECONDS), _WAIT_SECONDS_MAX)


def _note(merge_id: str, wings: dict[str, bool], is_last: bool) -> datetime | None:
    """Note how far a merge is; nothing where it is forgotten by now. Give when it was made."""
    done = is_last and all(wings.values())

    def once() -> datetime | None:
        known = stored(merge_id)
        if known is None or known.value.state == "done":
            return None if known is None else known.value.at
        after = msgspec.structs.replace(
            known.value,
            wings=wings,
            state="done" if done else "moving",
            ended_at=clock.now() if done else None,
        )
        tx = Transaction()
        tx.put(merge_item(after, known.version + 1), Merges.version == known.version, Conflict)
        versioned.commit(tx)
        return after.at

    return versioned.retry(once)


def _settle(member_id: str, former: str) -> None:
    """Keep that all of the former member's is the other's by now."""

    def decide(member: Profile, _: Transaction) -> Profile:
        settled = [
            msgspec.structs.replace(one, settled=True) if one.member_id == former else one for one in member.absorbed
        ]
        return member if settled == member.absorbed else msgspec.structs.replace(member, absorbed=settled)

    try:
        members.change_profile(member_id, decide)
    except MallError as fault:
        if fault.code != "unauthenticated":  # they have left meanwhile: nothing is theirs
            raise


def absorb_addresses(former: str, member_id: str, _position: str | None) -> None:
    """Add the former member's addresses to the other's, whose default stays. Those beyond what a book holds stay where
    they are, and are in what the member exports."""

    def once() -> None:
        moved, book = read.batch_get([(Members, (former, MOVED)), addresses_key(member_id)])
        if moved is None or book is None or moved.addresses is None:
            return
        after, rest = book.addresses.with_those_of(moved.addresses)
        if rest == moved.addresses:
            return
        tx = Transaction()
        changes = [Members.addresses.set(after), Members.version.set(book.version + 1)]
        tx.update(*addresses_key(member_id), changes, Members.version == book.version, Conflict)
        left = [Members.addresses.set(rest), Members.version.set(moved.version + 1)]
        tx.update(Members, (former, MOVED), left, Members.version == moved.version, Conflict)
        versioned.commit(tx)

    versioned.retry(once)
