"""A person's data: all of it in one document for them, and its deletion (PIPL art. 45 and 47).

Every wing that keeps something of a member registers itself as a keeper; so the document is whole, and a deletion
reaches everything. What the law wants kept (orders, their money: E-Commerce Law art. 31) stays, without the person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.jobs.job import Job
from chalicelib.jobs.queue import schedule
from chalicelib.members.jobs import ERASE
from chalicelib.members.service import addresses, profile
from chalicelib.members.tables import ADDRESSES, GONE, PROFILE, Identities, Members, mini_identity
from chalicelib.store import cursor as cursors
from chalicelib.store.transaction import ConditionFailed, Transaction

#: Things in one part of the document.
_ITEMS_MAX = 200

#: A page of what is kept of a member, from that position on (None: from the start), and where the next one starts.
Pages = Callable[[str, str | None], tuple[list[Any], str | None]]


class Keeper(msgspec.Struct, frozen=True):
    """A wing that keeps something of members."""

    name: str
    pages: Pages
    hinders: Callable[[str], bool]
    erase: Callable[[str], None]


_keepers: list[Keeper] = []


def keeps(
    name: str,
    pages: Pages,
    hinders: Callable[[str], bool] = lambda _: False,
    erase: Callable[[str], None] = lambda _: None,
) -> None:
    """Register a keeper: what it shows of a member under `name`; whether something there must end before the member may
    go; and how it forgets the person, which may be asked for twice."""
    _keepers.append(Keeper(name, pages, hinders, erase))


class PersonalData(msgspec.Struct):
    """Everything that is kept of a member, by what it is about; `next_cursor` leads to the next part."""

    sections: dict[str, list[Any]]
    next_cursor: str | None = None


def export(member_id: str, given: str | None) -> PersonalData:
    """A part of all that is kept of the member, as large as one answer may be. Raises `unauthenticated`,
    `cursor_invalid`, `unavailable`."""
    listing = f"export:{member_id}"
    number, position = cursors.read(listing, given) or (0, None)
    sections: dict[str, list[Any]] = {}
    room = _ITEMS_MAX
    while number < len(_keepers) and room > 0:
        keeper = _keepers[number]
        items, position = keeper.pages(member_id, position)
        sections.setdefault(keeper.name, []).extend(items)
        room -= len(items)
        number = number if position is not None else number + 1
    return PersonalData(sections, cursors.write(listing, (number, position) if number < len(_keepers) else None))


def erase(member_id: str) -> None:
    """Forget the person: nobody can log in as them from now on, and what other wings keep is made anonymous by a job.

    Raises `account_open`, naming what must end before; `unauthenticated` when it is done already.
    """
    person = profile(member_id)
    hindrances = [keeper.name for keeper in _keepers if keeper.hinders(member_id)]
    if hindrances:
        raise MallError("account_open", hindrances=hindrances)
    tx = Transaction()
    tx.delete(Members, (member_id, PROFILE), Members.version.exists(), MallError("unauthenticated"))
    tx.delete(Members, (member_id, ADDRESSES))
    tx.delete(Identities, (mini_identity(settings().wechat_appid, person.openid),))
    tx.put(Members(member_id, GONE, version=1))
    schedule(tx, ERASE, member_id)
    # Once more, for what was being written in this very moment, or was not in an index yet.
    schedule(tx, ERASE, member_id, clock.now() + timedelta(days=1))
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise MallError("unauthenticated") from fault


def erase_elsewhere(job: Job) -> None:
    """Every wing forgets the person, one after the other; again from the start when one of them fails."""
    for keeper in _keepers:
        keeper.erase(job.key)


def _person(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return [profile(member_id)], None


def _address_book(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return list(addresses(member_id).items), None


keeps("profile", _person)
keeps("addresses", _address_book)
