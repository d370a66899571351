"""Who brought whom: binding a member to a distributor, by a visit or by an order, never in a ring."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.holding.queries import standing_now
from chalicelib.commerce.orders.placement.rules import Referral
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.members.queries import resolved, same_person
from chalicelib.customers.members.rules import Invite, Profile
from chalicelib.growth.distribution.distributors.queries import followed
from chalicelib.growth.distribution.rules import INVITE_DAYS, Binding, DistributionRules, new_binding
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    BINDING,
    DISTRIBUTOR,
    Distributors,
    Links,
    binding_item,
    binding_key,
    distributor_key,
)
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key, ReadSet
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many bindings upwards a ring is looked for. A member who has customers and comes by the link of a distributor
#: further down than that is not bound: it cannot be held against so many others in one transaction.
_ANCESTORS_MAX = 20
#: Among how many of a member's latest orders another one is looked for that holds a binding.
_ORDERS_READ = 50


class BindingPlan(msgspec.Struct, frozen=True):
    """A binding that may be written, and what must still be so then: the member's own binding and, where they have
    customers, the bindings above the inviter, each by its version (0: there is none). `first`: it is the inviter's
    first customer."""

    binding: Binding
    version: int
    leaf: bool
    first: bool
    above: list[tuple[str, int]] = []


def bind_visitor(job: Job) -> None:
    """Bind a member who came by a link, where a visit binds and the member is not bound."""
    if DISTRIBUTION.fresh().bind_on == "first_visit":
        bind(job.key, job.task.payload["token"])


def bind(member_id: str, token: str) -> Binding | None:
    """Bind the member, or who they turned out to be, to the distributor whose link that is, unless they are bound; the
    new binding, or None.

    Never to themselves, to somebody who is no active distributor, or in a ring; and nobody while distribution is off.
    Raises `conflict` and `unavailable`.
    """

    def once() -> Binding | None:
        bound, own = read.batch_get([binding_key(member_id), distributor_key(member_id)])
        rules, link = DISTRIBUTION.fresh(), read.get(Links, token)
        plan = None if link is None else _plan(member_id, link, bound, own, rules)
        if plan is None:
            return None
        if (now := resolved(member_id)) != member_id:
            return bind(now, token)
        tx = Transaction()
        _write(tx, plan)
        commit(tx)
        return plan.binding

    return retry(once)


def _plan(member_id: str, link: Links, bound: Any, own: Any, rules: DistributionRules) -> BindingPlan | None:
    """Plan how the member can be bound by this link, as they are now; None when they cannot."""
    now = clock.now()
    if not rules.enabled or (bound is not None and bound.binding.live(now)):
        return None
    inviter_id = link.link.member_id
    inviter = None if inviter_id == member_id else read.get(Distributors, inviter_id, DISTRIBUTOR)
    inviter = followed(inviter)
    if inviter is None or inviter.member_id == member_id or inviter.distributor.state != "active":
        return None
    inviter_id = inviter.member_id
    leaf = own is None or not own.has_customers
    above: list[tuple[str, int]] | None = [] if leaf else ancestors(inviter_id, (member_id,), now)
    if above is None:
        return None
    return BindingPlan(
        binding=new_binding(member_id, inviter_id, link.token, rules, now),
        version=0 if bound is None else int(bound.version),
        leaf=leaf,
        first=not inviter.has_customers,
        above=above,
    )


def ancestors(
    inviter_id: str, person: Collection[str], now: datetime, most: int = _ANCESTORS_MAX
) -> list[tuple[str, int]] | None:
    """List the bindings from the inviter up, as pairs of a member and the version of their binding.

    None when one of these is among them who are the `person` below, or there are more than `most`.
    """
    found: list[tuple[str, int]] = []
    current = inviter_id
    while len(found) < most:
        if current in person:
            return None
        bound = read.get(Distributors, current, BINDING)
        found.append((current, 0 if bound is None else int(bound.version)))
        if bound is None or not bound.binding.live(now):
            return found
        current = bound.binding.inviter
    return None


def _write(tx: Transaction, plan: BindingPlan) -> None:
    binding = plan.binding
    tx.put(binding_item(binding, plan.version + 1), _version(plan.version), Conflict)
    if plan.leaf:
        tx.check(*distributor_key(binding.member_id), Distributors.has_customers.does_not_exist(), Conflict)
    hold_above(tx, plan.above)
    if plan.first:
        tx.update(*distributor_key(binding.inviter), [Distributors.has_customers.set(True)])


def hold_above(tx: Transaction, above: Sequence[tuple[str, int]]) -> None:
    """Have `tx` fail with Conflict where one of these bindings is not as it was any more: each of a member, by its
    version."""
    for member_id, version in above:
        tx.check(*binding_key(member_id), _version(version), Conflict)


def _version(version: int) -> Any:
    return Distributors.version == version if version else Distributors.version.does_not_exist()


def end_binding(job: Job) -> None:
    """Job: end the binding that an order made which was closed unpaid, as if it had never been. While another order of
    theirs pays the same distributor, and may still be paid or was, it stands by that one."""
    order = order_queries.load(job.key)
    retry(lambda: _end_once(order))


def _end_once(order: Order) -> None:
    item = _made_by(order)
    if item is None or order.paid_at is not None:
        return
    if item.orders:  # another one has earned its distributor something
        return
    member_id = item.member_id
    other = _standing(order, item.binding, member_id)
    unchanged = Distributors.version == int(item.version)
    changes = [Distributors.version.set(int(item.version) + 1)]
    if other is not None:
        changes.append(Distributors.binding.set(msgspec.structs.replace(item.binding, order_id=other)))
    else:
        over = msgspec.structs.replace(item.binding, until=item.binding.bound_at)
        changes += [Distributors.binding.set(over), Distributors.inviter.remove(), Distributors.since.remove()]
        unchanged &= Distributors.orders.does_not_exist()
    tx = Transaction()
    tx.update(*binding_key(member_id), changes, unchanged, Conflict)
    commit(tx)


def _made_by(order: Order) -> Any:
    """Find the tie that the order made. It is moved after its member, who may be another by now, and not together with
    the order: so it is looked for first where it was first."""

    def of(member_id: str) -> Any:
        item = read.get(Distributors, member_id, BINDING)
        return item if item is not None and item.binding.order_id == order.order_id else None

    return of(order.placed_by) or of(order.member_id) or of(resolved(order.member_id))


def _standing(order: Order, binding: Binding, member_id: str) -> str | None:
    """Find another order of the member since they were bound that pays this distributor and is not closed unpaid. What
    waits for its payment, or was paid of late, is named by an item that is never behind; the rest by an index."""
    found: list[Order] = []
    for whose in dict.fromkeys((order.member_id, member_id)):
        latest = order_queries.orders_of(standing_now(whose).order_ids)
        found += [*latest, *order_queries.orders_of_member(whose, [], _ORDERS_READ, None)[0]]
    return next(
        (
            one.order_id
            for one in found
            if one.order_id != order.order_id
            and one.created_at >= binding.bound_at
            and any(same_person(paid, binding.inviter) for paid in one.chain)
            and (one.state != "closed" or one.paid_at is not None)
        ),
        None,
    )


class Referrals:
    """What orders ask: whom an order pays. See `Referrers` in commerce/orders/ports.py."""

    def keys(self, member_id: str) -> list[Key]:
        """The member's binding, and whether they are a distributor; nothing while distribution is off."""
        return [binding_key(member_id), distributor_key(member_id)] if DISTRIBUTION.current().enabled else []

    def referral(self, profile: Profile, found: ReadSet) -> Referral:
        """The distributors above the member; with self-purchase, and where they are one, the member first. Nobody who
        turned out to be the member is one of them, whom they may be bound to for a moment.

        A member who is not bound and was invited lately is bound by this order, by the latest invitation that can bind.
        """
        if binding_key(profile.member_id) not in found:
            return Referral()
        rules, now = DISTRIBUTION.current(), clock.now()
        selves = {profile.member_id, *(one.member_id for one in profile.absorbed)}
        bound, own = found[binding_key(profile.member_id)], found[distributor_key(profile.member_id)]
        plan = None
        if bound is None or not bound.binding.live(now):
            links = read.batch_get([(Links, (invite.token,)) for invite in _open(profile, bound, now)])
            others = (link for link in links if link is not None and link.link.member_id not in selves)
            ways = (_plan(profile.member_id, link, bound, own, rules) for link in others)
            plan = next((way for way in ways if way is not None), None)
            inviter = None if plan is None else plan.binding.inviter
        else:
            inviter = bound.binding.inviter
        chain = []
        if rules.self_purchase and own is not None and own.distributor.state == "active":
            chain.append(profile.member_id)
        while inviter is not None and inviter not in selves and len(chain) < rules.levels:
            chain.append(inviter)
            inviter = _inviter(inviter, now) if len(chain) < rules.levels else None
        return Referral(chain, plan)

    def bind(self, tx: Transaction, referral: Referral, order_id: str) -> None:
        """Write the binding, which stands by the order."""
        plan = referral.binding
        binding = msgspec.structs.replace(plan.binding, order_id=order_id)
        _write(tx, msgspec.structs.replace(plan, binding=binding))


def _open(profile: Profile, bound: Any, now: datetime) -> list[Invite]:
    """The invitations by which the member can be bound, the latest first: those of the last days, and since they were
    bound; an earlier one has had its time."""
    since = now - timedelta(days=INVITE_DAYS)
    if bound is not None and bound.binding.held:
        since = max(since, bound.binding.bound_at)
    return [invite for invite in profile.invites if invite.at > since]


def _inviter(member_id: str, now: datetime) -> str | None:
    bound = read.get(Distributors, member_id, BINDING)
    return bound.binding.inviter if bound is not None and bound.binding.live(now) else None
