"""The crash sweep over what has messages sent and what is heard of them: a send, its recall, a notice, the news of a
vendor, a task.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
Then people try again, what is owed is done, and nobody was passed over, written to twice, or after a recall.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.tables import Members
from chalicelib.gateways.sms.reports import Receipt, Reply
from chalicelib.growth.messaging import ports
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.contacts.queries import stored
from chalicelib.growth.messaging.hearing import service as hearing
from chalicelib.growth.messaging.notices.settings import NOTICES, NoticeRules
from chalicelib.growth.messaging.queries import find
from chalicelib.growth.messaging.rules import Choices, Preferences
from chalicelib.growth.messaging.sends import rules as sends
from chalicelib.growth.messaging.sends import service as sending_to_many
from chalicelib.growth.messaging.tasks import service as tasks
from chalicelib.growth.messaging.tasks.queries import load as task_of
from chalicelib.growth.messaging.tasks.rules import NewTask, Task
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from local.client import Sandbox
from local.clock import LocalClock
from tests.support import messages
from tests.support.messages import Platforms, platforms
from tests.support.outside import Outside, may_change
from tests.support.queued_messages import message_template, messages_to
from tests.support.registered import registered
from tests.support.segment_mall import SegmentMall, opened
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

#: Longer than a message may be on its way.
_ABANDONED = 90.0


@dataclass
class Play(World):
    """Some people who can be written to by SMS, and want it."""

    mall: SegmentMall
    platforms: Platforms
    template_id: str
    people: list[str]
    key: str = ""
    made: str = ""
    took: int = 0
    news: list[Any] = field(default_factory=list)

    def nothing(self) -> None:
        """There is nothing before it, or what is owed is done by itself."""

    def write(self) -> None:
        body = {"template_id": self.template_id, "members": self.people, "values": {"product": "茶"}}
        answer = self.operator.post("/v1/admin/messages", body, key=self.key)
        self.made = answer.json["send_id"] if answer.status == 202 else self.made

    def write_and_send(self) -> None:
        self.write()
        self.work("messaging.")

    def queue(self) -> None:
        self.write()
        self.work("messaging.send_part")

    def recall(self) -> None:
        answer = self.operator.post(f"/v1/admin/sends/{self.made}/recall")
        if answer.status == 200:
            self.work("messaging.")

    def buy(self) -> None:
        who = self.mall.with_address(self.people[0])
        self.made = self.mall.mall.buy(who, ("pot", 1)).order_id
        self.work("")

    def ship(self) -> None:
        try:
            delivery.ship(self.made, "SF", "SF1", None, "operator:x")
        except MallError as fault:
            assert fault.code in ("order_state", "unavailable", "conflict")
        self.work("messaging.")

    def get_one(self) -> None:
        self.made = messages.queue(messages.asked(self.template_id, self.people[0]))
        self.work("messaging.")
        phone = "13800138000"
        receipt = Receipt(message_id=self.made, ref="", phone=phone, delivered=True, code="DELIVERED")
        self.news = [receipt, Reply(phone=self.phone(), text="R", at=clock.now())]

    def phone(self) -> str:
        item = read.get(Members, self.people[0], "profile")
        assert item is not None
        return str(item.profile.phone)

    def tell(self) -> None:
        try:
            hearing.told(self.news)
        except MallError as fault:
            assert fault.code in ("unavailable", "conflict")
        self.work("messaging.")

    def open_task(self) -> None:
        self.made = ids.new("tk")
        tx = Transaction()
        tasks.open_task(
            tx, NewTask(task_id=self.made, member_id=self.people[0], title="x", due_at=clock.now(), source="s", run="r")
        )
        tx.commit()

    def end_task(self) -> None:
        self.operator.post(f"/v1/admin/tasks/{self.made}/done", {"outcome": "reached"})


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


class Results:
    """Notes beside the member that a task has ended: a second time it cannot."""

    def ended(self, tx: Transaction, message: Any) -> None:
        """No message of these has a run."""

    def task_done(self, tx: Transaction, task: Task) -> None:
        tx.create(Members(task.member_id, f"done#{task.task_id}", version=1), MallError("invalid"))


def _each_written_to_once(play: Play) -> None:
    for who in play.people:
        found = find(sends.message_id(play.made, who))
        assert found is not None, "passed over"
        took = play.platforms.of(found.value.message_id)
        assert (found.value.state, len(took)) in (("sent", 1), ("unknown", 0), ("unknown", 1))
    told = play.operator.get(f"/v1/admin/sends/{play.made}").ok()
    assert (told["state"], told["written_to"]) == ("done", len(play.people))
    assert sum(told["messages"].values()) == len(play.people) and "queued" not in told["messages"]


def _nobody_written_to(play: Play) -> None:
    assert len(play.platforms.took) == play.took
    told = play.operator.get(f"/v1/admin/sends/{play.made}").ok()
    assert (told["state"], told["messages"]) == ("recalled", {"dropped": len(play.people)})


def _told_of_once(play: Play) -> None:
    (found,) = messages_to(play.people[0])
    assert found.source == "notice:order_shipped"
    assert (found.state, len(play.platforms.of(found.message_id))) in (("sent", 1), ("unknown", 0), ("unknown", 1))


def _heard(play: Play) -> None:
    found = find(play.made)
    assert found is not None and found.value.state == "delivered"
    assert stored(play.people[0]).value.preferences.media.sms is False


def _ended(play: Play) -> None:
    assert task_of(play.made).value.state == "done"
    assert read.get(Members, play.people[0], f"done#{play.made}") is not None


FLOWS = [
    Flow("a send", Play.nothing, Play.write_and_send, Play.write, _each_written_to_once),
    Flow("a recall", Play.queue, Play.recall, Play.recall, _nobody_written_to),
    Flow("a notice", Play.buy, Play.ship, Play.ship, _told_of_once),
    Flow("the news of a vendor", Play.get_one, Play.tell, Play.tell, _heard),
    Flow("a task", Play.open_task, Play.end_task, Play.end_task, _ended),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with (
        opened("message-deeds") as mall,
        registered(ports.register_results, ports.results, Results()),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sending_to_many, "STEP_MEMBERS", 2)
        notice = message_template("{order_id}", ("order_id",), purpose="transactional")
        NOTICES.change(NoticeRules(order_shipped=notice.template_id))
        yield mall


@pytest.fixture
def sweep(world: SegmentMall, outside: Outside) -> Iterator[Sweep[Flow, Play]]:
    template_id = message_template("{product}", purpose="service").template_id

    def new_world(_: Flow) -> Play:
        held = cast(LocalClock, world.mall.clock)
        messages.to_noon(held)
        people = [messages.member(f"139{secrets.randbelow(10**8):08}") for _ in range(3)]
        for each in people:
            contacts.change(each, lambda before: msgspec.structs.replace(before, preferences=willing))
        sandbox = Sandbox("http://localhost:1")
        play = Play(
            world.operator.send, sandbox, held, world.operator, world, outside_world, template_id, people,
            key=secrets.token_hex(8), took=len(outside_world.took),
        )  # fmt: skip
        play.work("")
        return play

    def check(flow: Flow, play: Play) -> None:
        play.run_jobs(_ABANDONED)
        flow.ends(play)
        assert dead_jobs() == []

    willing = Preferences(media=Choices(sms=True))
    with platforms() as outside_world:
        yield Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_nobody_is_passed_over_or_written_to_twice = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
