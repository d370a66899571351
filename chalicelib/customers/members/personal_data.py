"""What members keeps of a person: the profile and the address book."""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.queries import addresses, profile


def _person(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return [profile(member_id)], None


def _address_book(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return list(addresses(member_id).items), None


DATA_OWNERS = (DataOwner("profile", _person), DataOwner("addresses", _address_book))
