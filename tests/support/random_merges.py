"""Two of a random mall turn out to be one, and are taken apart again: as they do it, and how it must have ended."""

from __future__ import annotations

from collections import Counter

from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.customers.members import service
from chalicelib.customers.members.detaching import service as detaching
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.identities.rules import Identity
from chalicelib.customers.members.logins.service import join
from chalicelib.customers.members.merge_codes import service as merge_codes
from chalicelib.customers.members.merging.tables import Merges
from chalicelib.customers.members.returning.rules import Before
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import identity_id, mini_identity, oa_identity, union_identity
from chalicelib.ledger import queries as ledger
from chalicelib.ledger.rules import Balance
from chalicelib.platform.store import tools
from tests.support.merging import code_of
from tests.support.random_deeds import nobody
from tests.support.random_play import Play
from tests.support.random_stage import MEMBERS, home

#: A person may be merged with eight others, try five codes in five minutes, and be gone in this moment.
_MERGE = ("merge_refused", "too_many_requests")
_MEANWHILE = ("already_merged", "merge_conflict", "unauthenticated")


def merge_by_code(play: Play) -> str:
    """Somebody enters a code of one login of theirs in another."""
    one, other = play.chance.sample(MEMBERS, 2)
    if play.caller(one) == play.caller(other):
        return nobody(play)
    codes = (*_MERGE, *(_MEANWHILE if play.crossed else ()))
    told, code = play.attempt("issue", lambda: code_of(play.caller(one), one), codes)
    if code is None:
        return told
    told, merge = play.attempt("redeem", lambda: merge_codes.redeem(play.caller(other), code), codes)
    return told if merge is None else f"{merge.former} is {merge.survivor}"


def follow(play: Play) -> str:
    """Somebody begins to follow the official account, and is granted a coupon."""
    name = ids.new("f")
    known_by = [
        Identity(key=key, evidence="follow", at=clock.now()) for key in (oa_identity(name), union_identity(name))
    ]
    join(oa_identity(name), Profile(member_id=name, openid="", joined_at=clock.now(), identities=known_by), Before())
    template_id = play.chance.choice(sorted(play.mall.templates))
    template = template_queries.load(template_id).value
    told, given = play.attempt("grant", lambda: give(template, name, "grant"), ("sold_out",))
    play.claimed[template_id] += given is not None
    return told or name


def merge_by_unionid(play: Play) -> str:
    """WeChat says of a login which unionid it has: that of somebody who follows."""
    following = [item.member_id for item in identities_of_followers() if item.member_id not in play.became]
    if not following:
        return follow(play)
    name, login = play.chance.choice(sorted(following)), play.chance.choice(MEMBERS)
    member = members.current(play.caller(login))
    assert member is not None
    told, found = play.attempt(
        "recognise", lambda: identities.recognise(member, name), _MEANWHILE if play.crossed else ()
    )
    if found is None:
        return told
    if play.person(name) != found.member_id and not member.apart and len(member.absorbed) < 8:
        play.differs(f"follower {name}", f"is not {found.member_id}")
    return f"{name} is {play.person(name)}"


def identities_of_followers() -> list[Profile]:
    """Everybody who never logged in, as they are kept."""
    from chalicelib.customers.members.tables import PROFILE, Members

    profiles = [item.profile for item in tools.scan(Members) if item.part == PROFILE]
    return [profile for profile in profiles if not profile.openid and not profile.apart]


def order_again(play: Play) -> str:
    """An old token places what it placed before: the answer was lost."""
    if not play.placed:
        return nobody(play)
    order_id = play.pick(play.placed)
    asked = play.placed[order_id].asked
    assert asked is not None
    login, key, body = asked
    theirs = play.person(play.orders[order_id].member_id) == play.caller(login)
    told, order = play.attempt(
        "order again", lambda: placement.place(play.caller(login), key, body, None, login),
        () if theirs and not play.crossed else ("idempotency_key_reused", "unauthenticated"),
    )  # fmt: skip
    if order is not None and (order.order_id != order_id or not theirs):
        play.differs(f"order {order_id}", f"is {order.order_id} when it is placed again, theirs: {theirs}")
    return told or f"again {order_id[:5]}"


def detach(play: Play) -> str:
    """An operator takes a login out again, of whom all is settled."""
    appid = settings().wechat_appid
    merged = [login for login in MEMBERS if play.detached.get(login, login) in play.became]
    if not merged:
        return nobody(play)
    login = play.chance.choice(merged)
    member_id = play.caller(login)
    told, new = play.attempt(
        "detach",
        lambda: detaching.detach(member_id, identity_id(mini_identity(appid, f"o-{login}")), "两个人"),
        ("merge_refused", "not_found"),
    )
    if new is None:
        return told
    play.detached[login] = new.member_id
    play.taken_out.add(new.member_id)
    service.add_address(new.member_id, home())
    return f"{login} is {new.member_id}"


# How it must have ended.


def check_merges(play: Play) -> None:
    """All is settled; who became another has nothing; and everything is whose it was, or became."""
    for item in tools.scan(Merges):
        if item.state == "moving":
            play.differs(f"merge {item.merge_id}", f"never ended: {item.merge.wings}")
    for member_id in play.became:
        if ledger.balance(member_id) != Balance():
            play.differs(f"balance of {member_id}", f"{ledger.balance(member_id)}, who is {play.person(member_id)}")
    for who in set(play.became.values()) - play.became.keys():
        if play.unsettled(who):
            play.differs(f"member {who}", "is not settled")
    for order_id, placed in play.placed.items():
        if play.orders[order_id].member_id != play.person(placed.member_id):
            whose = play.orders[order_id].member_id
            play.differs(f"order {order_id}", f"is {whose}'s, not {play.person(placed.member_id)}'s")
    play.told.update(Counter({"members who became another": len(play.became), "taken out": len(play.taken_out)}))
