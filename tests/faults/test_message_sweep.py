"""The crash sweep over sending: each form of a message with a fault at its k-th call, for every k, and with every call
failing at first; against the sandbox, which keeps what its platforms took.

Nothing is sent twice. Of what came of a message nobody is unsure but where its call may have had an effect; and what
was taken for it (a place in the log, an allowance, money) is kept by what went out, and given back by what did not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.growth.messaging.checks import audit
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.receipts import service as receipts
from chalicelib.growth.messaging.rules import Form, Message
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.growth.messaging.sending.queries import day_now, spent_on
from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from tests.support.followers import follows
from tests.support.messages import asked, found, left_of, lets_through, queue, set_phone, template, to_noon, to_time
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once
from tools import growth_books

SMS = {"sms": Form("SMS_1004", {"text": "{product}"})}
SUBSCRIBE = {"subscribe": Form("sub-notice", {"thing1": "{product}"})}
OA = {"oa": Form("oa-notice", {"thing1": "{product}"})}


@dataclass
class Play(World):
    """One member, whom every platform knows, and one message."""

    shopper: Shopper
    phone: str
    message_id: str = ""

    def asks(self, forms: dict[str, Form], purpose: str = "service", **more: Any) -> None:
        made = template(media=list(forms), forms=forms, purpose=purpose)
        self.message_id = queue(asked(made.template_id, self.shopper.member_id, source="journey:sweep", **more))

    def by_sms(self) -> None:
        self.asks(SMS)

    def let_through(self) -> None:
        self.sandbox.post("subscribe", {"openid": self.openid, "template_id": "sub-notice", "accept": True})
        lets_through(self.shopper.member_id, "sub-notice")
        self.asks(SUBSCRIBE, "transactional")

    def let_through_by_mistake(self) -> None:
        """The mall knows of an allowance of which WeChat does not."""
        lets_through(self.shopper.member_id, "sub-notice")
        self.asks(SUBSCRIBE | SMS)

    def followed(self) -> None:
        self.asks(OA, "transactional")

    def impatient(self) -> None:
        self.asks(SMS)
        fault = {"path": "/sms/", "kind": "error", "code": "isv.BUSINESS_LIMIT_CONTROL", "times": 1}
        self.sandbox.post("faults", fault)

    def at_night(self) -> None:
        to_time(self.clock, 23 * 3600)
        self.asks(SMS)

    def sent(self) -> None:
        self.by_sms()
        self.send_it()

    @property
    def openid(self) -> str:
        from chalicelib.customers.members.queries import profile

        return profile(self.shopper.member_id).openid

    def send_it(self) -> None:
        self.work("messaging.")

    def nothing(self) -> None:
        """What is owed is done by itself."""

    def later(self) -> None:
        """Whoever died holds nothing any more, and what wants patience has had it."""
        for _ in range(4):
            self.run_jobs(90)

    def in_the_morning(self) -> None:
        self.later()
        to_noon(self.clock)
        self.later()

    def receive(self) -> None:
        receipts.receive("sms", message_id=self.message_id, delivered=True)

    def call_back(self) -> None:
        sending.recall(self.message_id)

    @property
    def taken(self) -> list[dict[str, Any]]:
        """What its platforms took of it."""
        items: list[dict[str, Any]] = self.sandbox.get("outbox")["items"]
        return [one for one in items if one["message_id"] == self.message_id]


@dataclass
class Flow(Steps[Play]):
    """And by which medium it may have gone, in which states it may end."""

    media: tuple[str, ...]
    ends: tuple[str, ...]


def _flow(
    name: str,
    before: Callable[[Play], None],
    media: tuple[str, ...],
    *,
    act: Callable[[Play], None] = Play.send_it,
    again: Callable[[Play], None] = Play.later,
    ends: tuple[str, ...] = ("sent", "unknown"),
) -> Flow:
    return Flow(name, before, act, again, media, ends)


FLOWS = [
    _flow("an SMS", Play.by_sms, ("sms",)),
    _flow("a subscribe message", Play.let_through, ("subscribe",)),
    _flow("a template message", Play.followed, ("oa",)),
    _flow("another medium", Play.let_through_by_mistake, ("sms",)),
    _flow("a platform that wants patience", Play.impatient, ("sms",)),
    _flow("a night", Play.at_night, ("sms",), again=Play.in_the_morning, ends=("sent",)),
    _flow("a receipt", Play.sent, ("sms",), act=Play.receive, again=Play.receive, ends=("delivered",)),
    _flow("a recall", Play.by_sms, (), act=Play.call_back, again=Play.call_back, ends=("dropped",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def operator(outside: Outside, own_tables: None) -> Operator:
    return Operator(in_process(), owner_token())


@pytest.fixture
def sweep(operator: Operator, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Sweep[Flow, Play]:
    played = Sandbox(sandbox)

    def new_world(_: Flow) -> Play:
        to_noon(mall_clock)
        played.post("faults/clear", {})
        user = f"u-{secrets.token_hex(6)}"
        shopper = Shopper.arrive(operator.send, played, user)
        follows(shopper, user)
        phone = f"139{secrets.randbelow(10**8):08}"
        set_phone(shopper.member_id, phone)
        play = Play(operator.send, played, mall_clock, operator, shopper, phone)
        play.work("")
        return play

    def check(flow: Flow, play: Play) -> None:
        check_end(flow, play)

    return Sweep(outside, new_world, check, may_change)


def check_end(flow: Flow, play: Play) -> None:
    """What must hold however it was struck."""
    one = found(play.message_id)
    assert one.state in flow.ends, one
    taken = play.taken
    assert len(taken) <= 1, "it was sent twice"
    assert all(each["medium"] in flow.media for each in taken)
    if one.state in ("sent", "delivered"):
        assert len(taken) == 1
    if one.state == "dropped":
        assert taken == []
    check_what_was_taken(play, one)
    assert audit(growth_books.messages(), clock.now()) == []
    assert dead_jobs() == []


def check_what_was_taken(play: Play, one: Message) -> None:
    log = contacts.stored(play.shopper.member_id).value.log
    went = one.state in ("sent", "delivered", "unknown")
    assert [each.message_id for each in log] == ([one.message_id] if went and one.purpose != "transactional" else [])
    assert left_of(play.shopper.member_id, "sub-notice") == 0
    assert sum(spent_on(day_now())) >= one.cost_fen


test_wherever_it_is_struck_it_is_sent_once_or_nobody_knows = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)


def test_nobody_is_unsure_where_nothing_went_wrong(sweep: Sweep[Flow, Play]) -> None:
    for flow in FLOWS:
        play = sweep.new_world(flow)
        flow.before(play)
        flow.act(play)
        flow.again(play)
        assert found(play.message_id).state == flow.ends[0]
        check_end(flow, play)
