"""Very many members who come into a journey by one call, wake at one time of the clock, get a coupon and a message,
beside refunds."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

from bench.units.beside import Watch, at_work, wait, watched
from bench.units.campaign import ALL, Campaign, counted
from bench.units.figures import WHOLE, Late, Rush
from chalicelib.core import clock, ids
from chalicelib.growth.journeys.jobs import ENROL, PASS, PASS_ON, STEP
from chalicelib.growth.journeys.timing import rules as timing
from chalicelib.growth.messaging import queries as messages
from chalicelib.growth.messaging.jobs import PUSH
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS
from local.client import Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback

#: Who works on either lane of what is owed to very many, side by side.
READERS = 4
_HOUR = 10
#: Refunds are asked for so often in each of the two parts, so many real seconds apart.
_BESIDE, _APART_SECONDS = 10, 1.0
_AHEAD_SECONDS, _MINUTE_SECONDS = 5.0, 60.0
_STEPS: dict[str, Any] = {
    "morning": {"wait": {"minutes": 1, "until": {"time": f"{_HOUR}:00"}}, "next": "gift"},
    "listen": {"wait_for": {"event": "order_paid", "timeout": {"days": 7}}},
}
#: What is looked at beside: the job that does it, and what it is.
_PUSH_REFUND, _REFUND = "orders.push_refund", "a refund, as it is handed to WeChat"


class Bench:
    """A campaign, and a shopper who sends back, in front of workers that look after every lane."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self._send, self._sandbox, self._clock = send, sandbox, mall_clock
        self._campaign = Campaign(send, mall_clock)

    def run(self, members: int) -> Rush:
        """So many members come in, wake, and get a coupon and a message. A deployed mall spreads WHOLE of them over the
        whole span: for fewer it is shorter, so that as many wake in a second."""
        spread = max(1, timing.SPREAD_SECONDS * members // WHOLE)
        campaign = self._campaign
        said = {"purpose": "marketing", "template": campaign.message(), "vars": {"nickname": "{nickname}"}}
        steps = _STEPS | {
            "gift": {"grant": {"template": campaign.coupon(15)}, "next": "tell"},
            "tell": {"message": said, "next": "listen"},
        }
        journey_id = campaign.journey(entry={"api": True}, first="morning", steps=steps)
        made = [ids.new("m") for _ in range(members)]
        campaign.members(made)
        forget_all()
        shopper, paid = self._prepare()
        while worker.run_due():
            pass
        with _spread_over(spread):
            entered, late = self._enter(journey_id, made, shopper, paid[:_BESIDE])
            wakes = campaign.next_time(_HOUR)
            self._until(wakes, _MINUTE_SECONDS)
            while worker.run_due():  # what refunds have owed since
                pass
            self._until(wakes, _AHEAD_SECONDS)
            with watched() as watch, _workers():
                self._send_back(watch, shopper, paid[_BESIDE:])
                wait(lambda: counted(journey_id, "grants|given") >= members)
                wait(lambda: _sent(journey_id) >= members)
        began = wakes.timestamp()
        return Rush(
            members=members, readers=READERS, entered_s=round(entered, 1), spread_s=spread,
            woken_s=round(watch.last(PASS.name, PASS_ON.name) - began, 1),
            granted_s=round(watch.last(STEP.name) - began, 1), sent_s=round(watch.last(PUSH.name) - began, 1),
            late=[
                Late(what=f"{_REFUND}, {when}", most_ms=round(max(found)))
                for when, found in (("while they come in", late), ("while they wake", watch.late[_PUSH_REFUND]))
            ],
        )  # fmt: skip

    def _until(self, instant: datetime, seconds: float) -> None:
        self._clock.advance((instant - clock.now()).total_seconds() - seconds)

    def _prepare(self) -> tuple[Shopper, list[str]]:
        """Paid orders, to send back."""
        shopper = Shopper.arrive(self._send, self._sandbox)
        sku = self._campaign.operator().product(stock=1000)["skus"][0]["sku_id"]
        paid = [shopper.place([(sku, 1)])["order_id"] for _ in range(2 * _BESIDE)]
        for order_id in paid:
            self._sandbox.pay(shopper.start_payment(order_id), notify="none")
            self._send(*payment_callback(self._sandbox, order_id)).ok()
        return shopper, paid

    def _enter(
        self, journey_id: str, made: list[str], shopper: Shopper, paid: list[str]
    ) -> tuple[float, list[float]]:  # fmt: skip
        """Have an operator let the members in: the seconds until all are, and how late refunds came beside."""
        operator = self._campaign.operator()
        listed = operator.post("/v1/admin/audiences", {"members": made}, key=secrets.token_hex(8)).ok(201)
        path = f"{ALL}/{journey_id}/enter"
        with watched() as watch, _workers():
            began = clock.now().timestamp()
            asked = operator.post(path, {"audience_id": listed["audience_id"]}, key=secrets.token_hex(8)).ok()
            self._send_back(watch, shopper, paid)
            wait(lambda: operator.get(f"{path}/{asked['enrolment_id']}").ok()["state"] == "done")
        assert counted(journey_id, "entered") == len(made)
        return watch.last(ENROL.name) - began, watch.late[_PUSH_REFUND]

    @staticmethod
    def _send_back(watch: Watch, shopper: Shopper, paid: list[str]) -> None:
        """Ask for refunds, and wait until each was handed to WeChat."""
        for order_id in paid:
            shopper.post(f"/v1/orders/{order_id}/refunds", {"reason": "不想要了"}, key=order_id).ok(202)
            time.sleep(_APART_SECONDS)
        wait(lambda: len(watch.late[_PUSH_REFUND]) >= len(paid))


def _workers() -> AbstractContextManager[None]:
    return at_work([INSIDE, OUTSIDE, *[MANY] * READERS, *[SENDS] * READERS])


@contextmanager
def _spread_over(seconds: int) -> Iterator[None]:
    """Who wakes at a time of the clock does so within so many seconds."""
    known, timing.SPREAD_SECONDS = timing.SPREAD_SECONDS, seconds
    try:
        yield
    finally:
        timing.SPREAD_SECONDS = known


def _sent(journey_id: str) -> int:
    """How many messages of the journey have gone out."""
    found = messages.counts(f"journey:{journey_id}")
    return sum(n for name, n in found.items() if name in ("sms|sent", "sms|delivered"))
