"""What members keeps of a person: the profile, the address book, and what they have uploaded."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.customers.members.absorbing.service import absorb_addresses
from chalicelib.customers.members.merging.queries import merges_of
from chalicelib.customers.members.merging.tables import Merges
from chalicelib.customers.members.merging.views import own_merge_data
from chalicelib.customers.members.ports import DataOwner, absorbed_already
from chalicelib.customers.members.queries import addresses, profile
from chalicelib.customers.members.tables import MOVED, Members
from chalicelib.mall.files import queries as files
from chalicelib.mall.files.service import absorb, forget, hand_on
from chalicelib.mall.files.tables import owner_of
from chalicelib.mall.files.views import own_upload
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import remove


def _person(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return [msgspec.structs.replace(profile(member_id), called_in=None)], None


def _address_book(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    archived = [
        address
        for moved in read.batch_get([(Members, (one.member_id, MOVED)) for one in profile(member_id).absorbed])
        if moved is not None and moved.addresses is not None
        for address in moved.addresses.items
    ]
    return [*addresses(member_id).items, *archived], None


def _uploads(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = files.of_owner(owner_of(member_id), position)
    return [own_upload(upload) for upload in found], position


def _forget_uploads(member_id: str) -> None:
    forget(owner_of(member_id))


def _hand_on_uploads(former: str, member_id: str) -> None:
    hand_on(owner_of(former), owner_of(member_id))


def _absorb_uploads(former: str, member_id: str, _position: str | None) -> str | None:
    return "" if absorb(owner_of(former), owner_of(member_id)) else None


def _merges(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    person = profile(member_id)
    known_as = [member_id, *person.formerly, *(one.member_id for one in person.absorbed if not one.detached)]
    found = {one.merge_id: one for each in known_as for one in merges_of(each)}
    return [own_merge_data(one) for one in found.values()], None


def _forget_merges(member_id: str) -> None:
    for one in merges_of(member_id):
        remove(Merges, (one.merge_id,))


DATA_OWNERS = (
    DataOwner("profile", _person, absorbed_already),
    DataOwner("addresses", _address_book, absorb_addresses),
    DataOwner("merges", _merges, absorbed_already, erase=_forget_merges),
    DataOwner("uploads", _uploads, _absorb_uploads, erase=_forget_uploads, hand_on=_hand_on_uploads),
)
