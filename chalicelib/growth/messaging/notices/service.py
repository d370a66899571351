"""Notices are made of what has happened: each once for its cause, however often its job is run."""

from __future__ import annotations

from chalicelib.commerce.coupons.tables import Coupons, coupon_key
from chalicelib.commerce.orders.delivery.rules import carriers
from chalicelib.commerce.orders.queries import load
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.core import clock
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.messaging.notices import rules
from chalicelib.growth.messaging.notices.settings import template_of
from chalicelib.growth.messaging.outgoing.service import queue
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit

#: To how many one transaction queues a notice: two actions each.
_TOGETHER = 40


def tell_of_order(job: Job) -> None:
    """Queue the notices of some lines of an order's history, by the templates that were named as it was owed: whoever
    runs this may know older settings."""
    order_id, start, end = job.key.split("|")
    named = dict(enumerate(job.task.payload.get("templates", "").split(","), int(start)))
    order, now = load(order_id), clock.now()
    names = carriers(order_rules().more_carriers)
    tx = Transaction()
    for number in range(int(start), int(end)):
        kind = rules.kind_of(order.history[number])
        template_id = named.get(number, "")
        if kind is not None and template_id:
            asked = rules.of_order(order, number, kind, template_id, names, now)
            if asked is not None:
                queue(tx, asked)
    job.finish(tx)
    commit(tx)


def tell_of_lobby(job: Job) -> None:
    """Queue the notice to all who have paid for a lobby, where one more seat is still all that it lacks."""
    lobby, template_id, now = lobbies.load(job.key), template_of("group_lacks_one"), clock.now()
    if not template_id or lobby.state != "open" or lobby.taken != lobby.terms.size - 1:
        return
    seats = [seat for seat in lobbies.paid_seats(job.key) if seat.state == "taken"]
    if not seats or (lobby.expires_at is not None and lobby.expires_at <= now):
        return
    product = load(seats[0].order_id).lines[0].name
    for start in range(0, len(seats), _TOGETHER):
        tx = Transaction()
        for seat in seats[start : start + _TOGETHER]:
            queue(tx, rules.of_lobby(lobby, product, seat.member_id, template_id, now))
        commit(tx)


def tell_of_coupon(job: Job) -> None:
    """Queue the notice of a coupon that a member has got, where they have it still unused."""
    member_id, _, coupon_id = job.key.partition("|")
    template_id, now = job.task.payload.get("template", ""), clock.now()
    item = read.get(Coupons, *coupon_key(member_id, coupon_id)[1])
    if item is None or item.state != "unused" or not template_id or item.coupon.valid_until <= now:
        return
    tx = Transaction()
    queue(tx, rules.of_coupon(item.coupon, template_id, now))
    job.finish(tx)
    commit(tx)
