"""What the wings below tell of orders, lobbies and coupons owes a notice, where there is a template for it; and what
messages ask of whose they are.

app.py registers these. Each is one job in the transaction of what happened, and nothing where no template is set: then
neither an order nor a coupon costs anything for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.messaging.jobs import TELL_OF_COUPON, TELL_OF_LOBBY, TELL_OF_ORDER
from chalicelib.growth.messaging.notices.settings import template_of
from chalicelib.growth.messaging.rules import Message
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

if TYPE_CHECKING:
    from chalicelib.growth.messaging.hearing.rules import Account

#: How long a lobby must lack one seat alone before its members hear of it: many are complete by then.
_LACKING = timedelta(minutes=5)


class Sends:
    """Asked whether a send still stands, as its messages go out."""

    def stands(self, tx: Transaction, message: Message) -> bool:
        """Tell whether it was not called back, and hold that this is so as part of `tx`."""
        from chalicelib.growth.messaging.sends.service import stands  # no cold start waits for it

        return stands(tx, message)


class Correspondence:
    """Told of what WeChat tells of messages, and of users who write back."""

    def heard(self, account: Account, openid: str, fields: Mapping[str, Any], at: datetime) -> bool:
        """Do what follows from it; whether it is any of what is heard."""
        from chalicelib.growth.messaging.hearing import service as hearing  # no shopper waits for it

        return hearing.heard(account, openid, fields, at)


class Orders:
    """Told of every change of an order."""

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        """Owe the notices of what was added to the order's history."""
        from chalicelib.growth.messaging.notices.rules import kind_of  # no cold start waits for it

        start, end = len(before.history), len(after.history)
        kinds = [kind_of(event) for event in after.history[start:end]]
        templates = ["" if kind is None else template_of(kind) for kind in kinds]
        if any(templates):
            schedule(tx, TELL_OF_ORDER, f"{after.order_id}|{start}|{end}", None, templates=",".join(templates))


class Lobbies:
    """Told of lobbies that lack one seat."""

    def lacks_one(self, tx: Transaction, lobby: Lobby) -> None:
        """Owe the notice to those who sit in it, if it lacks one still in a while."""
        if template_of("group_lacks_one"):
            schedule(tx, TELL_OF_LOBBY, lobby.terms.lobby_id, clock.now() + _LACKING)

    def ended(self, tx: Transaction, lobby: Lobby) -> None:
        """Nothing: each order of it is told of as it comes to its own end."""


class Coupons:
    """Told of coupons that members get."""

    def follows(self, template_id: str) -> bool:  # noqa: ARG002
        """Whether members are told of the coupons that they get."""
        return bool(template_of("coupon_got"))

    def got(self, tx: Transaction, coupon: Coupon) -> None:
        """Owe the notice of it."""
        from chalicelib.growth.messaging.notices.rules import is_told  # no cold start waits for it

        template_id = template_of("coupon_got")
        if template_id and is_told(coupon):
            schedule(tx, TELL_OF_COUPON, f"{coupon.member_id}|{coupon.coupon_id}", None, template=template_id)

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:  # fmt: skip
        """Nothing: only what is new is told of."""
