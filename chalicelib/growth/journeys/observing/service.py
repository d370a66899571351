"""What the wings below tell is owed to the runs of the member: one job of the transaction in which it happens, and
nothing, not even a read, where no journey listens to it. app.py registers these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.orders.accounting.rules import GRANTED
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.journeys.jobs import HEAR, HEAR_LOBBY, SETTLE
from chalicelib.growth.journeys.listening.rules import ENTERED, LEFT, PERSONALISED_OFF, Heard, Listens, told_as
from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import TAG_IDS
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

#: What a fact says of itself.
Props = dict[str, str | int | bool]


class _Told:
    """What one transaction tells of a member."""

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.facts: list[Heard] = []

    def add_to(self, tx: Transaction) -> None:
        """Owe as part of `tx` that the member's runs hear of it."""
        _owe_facts(tx, self.member_id, self.facts)


def _owe_facts(tx: Transaction, member_id: str, facts: Sequence[Heard]) -> None:
    text = msgspec.json.encode(facts).decode()
    schedule(tx, HEAR, f"{member_id}|{facts[0].cause}", None, facts=text)


def tell(tx: Transaction, member_id: str, facts: Iterable[Heard]) -> None:
    """Owe as part of `tx` that the member's runs hear of this: one action, however often it is called for them."""
    facts = list(facts)
    if facts:
        tx.together(("journeys", member_id), lambda: _Told(member_id)).facts += facts


def _listened() -> Listens:
    """What any journey listens to, possibly `cache_seconds` old."""
    from chalicelib.growth.journeys.listening.queries import listened  # no cold start waits for its table

    return listened()


class Members:
    """Told as members join and change."""

    def joined(self, tx: Transaction, member: Profile) -> None:
        """A member has joined."""
        if "joined" in _listened().events:
            tell(tx, member.member_id, [Heard(f"joined|{member.member_id}", "joined", member.joined_at)])

    def changed(self, tx: Transaction, before: Profile, after: Profile) -> None:
        """End what the member does not want any more."""
        listens = _listened()
        if before.personalised and not after.personalised and (listens.events or listens.segments):
            now = clock.now()
            cause = f"{PERSONALISED_OFF}|{clock.stamp(now)}"
            tell(tx, after.member_id, [Heard(cause, PERSONALISED_OFF, now)])


class Events:
    """Told of what members do."""

    def heard(self, tx: Transaction, member_id: str, events: Sequence[Event]) -> None:
        """Tell of the events that a journey listens to."""
        names = _listened().events
        heard = [one for one in events if one.name in names]
        tell(tx, member_id, [Heard(told_as(one.event_id), one.name, one.at, one.props) for one in heard])


class Orders:
    """Told of orders as they are placed, and of every change of them."""

    def placed(self, tx: Transaction, order: Order) -> None:
        """An order was placed."""
        if "order_placed" in _listened().events:
            tell(tx, order.member_id, [_of_order("order_placed", order, order.created_at)])

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        """Tell of what a journey listens to; of one that becomes another's, who is the same person, nothing is new."""
        names = _listened().events
        if names and before.member_id == after.member_id:
            found = [one for one in _facts_of(before, after, clock.now()) if one.event in names]
            tell(tx, after.member_id, found)


def _facts_of(before: Order, after: Order, now: datetime) -> Iterable[Heard]:
    """What a change of an order is, of all that journeys know of orders; a payment that came too late is nothing."""
    is_new = before.paid_at is None and after.paid_at is not None
    if is_new and after.state == "closed":
        return
    if is_new:
        yield _of_order("order_paid", after, after.paid_at or now, paid_fen=after.paid_fen)
        for coupon in after.coupons:
            if not coupon.came_back:
                props: Props = {"coupon_id": coupon.coupon_id, "template_id": coupon.template_id}
                yield Heard(f"coupon_used|{coupon.coupon_id}|{after.order_id}", "coupon_used", now, props)
    if before.received_at is None and after.received_at is not None:
        yield _of_order("order_received", after, after.received_at)
    if before.state != "completed" and after.state == "completed":
        yield _of_order("order_completed", after, now)
    back = _given_back(after) - _given_back(before)
    if back > 0:
        fact = _of_order("order_refunded", after, now, paid_fen=-back)
        cause = f"{fact.cause}|{len(after.history)}"
        yield msgspec.structs.replace(fact, cause=cause, paid_at=after.paid_at)


def _given_back(order: Order) -> int:
    return sum(refund.amount_fen for refund in order.refunds if refund.state in GRANTED)


def _of_order(event: str, order: Order, at: datetime, paid_fen: int = 0) -> Heard:
    """Make the fact of an order. Its category is that of its first line, and its amount what it was placed for."""
    props: Props = {
        "order_id": order.order_id, "category_id": order.lines[0].category_id, "amount_fen": order.payable_fen,
    }  # fmt: skip
    return Heard(f"{event}|{order.order_id}", event, at, props, paid_fen=paid_fen)


class Coupons:
    """Told of coupons that members get."""

    def follows(self, template_id: str) -> bool:  # noqa: ARG002
        """Whether a journey listens to coupons that members get."""
        return "coupon_got" in _listened().events

    def got(self, tx: Transaction, coupon: Coupon) -> None:
        """Tell of the coupon."""
        props: Props = {
            "coupon_id": coupon.coupon_id, "template_id": coupon.template_id,
            "valid_until": coupon.valid_until.isoformat(),
        }  # fmt: skip
        fact = Heard(f"coupon_got|{coupon.coupon_id}", "coupon_got", coupon.received_at, props)
        tell(tx, coupon.member_id, [fact])

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:  # fmt: skip
        """Tell nothing: that it is used follows from its order."""


class Lists:
    """Told as members come into segments and leave them, and as they get tags."""

    def moved(self, tx: Transaction, member_id: str, entered: Sequence[str], left: Sequence[str]) -> None:
        """Tell of the segments that a journey follows, and of tags."""
        listens = _listened()
        now = clock.now()
        at = clock.stamp(now)
        facts = [
            Heard(f"{event}|{one}|{at}", event, now, segment=one)
            for event, ones in ((ENTERED, entered), (LEFT, left))
            for one in ones
            if one in listens.segments
        ]
        if "tag_added" in listens.events:
            book = definitions.book()
            names = {one: definitions.tag_name(book, one) for one in entered if one.startswith(TAG_IDS)}
            facts += [Heard(f"tag_added|{one}|{at}", "tag_added", now, {"tag": name}) for one, name in names.items()]
        if facts:  # many members' share a transaction: each job is counted as it is added
            _owe_facts(tx, member_id, facts)


def users_of(segment_id: str, tag: str) -> list[str]:
    """Name the journeys that name the segment, or the tag of this name ("": none)."""
    from chalicelib.growth.journeys.book.queries import naming  # only operators ask: it reads what journeys are

    return [f"journey:{one}" for one in naming(segment_id, tag)]


class Lobbies:
    """Told as lobbies change."""

    def lacks_one(self, tx: Transaction, lobby: Lobby) -> None:
        """Tell all who have a paid seat."""
        _owe(tx, lobby, "lobby_lacks_one")

    def ended(self, tx: Transaction, lobby: Lobby) -> None:
        """Tell all who have, or had, a paid seat."""
        _owe(tx, lobby, "lobby_succeeded" if lobby.state == "succeeded" else "lobby_failed")


def _owe(tx: Transaction, lobby: Lobby, event: str) -> None:
    if event in _listened().events:
        lobby_id, now = lobby.terms.lobby_id, clock.now()
        fact = Heard(f"{event}|{lobby_id}|{clock.stamp(now)}", event, now, {"lobby_id": lobby_id})
        schedule(tx, HEAR_LOBBY, f"{lobby_id}|{event}", None, fact=msgspec.json.encode(fact).decode())


class Results:
    """Told as messages and tasks of runs come to their ends."""

    def ended(self, tx: Transaction, message: Message) -> None:
        """Tell the run what became of its message: of one that was dropped, why."""
        outcome = "sent" if message.state == "delivered" else message.state
        _settle(tx, message.run, message.message_id, message.reason if outcome == "dropped" else outcome)

    def task_done(self, tx: Transaction, task: Any) -> None:
        """Tell the run with which outcome its task was done, or that it was cancelled."""
        _settle(tx, task.run, task.task_id, task.outcome or "cancelled")


class Messages:
    """Asked whether a message of a run still stands, as it goes out."""

    def stands(self, tx: Transaction, message: Message) -> bool:  # noqa: ARG002
        """Tell whether its run came to its own end, or goes on; not where an exit or an operator has ended it, or its
        journey. Nothing is held: what happens in this very moment may be told of a moment later."""
        from chalicelib.growth.journeys.effects.queries import is_wanted  # only who sends asks

        return is_wanted(message)


def _settle(tx: Transaction, run: str, awaited: str, outcome: str) -> None:
    schedule(tx, SETTLE, f"{run}|{awaited}", None, awaited=awaited, outcome=outcome)
