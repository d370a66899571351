"""Members. Tables `members`, `identities`.

| who asks | how | units |
|---|---|---|
| log in | Get identity, Get (member, "profile") | 2 RRU |
| join | Put identity, profile and addresses in one transaction | 6 WRU |
| who am I | Get (member, "profile") | 1 RRU |
| the address book | Get (member, "addresses") | 1 RRU, 2 when it is full |
| change either | Update under its version, in a transaction, which a lost answer cannot double | 2 WRU per KB |
| what a quote or order needs | BatchGet `profile_key`, `addresses_key` with the rest | 1 RRU each |

An identity ("mini:<appid>:<openid>") says which member it is of, so that one person has one member whatever they
log in with, and so that of two first logins at once one wins.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.members.rules import Addresses, Profile
from chalicelib.store.base import Document, Table, TableMeta, name
from chalicelib.store.read import Key

PROFILE = "profile"
ADDRESSES = "addresses"


class Members(Table):
    """The parts of a member; which document is there follows from the part."""

    class Meta(TableMeta):
        table_name = name("members")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    profile = Document(Profile, null=True)
    addresses = Document(Addresses, null=True)
    version = NumberAttribute()


class Identities(Table):
    """Whose an openid is."""

    class Meta(TableMeta):
        table_name = name("identities")

    identity = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute()


def profile_key(member_id: str) -> Key:
    """Where a member's profile is."""
    return Members, (member_id, PROFILE)


def addresses_key(member_id: str) -> Key:
    """Where a member's addresses are."""
    return Members, (member_id, ADDRESSES)


def mini_identity(appid: str, openid: str) -> str:
    """The identity of a user of the mini-program."""
    return f"mini:{appid}:{openid}"
