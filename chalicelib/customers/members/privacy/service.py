"""A person's data: all of it in one document for them, and its deletion (PIPL art. 45 and 47).

Every wing that keeps something of a member has a personal_data.py; so the document is whole, and a deletion reaches
everything. What the law wants kept (orders, their money: E-Commerce Law art. 31) stays, without the person.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import BAD_CURSOR
from chalicelib.customers.members.jobs import ERASE
from chalicelib.customers.members.merging.queries import merges_of
from chalicelib.customers.members.merging.tables import Merges
from chalicelib.customers.members.ports import data_owners
from chalicelib.customers.members.queries import stored_profile
from chalicelib.customers.members.refusals import MERGE_UNDER_WAY
from chalicelib.customers.members.returning import service as returning
from chalicelib.customers.members.rules import former_ids, is_settled, login_ids
from chalicelib.customers.members.service import prove
from chalicelib.customers.members.sessions.queries import remember_gone
from chalicelib.customers.members.tables import (
    ADDRESSES,
    GONE,
    MOVED,
    PROFILE,
    Identities,
    Members,
    identities_of,
)
from chalicelib.customers.members.views import PersonalData
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cursors
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many things one part of the document has, before the page that reaches it.
_ITEMS_MAX = 200


def export(member_id: str, cursor: str | None) -> PersonalData:
    """Read a part of all that is kept of the member, as large as one answer may be.

    Raises `unauthenticated`, `cursor_invalid`, `unavailable`.
    """
    listing = f"export:{member_id}"
    owners = {owner.name: owner for owner in data_owners()}
    # The cursor names the next owner: a release in between may have added one, or moved one.
    name, position = cursors.read(listing, cursor) or (next(iter(owners)), None)
    if name not in owners:
        raise MallError("cursor_invalid", errors=(BAD_CURSOR.at("cursor"),))
    names = list(owners)[list(owners).index(name) :]
    sections: dict[str, list[Any]] = {}
    room = _ITEMS_MAX
    while names and room > 0:
        items, position = owners[names[0]].pages(member_id, position)
        sections.setdefault(names[0], []).extend(items)
        room -= len(items)
        names = names if position is not None else names[1:]
    return PersonalData(sections, cursors.write(listing, (names[0], position) if names else None))


def erase_by(member_id: str, code: str, waive_balance: bool) -> None:
    """Forget the person who asks for it with this fresh `code` of wx.login. Raises what `prove` and `erase` raise."""
    prove(member_id, code)
    erase(member_id, waive_balance)


def erase(member_id: str, waive_balance: bool = False) -> None:
    """Forget the person: nobody can log in as them from now on, and what other wings keep is made anonymous by a job.
    What is left of their balance is lost to them, which they must say that they know.

    Raises `account_open`, naming what must end before; `unauthenticated` when it is done already; `conflict`.
    """
    retry(lambda: _erase_once(member_id, waive_balance))


def _erase_once(member_id: str, waive_balance: bool) -> None:
    known = stored_profile(member_id)
    person = known.value
    tx = Transaction()
    hindrances: dict[str, FieldError] = {}
    if not is_settled(person):
        hindrances["merge"] = MERGE_UNDER_WAY.at("member_id")
    for owner in data_owners():
        if owner.blocks_erasure(member_id):
            hindrances[owner.name] = owner.hindrance.at("member_id")
        elif (error := owner.close(member_id, waive_balance, tx)) is not None:
            hindrances[owner.name] = error
    if hindrances:
        raise MallError("account_open", errors=tuple(hindrances.values()), hindrances=list(hindrances))
    # Whoever was merged into them in this moment has to be erased with them, or to be there for what is theirs.
    tx.delete(Members, (member_id, PROFILE), Members.version == known.version, Conflict)
    tx.delete(Members, (member_id, ADDRESSES))
    for identity in identities_of(person):
        tx.delete(Identities, (identity,))
    former = former_ids(person)
    for one in person.absorbed:
        if one.detached:  # whose tokens are somebody else's, who is there
            tx.update(Members, (one.member_id, MOVED), [Members.moved_to.remove()], Members.version.exists(), Conflict)
        else:
            tx.delete(Members, (one.member_id, MOVED))
    for merge in (merge for one in login_ids(person) for merge in merges_of(one)):
        tx.delete(Merges, (merge.merge_id,))
    returning.remember(tx, person)
    for whose in (member_id, *(one.member_id for one in person.absorbed if not one.detached)):
        tx.put(Members(whose, GONE, version=1))
        tx.after_commit(remember_gone, whose)
    schedule(tx, ERASE, member_id, former=",".join(former))
    # Once more, for what was being written in this very moment, or was not in an index yet.
    schedule(tx, ERASE, member_id, clock.now() + timedelta(days=1), former=",".join(former))
    commit(tx)


def erase_elsewhere(job: Job) -> None:
    """Have every wing forget the person, one after the other, also as whoever turned out to be them; again from the
    start when one of them fails."""
    former = job.task.payload.get("former")
    for whose in (job.key, *(former.split(",") if former else ())):
        for owner in data_owners():
            owner.erase(whose)
