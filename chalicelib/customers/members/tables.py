"""Members. Tables `members`, `identities`.

| who asks | how | units |
|---|---|---|
| log in | Get identity, Get (member, "profile") | 2 RRU |
| join | BatchGet who they were; Put identity, profile and addresses in one transaction | 2 RRU, 7 WRU |
| join with a unionid; tell it first | Get its identity; Put it in the transaction | 1 RRU, 2 WRU |
| return | the same; Delete that they were here; and what each wing hands on | 2 RRU, 9 WRU |
| leave | Delete identity, profile, addresses; Put "gone", and who they were, in one transaction | 10 WRU |
| who am I | Get (member, "profile") | 1 RRU |
| the address book | Get (member, "addresses") | 1 RRU, 2 when it is full |
| change either | Update under its version, in a transaction, which a lost answer cannot double | 2 WRU per KB |
| what a quote or order needs | BatchGet `profile_key`, `addresses_key` with the rest | 1 RRU each |
| whether a token is still good | by what the call reads anyway, else Get (member, "profile"), remembered | 0.5 RRU |
| call tokens in | Update profile and addresses in one transaction | 4 WRU |
| everybody, by when they joined | Query by_joining in each shard | 0.5 RRU per 4 KB, some 40 members |
| who has a nickname that begins so; whose phone ends so | Query by_name, by_phone_end | 0.5 RRU per 4 KB, some 30 |
| give, change or take back a nickname or a phone | + their indexes, as the profile changes | + 1, 2 or 1 WRU |

An identity ("mini:<appid>:<openid>") says which member it is of, so that one person has one member whatever they
log in with, and so that of two first logins at once one wins. A member who was merged into another leaves "moved". The
index of everybody holds keys only, so that no change of a profile is written there too.

What operators find a member by stands beside the profile, and in indexes of keys alone: they cost where it changes, and
nothing at a login or an order; and as the profile goes, nothing of it stays. They are not sharded. The last digits of
phones are ten thousand partitions that are asked for and written alike; a name is written where somebody changes it,
and a thousand in a second would have to take one that begins with the same character.
"""

from __future__ import annotations

import msgspec
from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.core.settings import identity_key, settings
from chalicelib.customers.members.finding.rules import Handles
from chalicelib.customers.members.rules import Addresses, Block, Profile
from chalicelib.customers.members.sessions.rules import CalledIn
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

PROFILE = "profile"
ADDRESSES = "addresses"
#: The part that stays of a person who was erased: that they were here.
GONE = "gone"
#: The part that stays of a member who was merged into another.
MOVED = "moved"


class ByJoining(GlobalSecondaryIndex["Members"]):
    """Everybody, in shards, by when they joined; of a member's parts only the profile stands here."""

    class Meta:
        index_name = "by_joining"
        projection = KeysOnlyProjection()

    roster = UnicodeAttribute(hash_key=True)
    joined = UnicodeAttribute(range_key=True)


class ByName(GlobalSecondaryIndex["Members"]):
    """Members with a nickname, under its first character, by the form in which it is looked for."""

    class Meta:
        index_name = "by_name"
        projection = KeysOnlyProjection()

    name_start = UnicodeAttribute(hash_key=True)
    name_form = UnicodeAttribute(range_key=True)


class ByPhoneEnd(GlobalSecondaryIndex["Members"]):
    """Members with a phone, under its last four digits, by when they joined."""

    class Meta:
        index_name = "by_phone_end"
        projection = KeysOnlyProjection()

    phone_end = UnicodeAttribute(hash_key=True)
    joined = UnicodeAttribute(range_key=True)


class Members(Table):
    """The parts of a member; which document is there follows from the part."""

    class Meta(TableMeta):
        table_name = name("members")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    profile = Document(Profile, null=True)
    addresses = Document(Addresses, null=True)
    version = NumberAttribute()
    # part "addresses": what the profile has of it, so that a call that reads but these need not read that, too
    called_in = Document(CalledIn, null=True)
    # part "moved": whom they were merged into; never one who was merged themselves
    moved_to = UnicodeAttribute(null=True)
    #: And whose the tokens of their login are, where it was taken out again; what was theirs stays with the other.
    login_to = UnicodeAttribute(null=True)
    # part "profile"
    roster = UnicodeAttribute(null=True)
    joined = UnicodeAttribute(null=True)
    #: What operators find the member by (finding/rules.py).
    name_start = UnicodeAttribute(null=True)
    name_form = UnicodeAttribute(null=True)
    phone_end = UnicodeAttribute(null=True)

    by_joining = ByJoining()
    by_name = ByName()
    by_phone_end = ByPhoneEnd()


class Identities(Table):
    """The member that an openid belongs to. And, of one who left, who they were, until when they are known, and that
    they are blocked: under a digest of the identity that only the mall's key makes ("left:"). Of who left while they
    were blocked, an older version kept the block under a digest without a key ("blocked:")."""

    class Meta(TableMeta):
        table_name = name("identities")

    identity = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(null=True)
    #: Whom the tokens of this login are made for, where that is another than the member: who had it before they were
    #: merged.
    subject = UnicodeAttribute(null=True)
    blocked = Document(Block, null=True)
    # under "left:"
    until = UnicodeAttribute(null=True)
    #: Rubbish from then on; of the blocked it is kept for ever.
    expires = TTLAttribute(null=True)


def profile_key(member_id: str) -> Key:
    """Name the item of a member's profile."""
    return Members, (member_id, PROFILE)


def profile_item(profile: Profile) -> Members:
    """Make the item of the profile of a member who joins."""
    known_by = Handles.of(profile)
    return Members(
        profile.member_id,
        PROFILE,
        name_start=known_by.name_start,
        name_form=known_by.name_form,
        phone_end=known_by.phone_end,
        profile=profile,
        version=1,
        roster=roster(ids.shard(profile.member_id, settings().member_shards)),
        joined=f"{clock.stamp(profile.joined_at)}|{profile.member_id}",
    )


def found_anew(before: Profile, after: Profile) -> list[Action]:
    """Have operators find the member by what the profile says after a change; nothing where that is the same."""
    now, then = msgspec.structs.asdict(Handles.of(after)), msgspec.structs.asdict(Handles.of(before))
    changed: list[tuple[UnicodeAttribute, str | None]] = [
        (getattr(Members, field), value) for field, value in now.items() if value != then[field]
    ]
    return [attribute.remove() if value is None else attribute.set(value) for attribute, value in changed]


def roster(shard: int) -> str:
    """Name one shard of everybody."""
    return f"r{shard}"


def addresses_key(member_id: str) -> Key:
    """Name the item of a member's addresses."""
    return Members, (member_id, ADDRESSES)


def left_identity(identity: str) -> str:
    """Name where it is kept who had this identity before, and left."""
    return f"left:{ids.keyed(identity_key(), identity)}"


def blocked_identity(identity: str) -> str:
    """Name where an older version kept that this identity is blocked, beyond the member that it was."""
    return f"blocked:{ids.digest(identity.encode())}"


def mini_identity(appid: str, openid: str) -> str:
    """Name the identity of a user of the mini-program."""
    return f"mini:{appid}:{openid}"


def identities_of(profile: Profile) -> list[str]:
    """Name all identities of the member: their own login's first."""
    own = [mini_identity(settings().wechat_appid, profile.openid)] if profile.openid else []
    return [*own, *(one.key for one in profile.identities)]


def identity_id(key: str) -> str:
    """Name an identity for operators, who are not shown what it is."""
    return ids.digest(key.encode())


def union_identity(unionid: str) -> str:
    """Name the identity of a WeChat account, within the merchant's account at the open platform."""
    return f"union:{settings().wechat_open_platform}:{unionid}"


def oa_identity(openid: str) -> str:
    """Name the identity of who follows the official account."""
    return f"oa:{settings().wechat_oa_appid}:{openid}"


def phone_identity(phone: str) -> str:
    """Name the identity of who has this telephone: nobody reads the number from it."""
    return f"phone:{ids.keyed(identity_key(), f'phone:{phone}')}"
