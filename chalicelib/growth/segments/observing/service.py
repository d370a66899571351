"""What the wings below tell of a member becomes part of what is known of them, in the transaction in which it happens.

app.py registers these. Each is one action of the transaction, and at most two more for the jobs that follow from it;
where one transaction says several things of a member they are written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.distribution.rules import DistributorState
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.language.rules import matches
from chalicelib.growth.segments.purchases.rules import bought, counts_alike
from chalicelib.growth.segments.restoring.queries import begun
from chalicelib.growth.segments.traits.rules import Traits, ms, person, with_coupon, with_instants, with_order
from chalicelib.growth.segments.traits.service import change_of, happens
from chalicelib.platform.store.transaction import Transaction


class Members:
    """Told as members join and change."""

    def joined(self, tx: Transaction, member: Profile) -> None:
        """Begin to know of the member: nothing of who comes now has happened before. While a process may not know of
        what is being built, it may pass over what they do, which is looked through then."""
        book = definitions.book()
        generation = book.generation if ms(clock.now()) >= book.opens_at else book.built
        change_of(tx, member.member_id).begins = msgspec.structs.replace(begun(member), generation=generation)

    def changed(self, tx: Transaction, before: Profile, after: Profile) -> None:
        """Take over what the rules ask of a profile, where that is another now."""
        known = person(after)
        if known != person(before):
            happens(tx, after.member_id, lambda traits, *_: msgspec.structs.replace(traits, person=known))


class Events:
    """Told of what members do."""

    def heard(self, tx: Transaction, member_id: str, events: Sequence[Event]) -> None:
        """Count the events that a rule in force looks at."""
        names = definitions.book().event_names
        looked_at = [event for event in events if event.name in names]
        if not looked_at:
            return

        def count(traits: Traits, book: Book, _: int) -> Traits:
            for key, leaf in book.needs.rings.items():
                instants = [ms(event.at) for event in looked_at if matches(leaf, event.name, event.props)]
                if instants:
                    traits = with_instants(traits, key, instants, leaf.kept)
            return traits

        happens(tx, member_id, count)


class Orders:
    """Told of every change of an order."""

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        """Count what the order counts from now on, where that is something else than before; all of it for a member
        whose it was not."""
        is_new = before.member_id != after.member_id
        if after.paid_at is None if is_new else counts_alike(before, after):
            return
        happens(
            tx,
            after.member_id,
            lambda traits, book, now: with_order(
                traits, None if is_new else bought(before, book.needs.parts), bought(after, book.needs.parts), now
            ),
        )


class Coupons:
    """Told of coupons of templates that a rule names."""

    def follows(self, template_id: str) -> bool:
        """Whether a rule in force names the template."""
        return template_id in definitions.book().needs.templates

    def got(self, tx: Transaction, coupon: Coupon) -> None:
        """Nothing: that the member has it is noted as `changed` tells it."""

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:  # fmt: skip
        """Note that the member has the coupon unused, or no more."""
        ends = None if ends_at is None else ms(ends_at)
        happens(tx, member_id, lambda traits, *_: with_coupon(traits, template_id, coupon_id, ends))


class Distributors:
    """Told of members who are distributors."""

    def changed(self, tx: Transaction, member_id: str, state: DistributorState | None) -> None:
        """Note the state; None for who is none any more."""
        happens(tx, member_id, lambda traits, *_: msgspec.structs.replace(traits, distributor=state or ""))
