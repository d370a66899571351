"""Finding out what is known of a member from where it is kept: of who joined before there were traits, and of what a
new rule asks that nobody has counted for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.commerce.coupons.wallet import queries as wallet
from chalicelib.commerce.orders import queries as orders
from chalicelib.core import clock
from chalicelib.customers.events import queries as events
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.distribution.distributors import queries as distributors
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.language.rules import EVENT_DAYS_MAX, matches
from chalicelib.growth.segments.purchases.rules import bought
from chalicelib.growth.segments.tables import TRAITS, MemberTraits
from chalicelib.growth.segments.traits.queries import Stored, of_item
from chalicelib.growth.segments.traits.rules import Traits, ending_last, ms, person, with_orders
from chalicelib.platform.store import read


def restored(member_id: str, book: Book) -> Traits | None:
    """Find out all that is known of a member of whom nothing is stored; None where there is no such member."""
    profile = members.current(member_id)
    return None if profile is None else completed(begun(profile), book)


def known(member_id: str) -> Stored | None:
    """Read what is known of a member, as `known_of` gives it."""
    return known_of(member_id, read.get(MemberTraits, member_id, TRAITS))


def known_of(member_id: str, item: Any) -> Stored | None:
    """Take what is known of a member out of its item; of whom nothing is stored (None) it is found out. None where
    there is no such member."""
    found = of_item(item)
    if found is not None:
        return found
    traits = restored(member_id, definitions.book())
    return None if traits is None else Stored(traits, 0)


def begun(profile: Profile) -> Traits:
    """Begin with what a profile says."""
    return Traits(member_id=profile.member_id, person=person(profile))


def completed(traits: Traits, book: Book) -> Traits:
    """Look through what the member did and has for all that the rules of the book need, whatever was known of it."""
    member_id, now = traits.member_id, clock.now()
    counted = {order.order_id: bought(order, book.needs.parts) for order in orders.every_order_of(member_id)}
    missing = [one for one in traits.bought if one.order_id not in counted]  # the index may be a moment behind
    traits = with_orders(traits, [*missing, *(one for one in counted.values() if one is not None)], ms(now))
    coupons: dict[str, dict[str, int]] = {}
    if book.needs.templates:
        for one in wallet.unused_of(member_id, book.needs.templates):
            if one.valid_until > now:
                coupons.setdefault(one.template_id, {})[one.coupon_id] = ms(one.valid_until)
    rings: dict[str, list[int]] = {}
    if book.needs.rings:
        since = now - timedelta(days=EVENT_DAYS_MAX)
        for event in events.events_of(member_id, book.event_names, since, now):
            for key, leaf in book.needs.rings.items():
                if matches(leaf, event.name, event.props):
                    rings.setdefault(key, []).append(ms(event.at))
    return msgspec.structs.replace(
        traits,
        rings={key: sorted(found)[-book.needs.rings[key].kept :] for key, found in rings.items()},
        coupons={template_id: ending_last(held) for template_id, held in coupons.items()},
        distributor=distributors.state_of(member_id) or "",
        generation=book.generation if ms(now) >= book.opens_at else traits.generation,
        incomplete=False,
    )
