"""Reads by which operators find members: ids by nickname, by phone, by identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.core.settings import settings
from chalicelib.customers.members.identities.service import owner_of
from chalicelib.customers.members.queries import current, resolved
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import Members, mini_identity, oa_identity, union_identity
from chalicelib.platform.store import read

#: How the key of an identity within the mall's own app, account or platform is made of its id there, by its kind.
_OWN: dict[str, Callable[[str], str]] = {
    "mini": lambda openid: mini_identity(settings().wechat_appid, openid),
    "oa": oa_identity,
    "union": union_identity,
}


def by_name(form: str, limit: int, after: Any) -> tuple[list[str], Any]:
    """List ids of members whose nickname begins with this form, in its order, and where to go on (None: no more).

    From an index: who changed theirs, or left, this moment may be as they were.
    """
    where = Members.name_form.startswith(form)
    items, rest = read.query(Members, form[:1], index=Members.by_name, where=where, limit=limit, after=after)
    return [raw["member_id"]["S"] for raw in items], rest


def by_phone_end(digits: str, limit: int, after: Any) -> tuple[list[str], Any]:
    """List ids of members whose phone ends with these four digits, those who joined first at the front, and where to go
    on (None: no more). From an index, as `by_name`."""
    items, rest = read.query(Members, digits, index=Members.by_phone_end, limit=limit, after=after)
    return [raw["member_id"]["S"] for raw in items], rest


def by_identity(identity: str) -> str | None:
    """Find whose identity this is, written as "kind:id" within the mall's own apps, or as its whole key; None where it
    is nobody's."""
    kind, _, own = identity.partition(":")
    name = None if ":" in own else _OWN.get(kind)
    return owner_of(identity if name is None else name(own))


def whoever_is(member_id: str) -> Profile | None:
    """Find the member of this id, or whom they were merged into, as they are now; None where there is none."""
    found = current(member_id)
    if found is None and (now := resolved(member_id)) != member_id:
        found = current(now)
    return found
