"""All that the mall knows of a member, read part by part from the wings that keep it.

| part | how | units |
|---|---|---|
| person, identities, life cycle, consents | Get profile | 1 RRU, 3 of who was merged into another |
| touches | Get | 1 RRU |
| traits, segments with why, tags | Get traits | 1 RRU per 4 KB |
| orders | Query by_member, BatchGet the latest 10 | 0.5 RRU per 25, at most 500; 0.5 each |
| coupons | Query by_end, open and used ones | 0.5 RRU per 8, at most 100 of each |
| tie | Get | 1 RRU |
| of a distributor account and commissions | Get 3, Query by_member, BatchGet the latest 10 | 4 RRU, and 1 each |
| events | Query by_time, BatchGet 20 batches at most | 0.5 RRU, and 0.5 or 1 each |
| preferences, allowances | Query (member) in `contacts` | 1 RRU per 4 KB |
| messages | Query by_member, BatchGet the latest 10, and their templates | 0.5 RRU, and 0.5 each |
| runs | Query, 50 at most | 0.5 RRU per 4 KB, some 3 runs |
| tasks | Query by_member, BatchGet the latest 10 | 0.5 RRU, and 0.5 each |

A member with a few of each is some 11 RRU, one of whom no list shows all some 41. What journeys are called is in their
book, which a process reads again only where it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import msgspec

from chalicelib.commerce.coupons.wallet import queries as wallet
from chalicelib.commerce.orders import queries as orders
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.channels import queries as channels
from chalicelib.customers.events import queries as events
from chalicelib.customers.events.rules import oldest
from chalicelib.customers.events.views import EventView, event_view
from chalicelib.customers.members.finding.queries import whoever_is
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.customers.members.rules import Profile, segment_of
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.growth.distribution import queries as distribution
from chalicelib.growth.journeys.watching import queries as journeys
from chalicelib.growth.messaging.contacts.queries import reach
from chalicelib.growth.messaging.listing.queries import latest_of
from chalicelib.growth.messaging.tasks import queries as tasks
from chalicelib.growth.messaging.templates.queries import names_of
from chalicelib.growth.segments.explaining.queries import reasons
from chalicelib.growth.segments.restoring.queries import known
from chalicelib.growth.segments.traits.queries import as_of_now
from chalicelib.growth.segments.traits.rules import Traits
from chalicelib.growth.segments.views import tag_of_member
from chalicelib.insight.portraits.rules import bought
from chalicelib.insight.portraits.whole.views import (
    ConsentsView,
    CouponsView,
    DistributionView,
    MessageInShort,
    OrdersView,
    PortraitView,
    RunsView,
    TasksView,
    TouchesView,
    TraitsView,
    absorbed_view,
    coupons_view,
    identities_shown,
    message_in_short,
    order_card,
    person_view,
    segment_of_member,
    tasks_view,
    wishes_view,
)

_T = TypeVar("_T")

#: Which permission another part is read under elsewhere.
PARTS = {
    "orders": "orders.read", "coupons": "coupons.read", "distribution": "distributors.read",
    "messages": "messages.read", "runs": "journeys.read", "tasks": "tasks.read",
}  # fmt: skip
#: How many of the latest are shown.
_ORDERS, _COMMISSIONS, _EVENTS = 10, 10, 20
#: How many orders are counted, and coupons of each kind, before it is said that there are more.
_ORDERS_COUNTED, _COUPONS_COUNTED = 500, 100
_MESSAGES, _TASKS, _RUNS_ENDED, _RUNS_COUNTED = 10, 10, 5, 50


def portrait(member_id: str, permissions: Collection[str]) -> PortraitView:
    """Show the member, or whom they were merged into, whole, as far as an operator with these permissions may see it.

    Lists are as they were a moment ago. Raises `not_found`.
    """
    member = whoever_is(member_id)
    found = None if member is None else known(member.member_id)
    if member is None or found is None:
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
    traits, now = as_of_now(found), clock.now()
    withheld = [part for part, permission in PARTS.items() if permission not in permissions]

    def unless_withheld(part: str, read: Callable[[Profile, Traits], _T]) -> _T | None:
        return None if part in withheld else read(member, traits)

    return PortraitView(
        member_id=member.member_id,
        person=person_view(member),
        identities=identities_shown(member),
        absorbed=[absorbed_view(one) for one in member.absorbed],
        life_cycle=segment_of(member, now, LIFE_CYCLE.current()),
        traits=_traits(traits),
        segments=[segment_of_member(name, reason) for name, reason in reasons(found)],
        tags=[tag_of_member(name, tag) for name, tag in sorted(traits.tags.items())],
        orders=unless_withheld("orders", _orders),
        coupons=unless_withheld("coupons", _coupons),
        distribution=unless_withheld("distribution", _distribution),
        touches=_touches(member),
        events=_events(member),
        consents=ConsentsView(consents=member.consents, personalised=member.personalised),
        preferences=wishes_view(reach(member)),
        messages=unless_withheld("messages", _messages),
        runs=unless_withheld("runs", _runs),
        tasks=unless_withheld("tasks", _tasks),
        withheld=withheld,
    )


def _traits(traits: Traits) -> TraitsView:
    return TraitsView(**msgspec.structs.asdict(bought(traits)), distributor=traits.distributor or None)


def _orders(member: Profile, traits: Traits) -> OrdersView:
    latest, counts, counted_all = orders.overview_of(member.member_id, _ORDERS, _ORDERS_COUNTED)
    return OrdersView(
        counts=counts, counted_all=counted_all, gmv_fen=bought(traits).net_fen,
        latest=[order_card(order) for order in latest],
    )  # fmt: skip


def _coupons(member: Profile, _: Traits) -> CouponsView:
    return coupons_view(*wallet.overview_of(member.member_id, _COUPONS_COUNTED), clock.now())


def _distribution(member: Profile, traits: Traits) -> DistributionView:
    """Of who never applied, the tie alone is read."""
    member_id = member.member_id
    if not traits.distributor:
        return DistributionView(tie=distribution.tie_of(member_id), distributor=None, commissions=[])
    detail = distribution.detail(member_id)
    latest, _rest = distribution.commissions(None, member_id, None, _COMMISSIONS, None)
    return DistributionView(tie=detail.tie, distributor=detail, commissions=latest)


def _touches(member: Profile) -> TouchesView:
    """Where the member came from, as the profile has it, and each way that channels keep, the latest first."""
    ways = channels.stored_touches(member.member_id).value.items[::-1]
    first, last = member.first_source or msgspec.UNSET, member.last_source or msgspec.UNSET
    return TouchesView(first=first, last=last, invites=member.invites, ways=ways)


def _events(member: Profile) -> list[EventView]:
    now = clock.now()
    told, _rest = events.history(member.member_id, None, oldest(now), now, _EVENTS, None)
    return [event_view(one) for one in told]


def _messages(member: Profile, _: Traits) -> list[MessageInShort]:
    latest = latest_of(member.member_id, _MESSAGES)
    names = names_of(one.template_id for one in latest)
    return [message_in_short(one, names) for one in latest]


def _runs(member: Profile, _: Traits) -> RunsView:
    items, counts, counted_all = journeys.overview_of(member.member_id, _RUNS_ENDED, _RUNS_COUNTED)
    return RunsView(counts=counts, counted_all=counted_all, items=items)


def _tasks(member: Profile, _: Traits) -> TasksView:
    found, rest = tasks.of_member(member.member_id, _TASKS, None)
    return tasks_view(found, rest is None, clock.now())
