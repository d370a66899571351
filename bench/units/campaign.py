"""What journeys are measured with: an operator who writes them, coupons and messages that they give, and members who
are made up, have a phone, and agreed to offers by SMS."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import msgspec

from bench.units.made_up import bought, profile, put_all
from chalicelib.core import clock
from chalicelib.customers.members.tables import profile_item
from chalicelib.growth.journeys.runs import queries as runs
from chalicelib.growth.messaging.rules import Choices, Contact, Preferences
from chalicelib.growth.messaging.tables import ME, Contacts
from chalicelib.growth.segments.tables import traits_item
from chalicelib.growth.segments.traits.rules import DAY_MS, ms
from local.client import Operator, Transport, coupon_template
from local.clock import LocalClock

ALL = "/v1/admin/journeys"
_ORDERS = 3


class Campaign:
    """An operator's journeys."""

    def __init__(self, send: Transport, mall_clock: LocalClock) -> None:
        self._send, self._clock = send, mall_clock

    def operator(self) -> Operator:
        """Logged in anew: their days are short, and journeys are long."""
        return Operator.arrive(self._send)

    def until(self, hour: int) -> None:
        """Let it become so late in Asia/Shanghai, today or tomorrow."""
        self._clock.advance((self.next_time(hour) - clock.now()).total_seconds())

    @staticmethod
    def next_time(hour: int) -> datetime:
        """The next time that a clock in Asia/Shanghai shows this hour."""
        now = clock.now().astimezone(clock.SHANGHAI)
        at = datetime.combine(now.date(), time(hour), clock.SHANGHAI)
        return at if at >= now else at + timedelta(days=1)

    def coupon(self, percent_off: int) -> str:
        """A template of coupons that journeys give."""
        more = {"kind": "percent_off", "percent_off": percent_off, "ceiling_fen": 2000, "threshold_fen": 0}
        body = coupon_template(total=1_000_000, limit_per_member=10, how=["journey"], **more)
        del body["amount_fen"]
        return str(self.operator().post("/v1/admin/coupon-templates", body).ok(201)["template_id"])

    def message(self, **more: Any) -> str:
        """A template of messages, of an SMS that sells where nothing else is said."""
        body = {
            "name": "优惠券到账", "medium": "sms", "purpose": "marketing",
            "text": "{nickname}专享优惠券已到账，月底前有效，拒收请回复R", "vars": ["nickname"],
            "forms": {"sms": {"template_id": "SMS_2001", "fields": {"name": "会员{nickname}", "until": "月底"}}},
        }  # fmt: skip
        made = self.operator().post("/v1/admin/message-templates", body | more).ok(201)
        return str(made["template_id"])

    def journey(self, **definition: Any) -> str:
        """A journey that is published now."""
        body = {"name": f"旅程 {secrets.token_hex(3)}"} | definition
        journey_id = str(self.operator().post(ALL, body).ok(201)["journey_id"])
        self.operator().post(f"{ALL}/{journey_id}/publish").ok()
        return journey_id

    def ladder(self) -> str:
        """The ladder that the mall brings with it."""
        listed = self.operator().get(f"{ALL}/built-in").ok()["items"]
        (slots,) = (one["slots"] for one in listed if one["built_in"] == "ladder")
        said = self.message()
        chosen = {one["slot"]: self.coupon(one["percent_off"]) if one["kind"] == "coupon" else said for one in slots}
        return self.journey(built_in="ladder", templates=chosen)

    @staticmethod
    def members(member_ids: Sequence[str]) -> None:
        """Make these members up."""
        silent_at = ms(clock.now()) + 60 * DAY_MS
        known = [
            msgspec.structs.replace(profile(one), phone=f"139{number:08}") for number, one in enumerate(member_ids)
        ]
        put_all([profile_item(one) for one in known])
        put_all([traits_item(bought(one, silent_at, _ORDERS, 0), 1, silent_at) for one in member_ids])
        agreed = Contact(preferences=Preferences(media=Choices(sms=True)))
        put_all([Contacts(one, ME, contact=agreed, version=1) for one in member_ids])


def counted(journey_id: str, name: str) -> int:
    """How often this was counted in the first version of a journey."""
    return runs.counts(journey_id, 1, consistent=True).get(name, 0)
