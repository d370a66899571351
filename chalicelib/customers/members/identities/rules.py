"""What identities are: of which kind, how they were proved, and what follows from two members' having one. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["mini", "union", "oa", "wecom", "phone"]
#: How it is known that an identity is the member's: WeChat said so at a login, as they followed the account, by the
#: number that they agreed to give; WeCom did; or an operator moved it.
Evidence = Literal["login", "follow", "phone", "wecom", "operator"]
#: What an identity proves. One WeChat account wherever it is met; one within that app, account or company; or only that
#: somebody has the same telephone, which families share.
Trust = Literal["account", "within", "candidate"]

#: By what two members turned out to be one: WeChat's unionid, the number that both gave, a code of one entered in the
#: other, or operators.
How = Literal["unionid", "phone", "code", "operator"]

_TRUST: dict[Kind, Trust] = {
    "union": "account",
    "mini": "within",
    "oa": "within",
    "wecom": "within",
    "phone": "candidate",
}


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One identity of a member: its key in the table of identities, and since when it is known by what."""

    key: str
    evidence: Evidence
    at: datetime

    @property
    def kind(self) -> Kind:
        """Which kind of identity it is."""
        return kind_of(self.key)


def kind_of(key: str) -> Kind:
    """Tell the kind of an identity by its key, which begins with it."""
    kind = key.partition(":")[0]
    assert kind in _TRUST
    return kind


def trust_of(key: str) -> Trust:
    """Tell what an identity proves (docs/identity.md): only `account` makes two members one without anybody's act."""
    return _TRUST[kind_of(key)]


def is_login(key: str) -> bool:
    """Tell whether somebody comes by this identity: logs in, or follows the official account."""
    return kind_of(key) in ("mini", "oa")


class Absorbed(msgspec.Struct, frozen=True, kw_only=True):
    """A member who turned out to be this one: the id that they had, the openid of their own login ("" of one who never
    logged in to the mini-program, or has that login no more), when and how they became one, whether all that was theirs
    is moved, and whether their login was taken out again: what was theirs until then stays. `formerly` are the ids by
    which that login had gone before, as one that was taken out of another."""

    member_id: str
    openid: str
    at: datetime
    how: How
    merge_id: str
    settled: bool = False
    detached: bool = False
    formerly: list[str] = []


#: How many members may ever be merged into one: a telephone of a shop's staff joins strangers.
ABSORBED_MAX = 8
