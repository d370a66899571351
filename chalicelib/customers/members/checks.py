"""What must hold of members and the ids that they are known by, recomputed from what is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chalicelib.core.difference import Difference


class Person(msgspec.Struct, frozen=True):
    """Of a member: the keys of the identities that the profile names, and the ids that lead to them."""

    identities: list[str]
    absorbed: list[str]


class Records(msgspec.Struct, frozen=True):
    """Everybody, by id; whose each identity is; and to whom each id leads of who became another."""

    persons: dict[str, Person]
    identities: dict[str, str]
    moved: dict[str, str]


def audit(records: Records) -> list[Difference]:
    """Find every difference: an identity is of a member who is there and knows it; who became another leads to them in
    one step, and is nobody themselves."""
    return [*_identities(records), *_moved(records.persons, records.moved)]


def _identities(records: Records) -> list[Difference]:
    found = [
        Difference(member_id, "has an identity and is not there")
        for member_id in sorted({*records.identities.values()} - records.persons.keys())
    ]
    for member_id, person in records.persons.items():
        others = [key for key in person.identities if records.identities.get(key) != member_id]
        kinds = [key.partition(":")[0] for key in others]
        found += [Difference(member_id, f"is known by an identity ({kind}) that is not theirs") for kind in kinds]
    return found


def _moved(persons: Mapping[str, Person], moved: Mapping[str, str]) -> list[Difference]:
    found: list[Difference] = []
    for former, member_id in moved.items():
        if former in persons:
            found.append(Difference(former, "became another, and is there all the same"))
        if member_id not in persons:
            found.append(Difference(former, "became somebody who is not there"))
    for member_id, person in persons.items():
        lost = [former for former in person.absorbed if moved.get(former) != member_id]
        found += [Difference(former, f"became {member_id}, and does not lead to them") for former in lost]
    return found
